"""The page to listen with, in a real browser."""

import re
from urllib.parse import quote

import numpy as np
import pytest
import soundfile

pytest.importorskip("torch")
pytest.importorskip("matplotlib")

from benchmarks.listening_page import write_page
from rtaudio.training.data import SAMPLE_RATE
from rtaudio.training.evaluate import Pair

SYSTEMS = ("noisy", "ours", "ours, no limit", "<b>&theirs</b>")
SHOWN = (*SYSTEMS, "clean")

PROBE = """<script>
addEventListener("load", () => {
  const [first, second, ...rest] = document.querySelectorAll("audio"), stopped = [];
  HTMLMediaElement.prototype.pause = function () { stopped.push(this === first); };
  Object.defineProperties(first, { paused: { value: false }, currentTime: { value: 0.5 } });
  second.dispatchEvent(new Event("play"));
  const drawn = [...document.images].filter(image => image.naturalWidth > 0).length;
  document.body.dataset.seen = `${drawn} drawn, ${stopped} stopped, on from ${second.currentTime}`;
});
</script></html>"""
"""Tells what was drawn, and what the second player does when it starts while the first one plays."""


def tiny_pair(snr_db, seed):
    rng, t = np.random.default_rng(seed), np.arange(SAMPLE_RATE) / SAMPLE_RATE
    clean = (0.1 * np.sin(2 * np.pi * 440 * t)).astype(np.float32)
    noise = 0.02 * rng.standard_normal(clean.size).astype(np.float32)
    return Pair(clean, clean + noise, snr_db, "somebody", "<i>rain</i>")


@pytest.fixture
def written(tmp_path):
    """Two mixes of a second through four systems: the page, and the mixes."""
    pairs = [tiny_pair(5.0, 0), tiny_pair(0.0, 1)]
    outputs = {name: [pair.noisy / (i + 1) for pair in pairs] for i, name in enumerate(SYSTEMS)}
    scores = {"SI-SDR gain dB": np.array([2.0, 1.0]), "PESQ": np.array([2.5, 1.5])}
    return write_page(tmp_path / "page", pairs, outputs, dict.fromkeys(SYSTEMS, scores)), pairs


def test_each_system_has_its_sound_and_its_picture(written):
    page, pairs = written
    text = page.read_text(encoding="utf-8")
    figures = re.findall(r"<figure.*?</figure>", text)
    assert len(figures) == len(pairs) * len(SHOWN)
    assert "<b>&theirs" not in text
    assert "<i>" not in text
    for figure in figures:
        sound, picture = (re.search(rf"src='([^']+\.{kind})'", figure)[1] for kind in ("flac", "png"))
        assert quote(sound) == sound
        assert soundfile.info(page.parent / sound).duration == 1
        assert (page.parent / picture).read_bytes()[:4] == b"\x89PNG"
    assert len({*re.findall(r"src='([^']+)'", text)}) == 2 * len(figures)
    worst, _ = soundfile.read(page.parent / re.search(r"src='([^']+\.flac)'", figures[0])[1])
    np.testing.assert_allclose(worst, pairs[1].noisy, atol=1e-4)  # the one that was done worst comes first


def test_the_page_in_a_real_browser(written, chromium):
    page, pairs = written
    n = len(pairs) * len(SHOWN)
    dom, log = chromium(page, "--dump-dom")
    assert "CONSOLE" not in log
    assert len(re.findall(r"<audio controls", dom)) == n
    assert re.findall(r"<b>(.*?)</b>", dom)[: len(SHOWN)] == [
        "noisy", "ours", "ours, no limit", "&lt;b&gt;&amp;theirs&lt;/b&gt;", "clean",
    ]  # fmt: skip
    probed = page.with_name("probed.html")
    text = page.read_text(encoding="utf-8").replace("loading=lazy", "").replace("</html>", PROBE)
    probed.write_text(text, encoding="utf-8")
    dom, log = chromium(probed, "--dump-dom")
    assert "CONSOLE" not in log
    assert re.findall(r'data-seen="(.*?)"', dom) == [f"{n} drawn, true stopped, on from 0.5"]
