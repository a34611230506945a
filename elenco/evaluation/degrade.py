"""A canonical crop as it would be of a smaller or blurred photograph."""

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from elenco.faces.crops import CROP_SIZE
from elenco.faces.quality import CROP_EYES

Crops = UInt8[np.ndarray, "n 256 256 3"]
Sizes = Float32[np.ndarray, " n"]


@dataclass(frozen=True)
class Degradation:
    """What is done to a photograph.

    Attributes:
        label: for reports.
        factor: of its width and height.
        blur: sigma of a Gaussian, in pixels of the photograph as it was.
    """

    label: str
    factor: float = 1.0
    blur: float = 0.0


# Those that `elenco.faces.quality` was fitted to.
DEGRADATIONS = (
    Degradation("half size", factor=1 / 2),
    Degradation("quarter size", factor=1 / 4),
    Degradation("blur 1.5 px", blur=1.5),
    Degradation("blur 3 px", blur=3.0),
)


def degrade(crops: Crops, sizes: Sizes, how: Degradation) -> Crops:
    """Canonical crops as they would be, had the photographs been degraded before alignment.

    The crop is averaged down to the resolution of the smaller photograph, and sampled up again
    bilinearly, as `elenco.faces.crops.align` samples. Landmarks are those found at full size: what
    a detector misses, or places less well, is not in it.

    Args:
        crops: RGB; n may be 0.
        sizes: pixels between the eyes in the photographs: `Dataset.sizes`.
        how: what is done.

    Returns:
        Crops of the same shape. One whose photograph has detail enough left is as it was.
    """
    out = np.empty_like(crops)
    for crop, size, result in zip(crops, sizes.tolist(), out, strict=True):
        result[...] = _resized(_blurred(crop, how.blur * CROP_EYES / size), size * how.factor)
    return out


def _blurred(crop: UInt8[np.ndarray, "256 256 3"], sigma: float) -> np.ndarray:
    if sigma == 0:
        return crop
    return cv2.GaussianBlur(crop, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)


def _resized(crop: np.ndarray, eyes: float) -> np.ndarray:
    """A crop with no more detail than a face of so many pixels between the eyes has."""
    side = max(1, round(CROP_SIZE * eyes / CROP_EYES))
    if side >= CROP_SIZE:
        return crop
    small = cv2.resize(crop, (side, side), interpolation=cv2.INTER_AREA)
    return cv2.resize(small, (CROP_SIZE, CROP_SIZE), interpolation=cv2.INTER_LINEAR)
