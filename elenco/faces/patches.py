"""Boxes of pictures as the square patches that a network takes."""

from collections.abc import Sequence

import cv2
import numpy as np
from jaxtyping import Float32, Float64, Int64

from elenco.faces.images import Picture

_MOST_ROWS = 1 << 15  # OpenCV's pictures have no more


def cut_boxes(
    images: Sequence[Picture],
    picture: Int64[np.ndarray, " n"],
    boxes: Float64[np.ndarray, "n 4"],
    side: int,
) -> Float32[np.ndarray, "n side side 3"]:
    """Cut boxes out of pictures and resize each to a square.

    Bilinear, as tf.image.crop_and_resize: a box's edges fall on the middles of the outer samples.

    Args:
        images: RGB, of any sizes.
        picture: which of them each box is of.
        boxes: x1, y1, x2, y2 in pixels; may leave the picture.
        side: of the squares, in pixels.

    Returns:
        The patches, RGB of 0..255; mid-grey outside of the picture.
    """
    out = np.empty((len(boxes), side, side, 3), np.float32)
    steps = np.linspace(0, 1, side)
    for number in np.unique(picture).tolist():
        own = np.flatnonzero(picture == number)
        image = images[number]
        height, width = image.shape[:2]
        shrink = np.array([width - 1, height - 1]) / (width, height)
        corner = boxes[own, :2] * shrink
        span = boxes[own, 2:] * shrink - corner
        x = (corner[:, :1] + span[:, :1] * steps).astype(np.float32)
        y = (corner[:, 1:] + span[:, 1:] * steps).astype(np.float32)
        most = max(1, _MOST_ROWS // side)
        for start in range(0, len(own), most):
            part = slice(start, start + most)
            shape = (len(own[part]), side, side)
            across = np.broadcast_to(x[part, None, :], shape).reshape(-1, side)
            down = np.broadcast_to(y[part, :, None], shape).reshape(-1, side)
            patches = cv2.remap(
                image,
                across,
                down,
                cv2.INTER_LINEAR,
                borderMode=cv2.BORDER_CONSTANT,
                borderValue=(127, 127, 127),
            )
            out[own[part]] = patches.reshape(*shape, 3)
    return out
