"""`rtaudio inspect`: what a streaming ONNX model wants, proposed and proved."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from rtaudio.cli.options import Verbs, verb

if TYPE_CHECKING:
    from rtaudio.nn.onnx.manifest import Manifest, Port
    from rtaudio.nn.onnx.propose import Proposal
    from rtaudio.tasks.prove import Proof

DESCRIPTION = """\
Look at somebody's streaming model and show that it can be run hop by hop.

From model.onnx a manifest is proposed, by names and shapes: sample rate, hop, front end, and which
ports carry sound, state or a constant. Then it is proved, by running. What was guessed is said;
write the manifest with -o, mend it, and prove it with `rtaudio inspect model.toml`. A model whose
proofs pass runs with `rtaudio denoise --model model.toml`.

Running can't show all: behind a wrong window, or at a wrong sample rate, a model streams as well
and only works worse. What its author alone knows is listed as not proved.

Exit code 2 where a proof fails.
"""

MANIFEST = ".toml"
"""By that ending commands know one from a model."""


def add_parser(verbs: Verbs) -> None:
    parser = verb(
        verbs,
        "inspect",
        run,
        help="see what somebody's ONNX model wants, and whether it streams",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("model", metavar="MODEL", help="model.onnx, or a manifest, model.toml")
    parser.add_argument("-o", "--out-file", metavar="FILE.toml", help="write the manifest there")


def run(args: argparse.Namespace) -> int:
    from rtaudio.cli.terminal import print_json
    from rtaudio.errors import ConfigError
    from rtaudio.nn.optional import require

    require("inspect", "onnx", "onnx", "onnxruntime")
    from rtaudio.tasks.onnx_delay import clean_speech
    from rtaudio.tasks.prove import prove

    if args.out_file and not args.out_file.endswith(MANIFEST):
        raise ConfigError(f"-o {args.out_file}: the name of a manifest must end with {MANIFEST}")
    proposal = _proposal(args.model)
    manifest = proposal.manifest
    proofs = list(prove(manifest, clean_speech(manifest.sample_rate)))
    if args.out_file:
        _write(args.out_file, proposal)
    if args.json:
        print_json(_as_json(proposal, proofs, args.out_file))
    else:
        _print(proposal, proofs)
    return 2 if any(proof.passed is False for proof in proofs) else 0


def _proposal(path: str) -> Proposal:
    from rtaudio.nn.onnx.manifest_toml import read_manifest
    from rtaudio.nn.onnx.propose import Proposal, propose

    return Proposal(read_manifest(path)) if path.endswith(MANIFEST) else propose(path)


def _write(path: str, proposal: Proposal) -> None:
    from pathlib import Path

    from rtaudio.cli.terminal import note
    from rtaudio.errors import ModelError
    from rtaudio.files import whole
    from rtaudio.nn.onnx.manifest_toml import write_manifest

    try:
        with whole(Path(path)) as unfinished:
            unfinished.write_text(write_manifest(proposal.manifest, proposal.guesses), encoding="utf-8")
    except OSError as error:
        raise ModelError(f"{path}: cannot be written ({error.strerror})") from None
    for net in proposal.manifest.nets:
        if not (Path(path).parent / net.file).exists():
            note(f"{path}: {net.file} must lie beside it, and does not yet")


def _rows(manifest: Manifest) -> list[dict[str, Any]]:
    """Every port of every net: what it is for, and what it is."""
    return [
        {
            "net": net.file,
            "port": port.name,
            "direction": direction,
            "role": port.role,
            "shape": list(port.shape),
            "dtype": port.dtype,
            "batch_axis": port.batch_axis,
            "note": _note(port),
        }
        for net in manifest.nets
        for direction, ports in (("in", net.inputs), ("out", net.outputs))
        for port in ports
    ]


def _note(port: Port) -> str:
    """What else there is to say of a port."""
    values = f"{port.values[0]:g}" if len(port.values) == 1 else f"{len(port.values)} values"
    parts = [f"from {port.source}, first {values}"] if port.role == "state" else []
    parts += [f"always {values}"] if port.role == "constant" else []
    parts += [f"full scale is {port.scale:g}"] if port.scale != 1 else []
    parts += [f"several hops along axis {port.time_axis}"] if port.time_axis is not None else []
    parts += [f"of {', '.join(port.labels)}"] if port.labels else []
    return ", ".join(parts)


def _facts(manifest: Manifest) -> str:
    m, front_end = manifest, manifest.front_end
    kind = {
        "samples": f"samples after {front_end.context} of context" if front_end.context else "samples",
        "stft": f"STFT of {front_end.n_fft}, {front_end.window} ({front_end.layout})",
        "dtln": f"DTLN, two nets around FFTs of {front_end.n_fft}",
    }[front_end.kind]
    delay = f"{m.delay} samples ({1000 * m.delay / m.sample_rate:.1f} ms)"
    hop = f"hop {m.hop_length} ({1000 * m.hop_length / m.sample_rate:g} ms)"
    return f"{m.name}: {m.task}, {m.sample_rate} Hz, {hop}, {kind}, delay {delay}, licence {m.licence or '?'}"


def _print(proposal: Proposal, proofs: list[Proof]) -> None:
    from rtaudio.cli.terminal import console, table

    print(_facts(proposal.manifest))
    ports = table("Ports", "", "port", "role", "shape", "batch axis", "dtype", "")
    keys = ("direction", "port", "role", "shape", "batch_axis", "dtype", "note")
    for row in _rows(proposal.manifest):
        ports.add_row(*("" if row[key] is None else str(row[key]) for key in keys))
    shown = table("Proofs", "", "", "")
    words = {True: "passed", False: "FAILED", None: "not proved"}
    for proof in proofs:
        shown.add_row(proof.name, words[proof.passed], proof.text)
    console().print(ports, shown)
    for key, why in proposal.guesses.items():
        print(f"guessed: {key} ({why})")


def _as_json(proposal: Proposal, proofs: list[Proof], written: str | None) -> dict[str, Any]:
    from rtaudio.nn.onnx.manifest_toml import write_manifest

    return {
        "manifest": write_manifest(proposal.manifest, proposal.guesses),
        "ports": _rows(proposal.manifest),
        "guesses": proposal.guesses,
        "proofs": [proof.as_dict() for proof in proofs],
        "passed": all(proof.passed is not False for proof in proofs),
        "written": written,
    }
