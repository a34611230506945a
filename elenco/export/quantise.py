"""The weights of a TF.js graph model in fewer bytes, by the rules that TF.js reads them by.

`quantization` in a weight's entry (tfjs-core, src/io/types.ts): `float16`, IEEE half precision; or
`uint8`, affine over the whole tensor: value = min + scale * stored. No TensorFlow is needed.
"""

import math
from copy import deepcopy
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Float32, Shaped

from elenco.storage import read_json

Stored = Literal["float32", "float16", "uint8"]
WEIGHTS = "weights.bin"
# A bias or a slope is not worth what its rounding costs: only kernels are stored in fewer bytes.
LEAST_KERNEL = 1024
_BYTES = {"float32": "<f4", "float16": "<f2", "uint8": "u1", "int32": "<i4", "bool": "u1"}


def stored_as(folder: Path, dtype: Stored, exact: int = 0) -> tuple[dict[str, Any], bytes]:
    """A graph model with its kernels stored as `dtype`; what takes less already stays.

    Args:
        folder: with `model.json` and what it names.
        dtype: how kernels are stored; all else stays as it is.
        exact: numbers up to which a kernel is stored as float16 where `dtype` is uint8.

    Returns:
        What goes into `model.json`, and into `weights.bin` beside it.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: the weights are not those that `model.json` describes.
    """
    model = deepcopy(read_json(folder / "model.json"))
    groups = model["weightsManifest"]
    data = b"".join((folder / path).read_bytes() for group in groups for path in group["paths"])
    entries: list[dict[str, Any]] = []
    parts: list[bytes] = []
    start = 0
    for entry in (entry for group in groups for entry in group["weights"]):
        kind = np.dtype(_BYTES[entry.get("quantization", entry)["dtype"]])
        end = start + math.prod(entry["shape"]) * kind.itemsize
        stored = np.frombuffer(data[start:end], kind)
        start = end
        if entry["dtype"] == "float32" and stored.size >= LEAST_KERNEL:
            small = dtype == "uint8" and stored.size <= exact
            entry, stored = _kernel(entry, stored, "float16" if small else dtype)
        entries.append(entry)
        parts.append(stored.tobytes())
    if start != len(data):
        raise ValueError(f"{folder.name}: model.json describes {start} bytes of {len(data)}")
    model["weightsManifest"] = [{"paths": [WEIGHTS], "weights": entries}]
    return model, b"".join(parts)


def _kernel(
    entry: dict[str, Any], stored: Shaped[np.ndarray, " n"], dtype: Stored
) -> tuple[dict[str, Any], Shaped[np.ndarray, " n"]]:
    if stored.dtype.itemsize <= np.dtype(_BYTES[dtype]).itemsize:
        return entry, stored
    values = stored.astype(np.float32)  # of float16 at most: what is uint8 stayed as it is
    plain = {key: value for key, value in entry.items() if key != "quantization"}
    if dtype == "float16":
        quantization = {"dtype": "float16", "original_dtype": "float32"}
        return plain | {"quantization": quantization}, values.astype("<f2")
    least, scale, codes = affine(values)
    quantization = {"dtype": "uint8", "min": least, "scale": scale, "original_dtype": "float32"}
    return plain | {"quantization": quantization}, codes


def affine(
    values: Float32[np.ndarray, " n"],
) -> tuple[float, float, Shaped[np.ndarray, " n"]]:
    """Whole numbers of 0..255 that stand for values, with what 0 and a step stand for."""
    least, most = float(values.min()), float(values.max())
    scale = (most - least) / 255 or 1.0
    codes = np.clip(np.rint((values.astype(np.float64) - least) / scale), 0, 255)
    return least, scale, codes.astype(np.uint8)
