"""A representative part of the live path on a CPU without AVX-512, which Numba can be told to compile for."""

import dataclasses
import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from rtaudio.nn.denoise import tensor_shapes
from rtaudio.nn.denoise_config import DenoiseConfig
from rtaudio.nn.product import Product
from rtaudio.stream.offline import run_frames

CONFIG = DenoiseConfig(
    n_fft=64, hop_length=32, n_bands=12, channels=70, dilations=(1, 3), mingru_every=2, hidden=20
)
TESTS = Path(__file__).parent
CHILD = TESTS / "plain_cpu.py"
GOLDEN_AND_LAWS = ("nn/test_golden_denoise.py", "nn/test_golden_speech.py", "laws")

pytestmark = pytest.mark.skipif(
    platform.machine() not in ("x86_64", "AMD64"), reason="other processors have no AVX-512"
)


@pytest.fixture(scope="module")
def run_plain(tmp_path_factory):
    """Run Python with kernels compiled for a plain CPU, into a cache of their own; returns what it prints."""
    environment = {
        **os.environ,
        "NUMBA_CPU_NAME": "x86-64-v3",  # AVX2 and FMA: any x86 of the last ten years
        "NUMBA_CPU_FEATURES": "",
        "NUMBA_DISABLE_JIT": "0",
        "RTAUDIO_CACHE": str(tmp_path_factory.mktemp("cache")),
    }

    def run(*arguments):
        command = [sys.executable, *map(str, arguments)]
        done = subprocess.run(command, env=environment, cwd=TESTS.parent, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


def net_and_gains():
    """Random weights, spectra, and torch's gains for them."""
    torch = pytest.importorskip("torch")
    from rtaudio.nn.torch.denoise import load_net

    rng, tensors = np.random.default_rng(0), {}
    for name, shape in tensor_shapes(CONFIG).items():
        fan_in = np.prod(shape[1:]) if len(shape) > 1 else 4
        tensors[name] = (rng.standard_normal(shape) * 0.5 / np.sqrt(fan_in)).astype(np.float32)
    spectra = rng.standard_normal((200, CONFIG.n_bins, 2)).astype(np.float32)
    with torch.no_grad():
        gains = load_net(CONFIG, tensors)(torch.from_numpy(spectra)[None])[0].numpy()
    return {f"net.{name}": tensor for name, tensor in tensors.items()} | {"spectra": spectra, "gains": gains}


def int8_product():
    """Weights and values that are codes already, so that sums are integers, and one frame to round."""
    rng = np.random.default_rng(0)
    weight, x = (rng.integers(-127, 128, size).astype(np.float32) for size in ((130, 200), (5, 200)))
    weight[:, 7], x[:4, ::64] = 127, -127
    x[4] = rng.standard_normal(200)
    product = Product(weight, np.zeros(130, np.float32), ("int8",))
    sums = run_frames(product, x)
    np.testing.assert_array_equal(sums[:4, :130], x[:4].astype(np.int64) @ weight.T.astype(np.int64))
    return {"weight": weight, "x": x, "sums": sums[:4], "codes": product.arena["value_codes"].copy()}


def test_a_cpu_without_avx_512_computes_the_same(run_plain, tmp_path):
    config = json.dumps(dataclasses.asdict(CONFIG))
    np.savez(tmp_path / "given.npz", config=config, **net_and_gains(), **int8_product())
    told = json.loads(run_plain(CHILD, tmp_path / "given.npz"))
    assert (told["cpu"], told["int8"]) == ("x86-64-v3", "generic")
    assert told["same integers"]
    assert told["same codes"]
    assert told["batch"] == 0
    assert told["net"] < 1e-5
    assert told["stft"] < 5e-7


def test_shipped_nets_and_all_laws_hold_there(run_plain):
    """Half a minute, most of it to compile. Code for AVX-512 alone can't be: it would end the process."""
    told = run_plain(
        "-m", "pytest", "-q", "-p", "no:cacheprovider", *(TESTS / name for name in GOLDEN_AND_LAWS)
    )
    assert " passed" in told
