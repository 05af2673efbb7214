import json
import pickle

import numpy as np
import pytest

from rtaudio.errors import WeightsError
from rtaudio.nn.weights import MANIFEST, check_shapes, find_weights, list_models, load_weights, save_weights

TENSORS = {"a.weight": np.arange(600, dtype=np.float32).reshape(20, 30), "a.bias": np.ones(20, np.float32)}


@pytest.fixture
def path(tmp_path):
    return save_weights(tmp_path / "net.npz", "net", {"size": 20}, TENSORS, licence="CC0", seed=3)


def rewrite(path, **changes):
    """Write the file again with arrays or manifest entries changed, as a forger would."""
    with np.load(path) as archive:
        arrays = dict(archive)
    manifest = json.loads(arrays.pop(MANIFEST).tobytes())
    for name, value in changes.items():
        (arrays if isinstance(value, np.ndarray) else manifest)[name] = value
    arrays[MANIFEST] = np.frombuffer(json.dumps(manifest).encode(), np.uint8)
    np.savez(path, **arrays)


def test_what_was_saved_is_loaded(path):
    weights = load_weights(path)
    assert (weights.net, weights.config) == ("net", {"size": 20})
    assert weights.card == {"licence": "CC0", "seed": 3}
    assert weights.tensors.keys() == TENSORS.keys()
    for name, tensor in TENSORS.items():
        np.testing.assert_array_equal(weights.tensors[name], tensor)
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_every_flipped_bit_and_every_cut_is_an_error_of_one_line(path):
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    values_start = whole.index(TENSORS["a.weight"].tobytes())
    cuts = [whole[:n] for n in (0, 1, 100, len(whole) // 2, len(whole) - 1)]
    flips = []
    for at in rng.integers(values_start, values_start + TENSORS["a.weight"].nbytes, 20):
        flipped = bytearray(whole)
        flipped[at] ^= 1
        flips.append(bytes(flipped))
    for damaged in cuts + flips:
        path.write_bytes(damaged)
        with pytest.raises(WeightsError) as caught:
            load_weights(path)
        assert "\n" not in str(caught.value)
        assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"a.bias": np.zeros(20, np.float32)}, "hash"),
        ({"a.bias": np.full(20, np.nan, np.float32)}, "finite"),
        ({"a.bias": np.ones(20)}, "float64"),
        ({"format": "onnx"}, "manifest"),
        ({"version": 2}, "version 2"),
        ({"config": 3}, "config"),
        ({"sha256": "0"}, "hash"),
    ],
)
def test_a_changed_file_is_refused(path, changes, message):
    rewrite(path, **changes)
    with pytest.raises(WeightsError, match=message):
        load_weights(path)


def test_foreign_files_are_refused(tmp_path):
    path = tmp_path / "weights.npz"
    path.write_text("not weights")
    with pytest.raises(WeightsError, match="not a weights file"):
        load_weights(path)
    path.write_bytes(pickle.dumps({"weight": [1.0]}))
    with pytest.raises(WeightsError, match="not a weights file"):
        load_weights(path)
    np.save(tmp_path / "array.npy", np.ones(3))
    with pytest.raises(WeightsError, match="not a weights file"):
        load_weights(tmp_path / "array.npy")
    np.savez(path, np.array([{}], object), allow_pickle=True)
    with pytest.raises(WeightsError, match="not a weights file"):
        load_weights(path)
    np.savez(path, weight=np.ones(3, np.float32))
    with pytest.raises(WeightsError, match="no manifest"):
        load_weights(path)
    with pytest.raises(WeightsError, match="directory"):
        load_weights(tmp_path)


def test_missing_files_and_names(tmp_path):
    with pytest.raises(WeightsError, match="No such file"):
        load_weights(tmp_path / "none.npz")
    with pytest.raises(WeightsError, match=r"'nonesuch'.*shipped models"):
        find_weights("nonesuch")
    assert find_weights(tmp_path / "x") == tmp_path / "x"
    assert find_weights("x.npz").name == "x.npz"
    for name in list_models():
        assert find_weights(name).exists()


def test_shapes_are_checked_by_name():
    shapes = {name: tensor.shape for name, tensor in TENSORS.items()}
    check_shapes(TENSORS, shapes)
    with pytest.raises(WeightsError, match=r"no 'b'"):
        check_shapes(TENSORS, shapes | {"b": (1,)})
    with pytest.raises(WeightsError, match=r"unknown 'a.bias'"):
        check_shapes(TENSORS, {"a.weight": (20, 30)})
    with pytest.raises(WeightsError, match=r"a.bias has shape \(20,\)"):
        check_shapes(TENSORS, shapes | {"a.bias": (21,)})
