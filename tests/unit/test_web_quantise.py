"""Weights of a TF.js model in fewer bytes: read back as TF.js reads them."""

import json

import numpy as np
import pytest

from elenco.export.quantise import LEAST_KERNEL, WEIGHTS, affine, stored_as
from elenco.storage import write_bytes, write_json

KERNELS = {"small": (40, 40), "large": (64, 64)}


def write_model(folder, half=False):
    """A graph model's files, cut into two parts; its weights by name."""
    rng = np.random.default_rng(0)
    arrays = {name: rng.normal(0, 0.3, shape).astype("<f4") for name, shape in KERNELS.items()}
    arrays["bias"] = rng.normal(size=16).astype("<f4")
    arrays["axes"] = np.array([1, -1, 3], "<i4")
    entries, parts = [], []
    for name, array in arrays.items():
        dtype = "int32" if array.dtype.kind == "i" else "float32"
        entry = {"name": name, "shape": list(array.shape), "dtype": dtype}
        if half and name in KERNELS:
            entry["quantization"] = {"dtype": "float16", "original_dtype": "float32"}
            arrays[name] = array.astype("<f2").astype("<f4")
            array = array.astype("<f2")
        entries.append(entry)
        parts.append(array.tobytes())
    data = b"".join(parts)
    write_bytes(folder / "a.bin", data[:5000])
    write_bytes(folder / "b.bin", data[5000:])
    manifest = [{"paths": ["a.bin", "b.bin"], "weights": entries}]
    write_json(folder / "model.json", {"modelTopology": {"node": []}, "weightsManifest": manifest})
    return arrays


def read_as_tfjs(model, data):
    """tfjs-core, src/io/io_utils.ts, decodeWeights."""
    arrays, start = {}, 0
    (group,) = model["weightsManifest"]
    assert group["paths"] == [WEIGHTS]
    for entry in group["weights"]:
        stored = entry.get("quantization", {})
        kind = {"uint8": "u1", "float16": "<f2", "float32": "<f4", "int32": "<i4"}
        dtype = np.dtype(kind[stored.get("dtype", entry["dtype"])])
        end = start + int(np.prod(entry["shape"])) * dtype.itemsize
        values = np.frombuffer(data[start:end], dtype)
        if stored.get("dtype") == "uint8":
            values = values.astype(np.float32) * np.float32(stored["scale"]) + stored["min"]
        wanted = np.int32 if entry["dtype"] == "int32" else np.float32
        arrays[entry["name"]] = values.astype(wanted).reshape(entry["shape"])
        start = end
    assert start == len(data)
    return arrays


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize(("dtype", "bytes_each"), [("float32", 4), ("float16", 2), ("uint8", 1)])
def test_kernels_are_stored_in_as_many_bytes_and_all_else_as_it_was(
    tmp_path, half, dtype, bytes_each
):
    arrays = write_model(tmp_path, half)
    model, data = stored_as(tmp_path, dtype)
    found = read_as_tfjs(model, data)
    assert found.keys() == arrays.keys()
    for name in ("bias", "axes"):
        np.testing.assert_array_equal(found[name], arrays[name])
    within = {"float32": 0, "float16": 1e-3, "uint8": 6e-3}[dtype]
    for name, shape in KERNELS.items():
        assert np.prod(shape) >= LEAST_KERNEL
        np.testing.assert_allclose(found[name], arrays[name], atol=within)
    kernels = sum(int(np.prod(shape)) for shape in KERNELS.values())
    own = min(bytes_each, 2) if half else bytes_each  # what takes less already stays
    assert len(data) == kernels * own + 16 * 4 + 3 * 4


def test_small_kernels_can_be_kept_more_exact(tmp_path):
    arrays = write_model(tmp_path)
    model, data = stored_as(tmp_path, "uint8", exact=40 * 40)
    kinds = {e["name"]: e.get("quantization", {}).get("dtype") for e in entries_of(model)}
    assert kinds == {"small": "float16", "large": "uint8", "bias": None, "axes": None}
    found = read_as_tfjs(model, data)
    np.testing.assert_allclose(found["small"], arrays["small"], atol=1e-3)


def entries_of(model):
    return [entry for group in model["weightsManifest"] for entry in group["weights"]]


def test_the_same_model_gives_the_same_bytes_and_stays_as_it_was(tmp_path):
    write_model(tmp_path)
    before = (tmp_path / "model.json").read_bytes()
    first, second = (stored_as(tmp_path, "uint8") for _ in range(2))
    assert json.dumps(first[0]) == json.dumps(second[0])
    assert first[1] == second[1]
    assert (tmp_path / "model.json").read_bytes() == before


@pytest.mark.parametrize("values", [[0.0, 0.0], [3.0, 3.0], [-1.0, 2.0], [1e-30, 1e-29]])
def test_affine_keeps_the_ends(values):
    array = np.array(values, np.float32)
    least, scale, codes = affine(array)
    assert codes.dtype == np.uint8
    np.testing.assert_allclose(least + scale * codes.astype(float), array, rtol=1e-6, atol=1e-35)


@pytest.mark.parametrize("change", [lambda data: data[:-4], lambda data: data + b"more"])
def test_weights_of_another_length_are_refused(tmp_path, change):
    write_model(tmp_path)
    write_bytes(tmp_path / "b.bin", change((tmp_path / "b.bin").read_bytes()))
    with pytest.raises(ValueError, match=r"model\.json describes|buffer"):
        stored_as(tmp_path, "float16")
