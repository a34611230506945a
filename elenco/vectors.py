"""Lengths of vectors, made by numpy row by row: the same to the last bit wherever a row stands."""

import numpy as np
from jaxtyping import Float32

Vectors = Float32[np.ndarray, "*batch d"]


def lengths(vectors: Vectors) -> Float32[np.ndarray, "*batch"]:
    """Euclidean lengths."""
    return np.sqrt(np.square(vectors).sum(axis=-1)).astype(np.float32)


def unit(vectors: Vectors) -> Vectors:
    """Vectors at length 1; the zero vector stays as it is."""
    return (vectors / np.maximum(lengths(vectors), 1e-12)[..., None]).astype(np.float32)
