"""Face detection: MTCNN (Zhang et al. 2016, arXiv 1604.02878) with the weights of `mtcnn` 1.0.0.

The networks and the rules for boxes are the package's; the work is ordered anew. Every scale of a
picture is searched in one network call, the rest is done for a whole batch of pictures of any
sizes, a picture's answer does not depend on its neighbours, and an error is an error.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float64, Int64

from elenco.compute.batches import Batches
from elenco.compute.runtime import on_gpu
from elenco.faces.images import MIN_SIDE, Picture
from elenco.faces.mtcnn_networks import WEIGHTS_SHA256, load_networks
from elenco.faces.nms import suppress
from elenco.faces.patches import cut_boxes
from elenco.faces.pyramid import CELL, Pyramid, pyramid
from elenco.fingerprint import digest
from elenco.settings import Compute, Faces, Settings
from elenco.types import Detections

MAX_SIDE = 1024  # pixels: a larger picture is searched at this size
THRESHOLDS = (0.6, 0.7, 0.8)  # scores that P-, R- and O-Net must pass: the package's defaults
# Pictures or boxes a network call. On a CPU a call's data should stay in the cache.
CPU_BATCHES = (1, 64, 16)
GPU_BATCHES = (32, 1024, 256)


@dataclass
class _Found:
    """Faces that may be, over a batch of pictures: rows of equal number."""

    picture: Int64[np.ndarray, " n"]
    boxes: Float64[np.ndarray, "n 4"]
    scores: Float64[np.ndarray, " n"]

    def only(self, which: np.ndarray) -> "_Found":
        return _Found(self.picture[which], self.boxes[which], self.scores[which])


class Detector:
    """Finds faces; safe to share between threads.

    Args:
        faces: `batch` (pictures whose boxes are handled together) and `min_face_pixels` (the
            smallest face looked for) are used.
        compute: how the networks are run.

    Raises:
        WeightsError: the weights are damaged.
        ConfigError: the runtime is not there.
    """

    version: str

    def __init__(self, faces: Faces, compute: Compute | None = None) -> None:
        # In a lower precision other faces would be found.
        compute = (compute or Compute()).model_copy(update={"precision": "float32"})
        self.version = digest("mtcnn", 3, WEIGHTS_SHA256, MAX_SIDE, faces.min_face_pixels)[:16]
        self._batch = faces.batch
        self._min_face = faces.min_face_pixels
        shapes = ((None, None, 3), (24, 24, 3), (48, 48, 3))
        sizes = GPU_BATCHES if on_gpu() else CPU_BATCHES
        self._pnet, self._rnet, self._onet = (
            Batches(network, shape, size, compute)
            for network, shape, size in zip(load_networks(), shapes, sizes, strict=True)
        )

    def detect(self, images: Sequence[Picture], smallest: int | None = None) -> list[Detections]:
        """Find the faces of each picture.

        Args:
            images: upright RGB, of any sizes.
            smallest: side of the smallest face looked for, in pixels of the picture (of its
                MAX_SIDE form, if it is larger); `faces.min_face_pixels` unless given.

        Returns:
            One `Detections` a picture, in order, best score first, empty where no face is found.
            Boxes lie within the picture.

        Raises:
            ValueError: an array is not uint8 RGB of at least 20x20 pixels.
            OutOfMemory: one picture alone is too much for the device.
        """
        answers: list[Detections] = []
        for start in range(0, len(images), self._batch):
            batch = images[start : start + self._batch]
            reduced = [_reduce(image) for image in batch]
            found, landmarks = self._search(reduced, smallest or self._min_face)
            ends = np.searchsorted(found.picture, np.arange(len(batch) + 1))
            for i, image in enumerate(batch):
                own = slice(ends[i], ends[i + 1])
                ratio = np.array(image.shape[1::-1]) / reduced[i].shape[1::-1]
                corners = found.boxes[own].reshape(-1, 2, 2) * ratio
                corners = np.clip(corners, 0, image.shape[1::-1]).reshape(-1, 4)
                points = (landmarks[own] * ratio).astype(np.float32)
                scores = found.scores[own].astype(np.float32)
                answers.append(Detections(corners.astype(np.float32), scores, points))
        return answers

    def _search(
        self, images: Sequence[Picture], smallest: int
    ) -> tuple[_Found, Float64[np.ndarray, "n 5 2"]]:
        """Faces by picture, the best first, and their landmarks."""
        found = self._propose(images, smallest)
        if len(found.scores):
            patches = cut_boxes(images, found.picture, found.boxes, 24)
            regression, scores = self._rnet(patches)
            found = _adjusted(found, regression, scores)
            found = found.only(found.scores > THRESHOLDS[1])
            found = _squares(found.only(_suppress(found, 0.7)))
        if not len(found.scores):
            return found, np.empty((0, 5, 2))
        regression, scores, landmarks = self._look_closely(images, found)
        found = _adjusted(found, regression, scores)
        sure = np.flatnonzero(found.scores > THRESHOLDS[2])
        found, landmarks = found.only(sure), landmarks[sure]
        kept = _suppress(found, 0.7, smaller=True)
        found, landmarks = found.only(kept), landmarks[kept]
        if not len(kept):
            return found, landmarks
        # The landmarks depend a little on where the box was. The mean with what is said of the
        # final box makes better crops (docs/decisions/0010).
        _, _, again = self._look_closely(images, _squares(found))
        return found, (landmarks + again) / 2

    def _look_closely(
        self, images: Sequence[Picture], found: _Found
    ) -> tuple[np.ndarray, np.ndarray, Float64[np.ndarray, "n 5 2"]]:
        """What O-Net says: shifts of the corners, scores, and landmarks in pixels."""
        regression, places, scores = self._onet(cut_boxes(images, found.picture, found.boxes, 48))
        corner = found.boxes[:, :2]
        sides = found.boxes[:, 2:] - corner + 1
        places = places.reshape(-1, 2, 5).transpose(0, 2, 1).astype(np.float64)
        return regression, scores, corner[:, None] + places * sides[:, None] - 1

    def _propose(self, images: Sequence[Picture], smallest: int) -> _Found:
        """P-Net over the image pyramid: squares that may hold a face."""
        pyramids = [pyramid(*image.shape[:2], smallest) for image in images]
        by_canvas: dict[tuple[int, int], list[int]] = {}
        for index, plan in enumerate(pyramids):
            by_canvas.setdefault((plan.height, plan.width), []).append(index)
        parts: list[_Found] = []
        levels: list[np.ndarray] = []
        for members in by_canvas.values():
            canvases = [pyramids[i].draw(images[i]) for i in members]
            searched = (
                found for part in self._pnet.parts(canvases) for found in zip(*part, strict=True)
            )
            for i, (regression, scores) in zip(members, searched, strict=True):
                part, level = _windows(pyramids[i], i, regression, scores[..., 0])
                parts.append(part)
                levels.append(level)
        found = _Found(
            np.concatenate([part.picture for part in parts]),
            np.concatenate([part.boxes for part in parts]),
            np.concatenate([part.scores for part in parts]),
        )
        # First within each level, then over all.
        level = np.concatenate(levels)
        groups = found.picture * (level.max(initial=0) + 1) + level
        found = found.only(suppress(found.boxes, found.scores, groups, 0.5))
        return _squares(found.only(_suppress(found, 0.7)))


def load_detector(settings: Settings) -> Detector:
    """Return this process's detector for these settings, loaded at the first call."""
    key = settings.faces.model_dump_json() + settings.compute.model_dump_json()
    with _loading:
        if key not in _loaded:
            _loaded[key] = Detector(settings.faces, settings.compute)
        return _loaded[key]


