"""The canonical crop: one aligned picture of a face that every embedder cuts its input from.

256x256 RGB. The five landmarks are brought by a similarity transform onto fixed places, generous
enough around the face that no known embedder looks outside. An embedder is a `Window` of it and a
network.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float32, Float64, UInt8

from elenco.faces.geometry import invert, scale_of, similarity, transform

CROP_SIZE = 256  # pixels
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

    x: int
    y: int
    width: int
    height: int
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
    if scale_of(matrix) < 1:
        image, matrix = _reduced(image, matrix)
    side = (CROP_SIZE, CROP_SIZE)
    return cv2.warpAffine(
        image, matrix, side, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )


def _reduced(
    image: UInt8[np.ndarray, "h w 3"], matrix: Float64[np.ndarray, "2 3"]
) -> tuple[UInt8[np.ndarray, "h2 w2 3"], Float64[np.ndarray, "2 3"]]:
    """The part of a picture that a crop shows, averaged down to the crop's resolution.

    Bilinear sampling reads four pixels: where a face shrinks, it would skip some.

    Returns:
        The part and the transform from it to the crop.
    """
    scale = float(scale_of(matrix))
    edges = np.array([[0, 0], [CROP_SIZE, 0], [0, CROP_SIZE], [CROP_SIZE, CROP_SIZE]], np.float64)
    seen = transform(invert(matrix), edges)
    size = np.array(image.shape[1::-1])
    start = np.clip(np.floor(seen.min(0) - 2 / scale), 0, size - 1).astype(int)
    end = np.clip(np.ceil(seen.max(0) + 2 / scale), start + 1, size).astype(int)
    part = image[start[1] : end[1], start[0] : end[0]]
    small = [max(1, round(side * scale)) for side in part.shape[1::-1]]
    part = cv2.resize(part, small, interpolation=cv2.INTER_AREA)
    # Pixel centres: index i of the part stands for (i + 0.5) / ratio - 0.5 from its start.
    ratio = np.array(small) / (end - start)
    matrix = matrix.copy()
    matrix[:, 2] += matrix[:, :2] @ (start + 0.5 / ratio - 0.5)
    matrix[:, :2] /= ratio
    return part, matrix


def cut(
    crops: UInt8[np.ndarray, "n 256 256 3"], window: Window
) -> UInt8[np.ndarray, "n size size 3"]:
    """Cut a window out of canonical crops and resize it: an embedder's input.

    Averaged where both sides shrink, bilinear otherwise.

    Args:
        crops: canonical crops; n may be 0.
        window: what to cut.
    """
    size = (window.size, window.size)
    shrinks = window.size <= min(window.width, window.height)
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    out = np.empty((len(crops), window.size, window.size, 3), np.uint8)
    rows = slice(window.y, window.y + window.height)
    columns = slice(window.x, window.x + window.width)
    for crop, result in zip(crops, out, strict=True):
        cv2.resize(crop[rows, columns], size, dst=result, interpolation=how)
    return out
