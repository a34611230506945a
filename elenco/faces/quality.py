"""How far a face can be trusted: its size, sharpness and pose, and one number made of them.

All of it is of the face alone, whatever else is in the picture or in the data set.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float32, Float64, Shaped, UInt8

from elenco.faces.crops import CANONICAL_LANDMARKS
from elenco.faces.geometry import scale_of, similarity

Values = Shaped[np.ndarray, " n"]

# What an embedder's vectors are long before they are brought to unit length: the median over 2,317
# photographs of LFW.
NORMS: dict[str, float] = {"dlib_resnet": 1.427}

CROP_EYES = float(np.hypot(*(CANONICAL_LANDMARKS[1] - CANONICAL_LANDMARKS[0])))  # pixels apart

# Brows to below the mouth and little beside them, in the canonical crop: x1, y1, x2, y2.
_FACE = (70, 62, 186, 190)
# Pixels between the eyes: LFW's photographs at hand have 25, and nothing was measured of what finer
# detail is worth, so that it is not looked at.
_FINEST = 24.0
# Variance of the Laplacian over that of the luminance, median over 2,317 photographs of LFW with
# eyes 24 pixels apart, and the power of the eye distance that it follows down to a quarter.
_SHARP = 0.353
_SHARP_POWER = -1.25
_NOISE = 1.0  # grey levels squared: a flat area has no sharpness

# How far the tip of the nose stands out of the plane of eyes and mouth corners, in eye distances:
# from how the eye distance shrinks as the nose moves aside over the same photographs (0.44 to 0.57
# from small turns to large ones; SPIGA's mean_face_3D_98 has 0.57).
_NOSE_DEPTH = 0.53

# Terms of `quality`: where each is a half, and its power. Fitted together, by maximum likelihood,
# to photographs of 315 people of LFW as they are, at half and quarter size, and under Gaussian blur
# of 1.5 and 3 pixels: does a face match the person's other photographs?
_ODDS = 39.0
_SIZE = (16.0, 4.0)  # pixels
_SHARPNESS = 0.22
_YAW = (60.0, 4.0)  # degrees; LFW has few over 40
_NORM_POWER = 5.4


@dataclass(frozen=True)
class FaceMeasures:
    """What can be measured of one face.

    Attributes:
        size: distance between the eyes in pixels of the original photograph, were the face
            frontal; of the similarity transform of all five landmarks.
        sharpness: 1 is the median photograph of LFW, whatever the size; 0 is flat. Over 1 may be
            noise too.
        yaw: degrees; positive where the face is turned to the right of the picture.
        pitch: degrees; positive where it looks down. 0 is the median face: people differ by more
            than in yaw.
        roll: degrees; positive where the head leans to the left of the picture.
    """

    size: float
    sharpness: float
    yaw: float
    pitch: float
    roll: float


def measure(
    crop: UInt8[np.ndarray, "256 256 3"], landmarks: Shaped[np.ndarray, "5 2"]
) -> FaceMeasures:
    """Measure one face.

    Args:
        crop: its canonical crop, RGB.
        landmarks: left eye, right eye, nose, left and right mouth corner ("left" as seen), x and y
            in pixels of the original photograph.

    Raises:
        ValueError: the landmarks coincide.
    """
    size = CROP_EYES / float(scale_of(similarity(landmarks, CANONICAL_LANDMARKS)))
    yaw, pitch, roll = (float(angle) for angle in pose(landmarks))
    return FaceMeasures(size, sharpness_of(crop, size), yaw, pitch, roll)


def relative_norms(norms: Values, embedder: str) -> Float32[np.ndarray, " n"]:
    """Lengths of an embedder's vectors relative to an ordinary photograph's.

    Args:
        norms: lengths of its vectors before they are brought to unit length.
        embedder: its name, `EmbeddingSpace.embedder`.

    Returns:
        1 for an ordinary face, and for every face where `NORMS` lacks the embedder.
    """
    known = NORMS.get(embedder)
    relative = np.ones(len(norms)) if known is None else np.asarray(norms, np.float64) / known
    return relative.astype(np.float32)


def quality(
    sizes: Values, sharpness: Values, yaws: Values, scores: Values, norms: Values
) -> Float32[np.ndarray, " n"]:
    """How far faces can be trusted, 0..1.

    About the share of a person's ordinary photographs that a face matches at a false match rate of
    0.1 %: a prediction of utility in the sense of ISO/IEC 29794-1. As in logistic regression, the
    odds of a match are a product of terms; each rises with its measure (falls with the turn). A
    face's quality does not depend on the others given. `benchmarks/quality.py` measures it.

    Args:
        sizes: as in `FaceMeasures`.
        sharpness: as in `FaceMeasures`.
        yaws: degrees, of either sign.
        scores: the detector's, 0..1: the probability that it is a face at all.
        norms: as `relative_norms` gives them.
    """
    odds = _ODDS * _rise(sizes, *_SIZE) * _rise(sharpness, _SHARPNESS, 1) ** 2
    odds *= np.asarray(norms, np.float64) ** _NORM_POWER * scores
    odds *= 1 - _rise(np.abs(yaws), *_YAW)
    return (odds / (1 + odds)).astype(np.float32)


def _rise(values: Values, half: float, power: float) -> Float64[np.ndarray, " n"]:
    """The Hill function: 0 at 0, a half at `half`, towards 1."""
    raised = np.asarray(values, np.float64) ** power
    return raised / (raised + half**power)


def sharpness_of(crop: UInt8[np.ndarray, "256 256 3"], size: float) -> float:
    """Sharpness of a face at the resolution that its photograph has.

    The variance of the Laplacian (Pech-Pacheco et al. 2000, "Diatom autofocusing in brightfield
    microscopy: a comparative study") over the variance of the luminance, so that contrast and
    brightness do not count. The face's area is averaged back down to the photograph's own
    resolution first, 24 pixels between the eyes at most: enlargement is not taken for blur, which
    `size` says already. The result is relative to a sharp photograph of that resolution.

    Args:
        crop: canonical crop, RGB.
        size: as in `FaceMeasures`.
    """
    x1, y1, x2, y2 = _FACE
    grey = cv2.cvtColor(crop[y1:y2, x1:x2], cv2.COLOR_RGB2GRAY).astype(np.float32)
    eyes = min(size, _FINEST)
    shrink = eyes / CROP_EYES
    shape = (max(3, round((x2 - x1) * shrink)), max(3, round((y2 - y1) * shrink)))
    grey = cv2.resize(grey, shape, interpolation=cv2.INTER_AREA)
    inner = cv2.Laplacian(grey, cv2.CV_32F)[1:-1, 1:-1]
    ratio = float(inner.var()) / (float(grey.var()) + _NOISE)
    return ratio / (_SHARP * (eyes / _FINEST) ** _SHARP_POWER)


def pose(landmarks: Shaped[np.ndarray, "*batch 5 2"]) -> Float64[np.ndarray, "*batch 3"]:
    """Yaw, pitch and roll in degrees, as in `FaceMeasures`, of the landmarks of faces.

    Pose from orthography and scaling (DeMenthon & Davis 1995, "Model-based object pose in 25 lines
    of code") without its iterations for perspective: the linear map that takes five points of a
    mean face to the picture, and the rotation nearest to it. A turn of the picture changes the
    roll alone. The head is turned by the yaw first, then the pitch, then the roll.

    Args:
        landmarks: as in `measure`; in pixels of any scale.
    """
    points = np.asarray(landmarks, np.float64)
    linear = np.swapaxes(points - points.mean(-2, keepdims=True), -1, -2) @ _MODEL_INVERSE
    left, _, right = np.linalg.svd(linear, full_matrices=False)
    rows = left @ right  # the nearest matrix of orthonormal rows
    across, down = rows[..., 0, :], rows[..., 1, :]
    roll = np.arctan2(across[..., 1], down[..., 1])
    cos, sin = np.cos(roll)[..., None], np.sin(roll)[..., None]
    across, down = cos * across - sin * down, sin * across + cos * down
    yaw = np.arctan2(across[..., 2], across[..., 0])
    pitch = np.arctan2(down[..., 2] * np.cos(yaw) - down[..., 0] * np.sin(yaw), down[..., 1])
    return np.degrees(np.stack([yaw, pitch, roll], -1))


def _model() -> Float64[np.ndarray, "5 3"]:
    """Five points of a mean face, centred; x right, y down, z to the viewer; eyes 1 apart."""
    flat = CANONICAL_LANDMARKS.astype(np.float64) / CROP_EYES
    mirrored = flat[[1, 0, 2, 4, 3]] * [-1, 1] + [2 * flat[:, 0].mean(), 0]
    model = np.column_stack([(flat + mirrored) / 2, [0, 0, _NOSE_DEPTH, 0, 0]])
    return model - model.mean(0)


_MODEL_INVERSE: Float64[np.ndarray, "5 3"] = np.linalg.pinv(_model()).T
