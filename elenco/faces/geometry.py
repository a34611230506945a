"""Boxes and similarity transforms: values in, values out, vectorised over leading axes.

Boxes are x1, y1, x2, y2 in pixels with x1 <= x2 and y1 <= y2; their area is
(x2 - x1) * (y2 - y1). Transforms are 2x3 matrices that act on column vectors (x, y, 1).
"""

import numpy as np
from jaxtyping import Float64, Shaped

Boxes = Shaped[np.ndarray, "n 4"]
Points = Shaped[np.ndarray, "*batch k 2"]
Transforms = Float64[np.ndarray, "*batch 2 3"]


def area(boxes: Shaped[np.ndarray, "*batch 4"]) -> Shaped[np.ndarray, "*batch"]:
    """Return each box's area in square pixels."""
    sides = boxes[..., 2:] - boxes[..., :2]
    return sides[..., 0] * sides[..., 1]


def center(boxes: Shaped[np.ndarray, "*batch 4"]) -> Shaped[np.ndarray, "*batch 2"]:
    """Return each box's middle, x and y."""
    return (boxes[..., :2] + boxes[..., 2:]) / 2


def iou(a: Boxes, b: Boxes) -> Float64[np.ndarray, "n m"]:
    """Compare every box of `a` with every box of `b`.

    Args:
        a: (n, 4) boxes.
        b: (m, 4) boxes.

    Returns:
        (n, m) intersection over union, 0..1; 0 where both boxes are empty.
    """
    first, second = np.asarray(a, np.float64)[:, None], np.asarray(b, np.float64)[None]
    corner = np.maximum(first[..., :2], second[..., :2])
    sides = np.clip(np.minimum(first[..., 2:], second[..., 2:]) - corner, 0, None)
    shared = sides[..., 0] * sides[..., 1]
    union = area(first) + area(second) - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


def clip(boxes: Boxes, width: float, height: float) -> Boxes:
    """Cut (n, 4) boxes to a picture of `width` x `height` pixels."""
    return np.clip(boxes, 0, np.array([width, height, width, height], boxes.dtype))


def similarity(source: Points, target: Points) -> Transforms:
    """Fit the scale, rotation and translation that take `source` nearest to `target`.

    Least squares over k >= 2 points, never a mirror image. Umeyama 1991, "Least-squares
    estimation of transformation parameters between two point patterns", in the closed form that
    holds in the plane, where points are complex numbers: target = z * source + shift.

    Args:
        source: (..., k, 2) points x, y.
        target: (..., k, 2) points x, y; leading axes broadcast.

    Returns:
        (..., 2, 3) float64 matrices.

    Raises:
        ValueError: the source points of a set coincide: no transform is the nearest.
    """
    source, target = np.asarray(source, np.float64), np.asarray(target, np.float64)
    middle, goal = source.mean(-2, keepdims=True), target.mean(-2, keepdims=True)
    x, y = np.moveaxis(source - middle, -1, 0)
    u, v = np.moveaxis(target - goal, -1, 0)
    spread = (x * x + y * y).sum(-1)
    if not np.all(spread > 0):
        raise ValueError("the points coincide: they fix no similarity transform")
    real = (x * u + y * v).sum(-1) / spread
    imaginary = (x * v - y * u).sum(-1) / spread
    linear = np.stack([np.stack([real, -imaginary], -1), np.stack([imaginary, real], -1)], -2)
    shift = np.squeeze(goal, -2) - np.einsum("...ij,...j->...i", linear, np.squeeze(middle, -2))
    return np.concatenate([linear, shift[..., None]], -1)


def transform(matrix: Transforms, points: Points) -> Points:
    """Apply (..., 2, 3) matrices to (..., k, 2) points."""
    return points @ np.swapaxes(matrix[..., :2], -1, -2) + matrix[..., None, :, 2]


def invert(matrix: Transforms) -> Transforms:
    """Invert (..., 2, 3) matrices. Raises numpy.linalg.LinAlgError where one has no inverse."""
    linear = np.linalg.inv(matrix[..., :2])
    return np.concatenate([linear, -linear @ matrix[..., 2:]], -1)


def scale_of(matrix: Transforms) -> Float64[np.ndarray, "*batch"]:
    """Return by how much similarity transforms stretch lengths."""
    return np.hypot(matrix[..., 0, 0], matrix[..., 1, 0])
