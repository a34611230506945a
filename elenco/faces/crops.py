"""The canonical crop: one aligned picture of a face that every embedder cuts its input from.

256x256 RGB. The five landmarks are brought by a similarity transform onto fixed places, generous
enough around the face that no known embedder looks outside. An embedder is a `Window` of it and a
network.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from elenco.faces.geometry import scale_of, similarity

CROP_SIZE = 256  # pixels
MAX_OVERSAMPLING = 16  # times the crop's resolution while a very large face is averaged down
# Where dlib's 150x150 chips hold MTCNN's landmarks: left eye, right eye, nose, left and right
# mouth corner, "left" as seen in the picture. Medians over 442 photographs of LFW.
_DLIB_LANDMARKS = np.array(
    [[47.36, 45.29], [101.27, 45.40], [74.30, 77.32], [50.77, 104.78], [97.81, 104.93]], np.float32
)
CANONICAL_LANDMARKS: Float32[np.ndarray, "5 2"] = _DLIB_LANDMARKS * np.float32(4 / 3) + 28


@dataclass(frozen=True)
class Window:
    """A part of the canonical crop and the size that it is resized to.

    Attributes:
        x: left edge, in pixels of the crop.
        y: top edge.
        width: in pixels of the crop.
        height: in pixels of the crop; other than `width` where the embedder squeezes faces.
        size: side of the square result, in pixels.

    Raises:
        ValueError: the window is empty or leaves the crop.
    """

    x: float
    y: float
    width: float
    height: float
    size: int

    def __post_init__(self) -> None:
        inside = self.x >= 0 and self.x + self.width <= CROP_SIZE
        inside &= self.y >= 0 and self.y + self.height <= CROP_SIZE
        if not inside or self.width <= 0 or self.height <= 0 or self.size < 1:
            raise ValueError(f"{self} is not within a crop of {CROP_SIZE}x{CROP_SIZE} pixels")


DLIB_WINDOW = Window(28, 28, 200, 200, 150)
# What FaceNet 20180402-114759 saw on average in training: MTCNN's box and 44 pixels more
# (davidsandberg/facenet, align_dataset_mtcnn --image_size 182 --margin 44) around faces of 137x180
# pixels (VGGFace2's mean), of which training cropped 160/182. MTCNN's own box is
# (49.5, 8.9, 203.9, 219.2) here, the median over 400 photographs of LFW.
FACENET_WINDOW = Window(36, 0, 181, 229, 160)


def align(
    image: UInt8[np.ndarray, "h w 3"], landmarks: Float32[np.ndarray, "5 2"]
) -> UInt8[np.ndarray, "256 256 3"]:
    """Cut the canonical crop of one face out of a picture.

    Args:
        image: upright RGB.
        landmarks: the face's five points, x and y in pixels of `image`.

    Returns:
        The crop; what lies outside of the picture repeats its edge.

    Raises:
        ValueError: the landmarks coincide.
    """
    matrix = similarity(landmarks, CANONICAL_LANDMARKS)
    # Bilinear sampling reads four pixels. Where the face shrinks, sample finely enough to read
    # them all, then average.
    fine = min(MAX_OVERSAMPLING, max(1, math.ceil(1 / scale_of(matrix))))
    matrix *= fine
    matrix[:, 2] += (fine - 1) / 2  # pixel centres: index i becomes fine * i + (fine - 1) / 2
    side = CROP_SIZE * fine
    crop = cv2.warpAffine(
        image, matrix, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    if fine > 1:
        crop = cv2.resize(crop, (CROP_SIZE, CROP_SIZE), interpolation=cv2.INTER_AREA)
    return crop


def cut(
    crops: UInt8[np.ndarray, "n 256 256 3"], window: Window
) -> UInt8[np.ndarray, "n size size 3"]:
    """Cut a window out of canonical crops and resize it: an embedder's input.

    Area averaging where it shrinks, bilinear where it grows; fractional windows are exact.

    Args:
        crops: canonical crops; n may be 0.
        window: what to cut.
    """
    rows = _weights(window.y, window.height, window.size)
    columns = _weights(window.x, window.width, window.size)
    out = np.empty((len(crops), window.size, window.size, 3), np.uint8)
    for index, crop in enumerate(crops):
        tall = rows @ crop.reshape(CROP_SIZE, -1).astype(np.float32)
        tall = tall.reshape(window.size, CROP_SIZE, 3)
        out[index] = np.rint(np.einsum("xc,ycd->yxd", columns, tall, optimize=True))
    return out


@lru_cache(maxsize=64)
def _weights(start: float, length: float, size: int) -> Float32[np.ndarray, "size 256"]:
    """Return how much each of 256 pixels counts in each of `size` cells of a stretch of them."""
    step = length / size
    pixels = np.arange(CROP_SIZE)
    if step >= 1:
        left = start + step * np.arange(size)[:, None]
        weights = np.minimum(left + step, pixels + 1) - np.maximum(left, pixels)
    else:
        middle = start + step * (np.arange(size)[:, None] + 0.5) - 0.5
        weights = 1 - np.abs(np.clip(middle, 0, CROP_SIZE - 1) - pixels)
    weights = np.clip(weights, 0, None)
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
