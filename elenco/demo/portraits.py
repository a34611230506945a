"""Composes photographs from sampled faces: wall, shoulders, placement, light, sharpness, noise."""

from collections.abc import Sequence
from functools import cache

import cv2
import numpy as np
from jaxtyping import Float32, Int16, UInt8

from elenco.demo.face_model import HEIGHT, WIDTH

PORTRAIT = (421, 632)  # width, height: TMDB's h632 of a 2:3 portrait
# Where MTCNN's box lies in the model's 140x112 picture: x1, y1, x2, y2, medians over portraits.
FACE_BOX = (20.2, 29.5, 85.6, 115.2)

Place = tuple[float, float, float, float]  # centre x, centre y, scale, degrees


def compose(
    rng: np.random.Generator,
    faces: Sequence[UInt8[np.ndarray, "140 112 3"]],
    width: int,
    height: int,
) -> tuple[UInt8[np.ndarray, "height width 3"], Float32[np.ndarray, "n 4"]]:
    """One photograph of `faces`, the first the largest, side by side where there are several.

    Returns:
        RGB picture, and for each face the box (x1, y1, x2, y2 in pixels) that MTCNN would give.
    """
    canvas = _wall(rng, width, height)
    boxes = []
    for face, place in zip(faces, _places(rng, len(faces), width, height), strict=True):
        _dress(rng, canvas, place)
        boxes.append(_paste(canvas, face, place))
    return _develop(rng, canvas), np.array(boxes, np.float32).reshape(-1, 4)


def texture(
    rng: np.random.Generator, width: int, height: int
) -> UInt8[np.ndarray, "height width 3"]:
    """A picture of nobody: soft blotches of colour, as of a blurred set."""
    shades = rng.uniform(40, 215, 3) + rng.normal(0, 45, (7, 5, 1)) + rng.normal(0, 8, (7, 5, 3))
    blurred = cv2.resize(shades.astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
    return _develop(rng, np.clip(blurred, 0, 255).astype(np.uint8))


def _wall(rng: np.random.Generator, width: int, height: int) -> UInt8[np.ndarray, "height width 3"]:
    """One colour, a little lighter on one side."""
    colour = rng.uniform(60, 190) + rng.uniform(-30, 30, 3)
    corners = np.clip(colour * rng.uniform(0.85, 1.15, (2, 2, 1)), 0, 255).astype(np.uint8)
    return cv2.resize(corners, (width, height), interpolation=cv2.INTER_LINEAR)


def _places(rng: np.random.Generator, count: int, width: int, height: int) -> list[Place]:
    unit = height / PORTRAIT[1]
    if count == 1:
        scale = rng.uniform(1.8, 2.7) * unit
        x, y = rng.uniform(0.46, 0.54) * width, rng.uniform(0.4, 0.5) * height
        return [(x, y, scale, rng.normal(0, 4))]
    slot = width / count
    largest = min(2.2 * unit, slot / WIDTH)
    places = []
    for place, column in enumerate(rng.permutation(count)):
        scale = largest * (rng.uniform(0.92, 1) if place == 0 else rng.uniform(0.65, 0.85))
        x, y = (column + rng.uniform(0.47, 0.53)) * slot, rng.uniform(0.4, 0.5) * height
        places.append((x, y, scale, rng.normal(0, 4)))
    return places


def _dress(rng: np.random.Generator, canvas: UInt8[np.ndarray, "h w 3"], place: Place) -> None:
    """Draw neck and shoulders in plain cloth, so that a face does not float."""
    x, y, scale, _ = place
    cloth = rng.uniform(20, 120) + rng.uniform(-20, 20, 3)
    middle = (round(x), round(y + 112 * scale))
    axes = (round(88 * scale), round(64 * scale))
    colour = tuple(float(value) for value in np.clip(cloth, 0, 255))
    cv2.ellipse(canvas, middle, axes, 0, 180, 360, colour, -1, cv2.LINE_AA)
    canvas[middle[1] :, max(0, middle[0] - axes[0]) : middle[0] + axes[0]] = colour


def _paste(
    canvas: UInt8[np.ndarray, "h w 3"], face: UInt8[np.ndarray, "140 112 3"], place: Place
) -> tuple[float, float, float, float]:
    """Blend a face into the canvas with a soft elliptical mask; returns its box."""
    x, y, scale, degrees = place
    height, width = canvas.shape[:2]
    reach = 0.5 * HEIGHT * scale * 1.1  # the mask is an ellipse: turning it hardly widens it
    left, top = max(0, int(x - reach)), max(0, int(y - reach))
    right, bottom = min(width, int(x + reach) + 1), min(height, int(y + reach) + 1)
    matrix = cv2.getRotationMatrix2D((WIDTH / 2, HEIGHT / 2), degrees, scale)
    matrix[:, 2] += x - WIDTH / 2 - left, y - HEIGHT / 2 - top
    size = (right - left, bottom - top)
    warped = cv2.warpAffine(face, matrix, size, flags=cv2.INTER_CUBIC)
    alpha = cv2.warpAffine(_mask(), matrix, size, flags=cv2.INTER_LINEAR)
    region = canvas[top:bottom, left:right]
    region[:] = cv2.blendLinear(warped, region, alpha, 1 - alpha)
    corners = np.array(FACE_BOX).reshape(2, 2)
    middle = matrix @ [*corners.mean(0), 1] + (left, top)
    half = 0.5 * scale * (corners[1] - corners[0])
    x1, y1, x2, y2 = (float(v) for v in (*(middle - half), *(middle + half)))
    return max(0.0, x1), max(0.0, y1), min(float(width), x2), min(float(height), y2)


@cache
def _mask() -> Float32[np.ndarray, "140 112"]:
    """1 over the face and hair, fading to 0 before the picture's edge."""
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
    radius = np.hypot((x - 55.5) / 54, (y - 69.5) / 68)
    fade = np.clip((1.0 - radius) / 0.22, 0, 1)
    return fade * fade * (3 - 2 * fade)


def _develop(
    rng: np.random.Generator, canvas: UInt8[np.ndarray, "h w 3"]
) -> UInt8[np.ndarray, "h w 3"]:
    """Light, sharpness and sensor noise."""
    amount, gain = float(rng.uniform(0.4, 0.9)), float(rng.uniform(0.8, 1.15))
    soft = cv2.GaussianBlur(canvas, (9, 9), 2.0)
    sharp = cv2.addWeighted(canvas, gain * (1 + amount), soft, -gain * amount, 0)
    height, width = canvas.shape[:2]
    y, x = (int(rng.integers(64)) for _ in range(2))
    grain = _grain(height + 64, width + 64)[y : y + height, x : x + width]
    return cv2.add(sharp, grain, dtype=cv2.CV_8U)


@cache
def _grain(height: int, width: int) -> Int16[np.ndarray, "height width 3"]:
    """Noise of light, the same in the three colours; drawing it anew would take half the time."""
    noise = np.random.default_rng(0).normal(0, 2.5, (height, width, 1)).round().astype(np.int16)
    return np.repeat(noise, 3, axis=2)
