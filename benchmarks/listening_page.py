"""A page to listen with: all systems side by side on the same mixes, with players and spectrograms."""

from __future__ import annotations

import html
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from rtaudio.figures import spectrogram_db
from rtaudio.training.data import SAMPLE_RATE
from rtaudio.training.evaluate import Pair

Samples = NDArray[np.float32]

SHOWN = 12
HEAD = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>rtaudio: listen</title>
<style>
 :root { color-scheme: dark; --ground:#0b0d12; --card:#141821; --ink:#e8e6e3; --soft:#98a1b3;
         --mark:#ffb454; }
 body { margin:0 auto; max-width:1500px; padding:2rem; background:var(--ground); color:var(--ink);
        font:16px/1.5 system-ui,sans-serif; }
 h1 { font-weight:600; letter-spacing:-.02em; margin:0 }
 h2 { font-size:1.05rem; font-weight:600; margin:2.2rem 0 .7rem }
 h2 small { color:var(--soft); font-weight:400; margin-left:.6rem } p { color:var(--soft); max-width:60rem }
 .row { display:grid; grid-template-columns:repeat(auto-fill,minmax(20rem,1fr)); gap:1rem }
 figure { margin:0; background:var(--card); border-radius:10px; overflow:hidden; border:1px solid #222838 }
 figure.ours { border-color:var(--mark) } img { width:100%; display:block; aspect-ratio:2/1 }
 figcaption { padding:.55rem .8rem 0; display:flex; justify-content:space-between; gap:1rem }
 figcaption b { font-weight:600 }
 figcaption span { color:var(--soft); font-variant-numeric:tabular-nums; font-size:.85rem }
 audio { width:calc(100% - 1rem); height:36px; margin:.4rem .5rem .5rem }
</style>
<h1>Listen</h1>
<p>The same mixes through every system, aligned. Spectrograms: 0 to 20 kHz, 75 dB from bright to black, one
scale a row. Gains are of SI-SDR. Starting one player stops the others and goes on from where they were.</p>
"""
TAIL = """<script>
 const players = [...document.querySelectorAll("audio")];
 for (const player of players) player.addEventListener("play", () => {
   for (const other of players) if (other !== player && !other.paused) {
     if (other.dataset.row === player.dataset.row) player.currentTime = other.currentTime;
     other.pause();
   }
 });
</script>
</html>
"""


def write_page(
    folder: Path,
    pairs: Sequence[Pair],
    outputs: dict[str, list[Samples]],
    results: dict[str, dict[str, NDArray[np.float64]]],
) -> Path:
    """`index.html` with its sounds and pictures in `folder`; returns its path.

    Shown are pairs over the whole range of SNR, and first the one our system did worst on.
    """
    folder.mkdir(parents=True, exist_ok=True)
    own = next(name for name in outputs if name != "noisy")
    parts = [HEAD]
    for number in _chosen(pairs, results[own]["SI-SDR gain dB"]):
        pair = pairs[number]
        told = f"{pair.snr_db:.0f} dB, {pair.noise or 'noise'}"
        parts.append(f"<h2>{html.escape(told)}<small>{html.escape(pair.speaker)}</small></h2><div class=row>")
        signals = {name: made[number] for name, made in outputs.items()} | {"clean": pair.clean}
        top = max(float(spectrogram_db(x, SAMPLE_RATE).max()) for x in signals.values())
        for name, x in signals.items():
            stem = f"{number:03d}-{''.join(c if c.isalnum() else '-' for c in name)}"
            soundfile.write(folder / f"{stem}.flac", np.clip(x, -1, 1), SAMPLE_RATE)
            _picture(folder / f"{stem}.png", x, top)
            parts.append(_figure(name, stem, number, results.get(name), own))
        parts.append("</div>")
    page = folder / "index.html"
    page.write_text("\n".join([*parts, TAIL]), encoding="utf-8")
    return page


def _chosen(pairs: Sequence[Pair], gains: NDArray[np.float64]) -> list[int]:
    worst = int(np.argmin(gains))
    by_snr = [int(i) for i in np.argsort([pair.snr_db for pair in pairs]) if i != worst]
    steps = np.linspace(0, len(by_snr) - 1, min(SHOWN - 1, len(by_snr))).round().astype(int)
    return [worst, *(by_snr[i] for i in steps)]


def _figure(name: str, stem: str, row: int, scores: dict[str, NDArray[np.float64]] | None, own: str) -> str:
    told = (
        "" if scores is None else f"{scores['SI-SDR gain dB'][row]:+.1f} dB, PESQ {scores['PESQ'][row]:.2f}"
    )
    ours = " class=ours" if name.startswith(own) else ""
    return (
        f"<figure{ours}><img loading=lazy src='{stem}.png' alt='spectrogram, {html.escape(name)}'>"
        f"<figcaption><b>{html.escape(name)}</b><span>{told}</span></figcaption>"
        f"<audio controls preload=none data-row='{row}' src='{stem}.flac'></audio></figure>"
    )


def _picture(path: Path, x: Samples, top: float) -> None:
    from matplotlib.image import imsave

    level = spectrogram_db(x, SAMPLE_RATE)
    kept = level[: round(level.shape[0] * 20000 / (SAMPLE_RATE / 2))]
    rows = kept[: kept.shape[0] // 4 * 4].reshape(-1, 4, kept.shape[1]).max(1)  # 94 Hz a row: 213 of them
    imsave(path, rows[::-1], cmap="inferno", vmin=top - 75, vmax=top)