_loaded: dict[str, Detector] = {}
_loading = threading.Lock()


def _reduce(image: Picture) -> Picture:
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(f"not an RGB picture of uint8: {image.dtype} {image.shape}")
    height, width = image.shape[:2]
    if min(height, width) < MIN_SIDE:
        raise ValueError(f"a picture of {width}x{height} pixels is too small to search")
    scale = MAX_SIDE / max(height, width)
    if scale >= 1:
        return image
    size = max(MIN_SIDE, round(width * scale)), max(MIN_SIDE, round(height * scale))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)


def _windows(
    plan: Pyramid, picture: int, regression: np.ndarray, scores: np.ndarray
) -> tuple[_Found, np.ndarray]:
    """P-Net's windows that pass, in pixels of the picture, and their levels.

    Args:
        plan: of the picture.
        picture: its index.
        regression: (rows, columns, 4), shifts of the corners in windows.
        scores: (rows, columns) 0..1.
    """
    rows, columns = plan.level_of.shape
    passed = (scores[:rows, :columns] > THRESHOLDS[0]) & (plan.level_of >= 0)
    where = np.nonzero(passed)
    level, corner, ratio = plan.corners(*where)
    # The package counts a window's pixels from 1 to 12.
    window = np.concatenate([corner + 1, corner + CELL], axis=1)
    boxes = (window + regression[where] * (CELL - 1)) * ratio[:, None]
    index = np.full(len(level), picture)
    return _Found(index, boxes, scores[where].astype(np.float64)), level


def _suppress(found: _Found, threshold: float, smaller: bool = False) -> np.ndarray:
    over = "smaller" if smaller else "union"
    return suppress(found.boxes, found.scores, found.picture, threshold, over)


def _adjusted(found: _Found, regression: np.ndarray, scores: np.ndarray) -> _Found:
    """The boxes as a network moved them, with its scores."""
    sides = found.boxes[:, 2:] - found.boxes[:, :2] + 1
    boxes = found.boxes + regression * np.tile(sides, 2)
    return _Found(found.picture, boxes, scores[:, 0].astype(np.float64))


def _squares(found: _Found) -> _Found:
    """Each box as the square of its longer side about its middle."""
    corner, other = found.boxes[:, :2], found.boxes[:, 2:]
    side = (other - corner).max(axis=1, keepdims=True)
    start = (corner + other - side) / 2
    return _Found(found.picture, np.concatenate([start, start + side], axis=1), found.scores)
