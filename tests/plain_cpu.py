"""Run by test_plain_cpu.py in a process of its own: kernels compiled for another CPU than this one.

Arguments: an `.npz` with a small net, spectra, torch's gains for them, and an int8 product with its
result here. Prints the CPU Numba compiled for and the largest errors, as JSON.
"""

import json
import sys

import numpy as np
from numba.core.registry import cpu_target

from rtaudio.dsp.stft import Analysis, Synthesis
from rtaudio.kernels.simd_int8 import DOT4_KIND
from rtaudio.nn.denoise import Denoiser
from rtaudio.nn.denoise_config import DenoiseConfig
from rtaudio.nn.product import Product
from rtaudio.stream.batch import batched
from rtaudio.stream.offline import run_frames
from rtaudio.testing import white_noise


def net_error(given):
    tensors = {name[4:]: given[name] for name in given.files if name.startswith("net.")}
    stage = Denoiser(DenoiseConfig(**json.loads(str(given["config"]))), tensors)
    out, worst = np.empty_like(given["spectra"][0]), 0.0
    for spectrum, gains in zip(given["spectra"], given["gains"], strict=True):
        stage.process(spectrum, out)
        worst = max(worst, float(np.abs(stage.arena["gains"] - gains).max()))
    return worst


def stft_error():
    """Of spectra against numpy in float64, and of the way there and back."""
    window = np.sqrt(0.5 - 0.5 * np.cos(2 * np.pi * np.arange(960) / 960))
    hops = white_noise(20 * 480).reshape(20, 480)
    spectra = run_frames(Analysis(960, 480), hops)
    samples = np.pad(hops.ravel().astype(np.float64), (480, 0))
    expected = np.fft.rfft(np.lib.stride_tricks.sliding_window_view(samples, 960)[::480] * window)
    there = np.abs(spectra[..., 0] + 1j * spectra[..., 1] - expected).max() / np.abs(expected).max()
    back = np.abs(run_frames(Synthesis(960, 480), spectra)[1:] - hops[:-1]).max()
    return max(float(there), float(back))


def batch_error(product, x):
    """Of five streams in one int8 step against the product alone."""
    got = run_frames(batched(product, 5), np.stack([x] * 5, axis=1))
    return float(np.abs(got - run_frames(product, x)[:, None]).max())


def main():
    given = np.load(sys.argv[1])
    product = Product(given["weight"], np.zeros(len(given["weight"]), np.float32), ("int8",))
    sums = run_frames(product, given["x"])
    told = {
        "cpu": cpu_target.target_context.codegen().magic_tuple()[1],
        "int8": DOT4_KIND,
        "same integers": bool(np.array_equal(sums[:4], given["sums"])),
        "same codes": bool(np.array_equal(product.arena["value_codes"], given["codes"])),
        "batch": batch_error(product, given["x"]),
        "net": net_error(given),
        "stft": stft_error(),
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main()
