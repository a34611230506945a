"""The work on sampled frames: upright RGB, faces, their canonical crops and measures."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from elenco.faces.crops import CROP_SIZE, align
from elenco.faces.geometry import iou
from elenco.faces.images import MIN_SIDE, Picture
from elenco.faces.mtcnn import MAX_SIDE
from elenco.faces.quality import measure, quality
from elenco.types import Detections
from elenco.xray.sampling import Sample
from elenco.xray.video import Facts, upright

LEAST_PIXELS = 20  # MTCNN finds no smaller face
_SAME_FACE = 0.5  # overlap of two boxes of one frame that are one face found twice
Crop = UInt8[np.ndarray, "256 256 3"]


class FaceDetector(Protocol):
    """What finds faces: `elenco.faces.mtcnn.Detector`."""

    version: str

    def detect(
        self, images: Sequence[Picture], smallest: int | None = None
    ) -> list[Detections]: ...


@dataclass(frozen=True, eq=False)
class SeenFace:
    """A face in a sampled frame.

    Attributes:
        box: x, y, w, h as shares of the upright picture.
        aspect: width of the picture over its height.
        score: the detector's, 0..1.
        crop: its canonical crop.
        measures: size in pixels between the eyes, sharpness, yaw in degrees: see
            `elenco.faces.quality`.
        quality: how far it can be trusted, 0..1, before its vector's length is known.
    """

    box: Float32[np.ndarray, " 4"]
    aspect: float
    score: float
    crop: Crop
    measures: tuple[float, float, float]
    quality: float


@dataclass(frozen=True)
class SeenFrame:
    """The faces of a sampled frame, best score first; `skipped` by reason of the others found."""

    time: float
    faces: list[SeenFace]
    skipped: dict[str, int]


def look_for_faces(
    samples: Sequence[Sample],
    facts: Facts,
    detector: FaceDetector,
    min_face: float,
) -> list[SeenFrame]:
    """Find and cut out the faces of some frames. Safe in threads.

    Args:
        samples: the frames.
        facts: of their video.
        detector: finds faces.
        min_face: the smallest face looked for, as a share of the picture's height.

    Returns:
        For each frame its faces. Skipped are `no_alignment`, where the landmarks coincide, and
        `found_twice`, a worse box around the same face.
    """
    pictures = [upright(sample.picture, facts) for sample in samples]
    searched = [_searched(picture) for picture in pictures]
    by_size: dict[int, list[int]] = {}
    for place, picture in enumerate(searched):
        smallest = max(LEAST_PIXELS, round(min_face * picture.shape[0]))
        by_size.setdefault(smallest, []).append(place)
    found: dict[int, Detections] = {}
    for smallest, places in by_size.items():
        detected = detector.detect([searched[place] for place in places], smallest)
        found |= dict(zip(places, detected, strict=True))
    return [
        _faces(sample.time, picture, _enlarged(found[place], searched[place], picture))
        for place, (sample, picture) in enumerate(zip(samples, pictures, strict=True))
    ]


def _searched(picture: Picture) -> Picture:
    """As large as the detector searches it.

    It would average a frame down by areas, which is slow. Bilinearly no pixel is passed over: not
    even a frame of WORKING pixels is brought to less than half.
    """
    height, width = picture.shape[:2]
    scale = MAX_SIDE / max(height, width)
    if not 0.5 <= scale < 1:
        return picture
    size = max(MIN_SIDE, round(width * scale)), max(MIN_SIDE, round(height * scale))
    return cv2.resize(picture, size, interpolation=cv2.INTER_LINEAR)


def _enlarged(found: Detections, searched: Picture, picture: Picture) -> Detections:
    """What was found, in pixels of the picture."""
    ratio = np.array(picture.shape[1::-1]) / searched.shape[1::-1]
    boxes = (found.boxes.reshape(-1, 2, 2) * ratio).reshape(-1, 4)
    return replace(
        found,
        boxes=boxes.astype(np.float32),
        landmarks=(found.landmarks * ratio).astype(np.float32),
    )


def _faces(time: float, picture: Picture, found: Detections) -> SeenFrame:
    height, width = picture.shape[:2]
    skipped: Counter[str] = Counter()
    faces: list[SeenFace] = []
    kept: list[np.ndarray] = []
    for box, score, landmarks in zip(found.boxes, found.scores, found.landmarks, strict=True):
        if kept and iou(box[None], np.stack(kept)).max() > _SAME_FACE:
            skipped["found_twice"] += 1
            continue
        try:
            crop = align(picture, landmarks)
        except ValueError:
            skipped["no_alignment"] += 1
            continue
        kept.append(box)
        own = measure(crop, landmarks)
        measures = (own.size, own.sharpness, own.yaw)
        trusted = quality(*(np.array([v]) for v in (*measures, float(score), 1.0)))
        corner, other = box[:2], box[2:]
        share = np.concatenate([corner, other - corner]) / (width, height, width, height)
        faces.append(
            SeenFace(
                share.astype(np.float32),
                width / height,
                float(score),
                crop,
                measures,
                float(trusted[0]),
            )
        )
    return SeenFrame(time, faces, dict(skipped))


def no_crops() -> UInt8[np.ndarray, "0 256 256 3"]:
    """None, to embed."""
    return np.empty((0, CROP_SIZE, CROP_SIZE, 3), np.uint8)
