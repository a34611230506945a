"""Face detection: MTCNN (Zhang et al. 2016, arXiv 1604.02878) with the networks of `mtcnn` 1.0.0.

The networks, their weights and the box rules are the package's; the order of work is ours, so
that a picture's answer does not depend on its neighbours in a batch, the smallest face can be
chosen, and an error is an error. For pictures of one size, no larger than MAX_SIDE, the answers
are the package's own to a hundredth of a pixel. (By itself it pads a batch to its largest picture,
ends its image pyramid too late when the smallest face is over 20 pixels, and answers "no faces" to
any `InvalidArgumentError`.)
"""

import threading
from collections import defaultdict
from collections.abc import Callable, Sequence
from importlib import resources
from typing import Any

import cv2
import numpy as np
from jaxtyping import Float64, UInt8

from elenco.errors import WeightsError
from elenco.faces.images import MIN_SIDE
from elenco.fingerprint import digest, file_sha256
from elenco.quiet import import_tensorflow
from elenco.settings import Faces, Settings
from elenco.types import Detections

MAX_SIDE = 1024  # pixels: a larger picture is searched at this size
REFERENCE_PIXELS = 421 * 632  # a batch of larger pictures than TMDB's h632 holds fewer of them
CELL = 12  # pixels: side of P-Net's window
SCALE_STEP = 0.709  # between levels of the image pyramid: half the area
THRESHOLDS = (0.6, 0.7, 0.8)  # scores that P-, R- and O-Net must pass: the package's defaults
WEIGHTS_SHA256 = {
    "pnet.lz4": "ea6b0c3e685ebee3165326ad6484acc95f2ef78f1c94fbf40a55704fa989f7b5",
    "rnet.lz4": "cb00e6460f3c98b0bfafaba3c0a0ded4bdf6e62cee7174d969e8670d7e757fee",
    "onet.lz4": "94f6ea2f4cf985275ee958cdd762d17b6009348a4fb9d8c6be39ba73ffd22ca3",
}
_COLUMNS = 16  # picture, x1, y1, x2, y2, score, five x, five y

Rows = Float64[np.ndarray, "m c"]


class Detector:
    """Finds faces; safe to share between threads, which take turns.

    Args:
        faces: `batch` (pictures of 421x632 a network call; fewer of larger ones) and
            `min_face_pixels` (the smallest face looked for) are used.

    Raises:
        WeightsError: the installed package's weights are not those of mtcnn 1.0.0.
    """

    version: str

    def __init__(self, faces: Faces) -> None:
        self.version = digest("mtcnn", 1, WEIGHTS_SHA256, MAX_SIDE, faces.min_face_pixels)[:16]
        self._batch_pixels = faces.batch * REFERENCE_PIXELS
        self._batch = faces.batch
        self._min_face = faces.min_face_pixels
        self._lock = threading.Lock()
        self._pnet, self._rnet, self._onet = _load_networks()

    def detect(self, images: Sequence[UInt8[np.ndarray, "h w 3"]]) -> list[Detections]:
        """Find the faces of each picture.

        Args:
            images: upright RGB, of any sizes; pictures of equal size are searched together.

        Returns:
            One `Detections` a picture, in order, best score first, empty where no face is found.
            Boxes lie within the picture.

        Raises:
            ValueError: an array is not uint8 RGB of at least 20x20 pixels.
        """
        groups: dict[tuple[int, int], list[int]] = defaultdict(list)
        reduced = [_reduce(image) for image in images]
        for index, image in enumerate(reduced):
            groups[image.shape[:2]].append(index)
        answers: dict[int, Detections] = {}
        with self._lock:
            for (height, width), members in groups.items():
                size = max(1, min(self._batch, self._batch_pixels // (height * width)))
                for start in range(0, len(members), size):
                    part = members[start : start + size]
                    rows = self._search(np.stack([reduced[i] for i in part]))
                    for position, i in enumerate(part):
                        own = rows[rows[:, 0] == position]
                        answers[i] = _detections(own, reduced[i].shape, images[i].shape)
        return [answers[i] for i in range(len(images))]

    def _search(self, images: UInt8[np.ndarray, "n h w 3"]) -> Rows:
        """Faces of equal-sized pictures as rows of 16 columns."""
        from mtcnn.utils import bboxes as rules
        from mtcnn.utils.landmarks import adjust_landmarks

        none = np.empty((0, _COLUMNS))
        rows = self._propose(images)
        if not len(rows):
            return none
        offsets, scores = self._rnet(_patches(images, rows, 24))
        rows = rules.replace_confidence(rows, scores.numpy())
        rows = rules.adjust_bboxes(rows, offsets.numpy())
        rows = rules.pick_matches(rows, score_threshold=THRESHOLDS[1])
        rows = rules.smart_nms_from_bboxes(rows, threshold=0.7)
        if not len(rows):
            return none
        rows = rules.resize_to_square(rows)
        offsets, landmarks, scores = self._onet(_patches(images, rows, 48))
        landmarks = adjust_landmarks(landmarks, rows)
        rows = rules.replace_confidence(rows, scores.numpy())
        rows = rules.adjust_bboxes(rows, offsets.numpy())
        rows = np.concatenate([rows, landmarks], axis=1)
        rows = rules.pick_matches(rows, scores_column=5, score_threshold=THRESHOLDS[2])
        if not len(rows):
            return none
        return rules.smart_nms_from_bboxes(rows, threshold=0.7, method="min")

    def _propose(self, images: UInt8[np.ndarray, "n h w 3"]) -> Rows:
        """P-Net over the image pyramid: rows of picture, x1, y1, x2, y2, score; squares."""
        from mtcnn.utils import bboxes as rules

        _, height, width, _ = images.shape
        pixels = _normalise(images)
        found = [np.empty((0, 6))]
        scale = CELL / self._min_face
        while min(height, width) * scale >= CELL:
            size = int(width * scale), int(height * scale)
            level = np.stack([cv2.resize(i, size, interpolation=cv2.INTER_AREA) for i in pixels])
            regression, probability = self._pnet(level)
            rows = rules.generate_bounding_box(regression, probability, THRESHOLDS[0])
            rows[:, 1:5] /= scale
            found.append(rules.smart_nms_from_bboxes(rows, threshold=0.5, initial_sort=False))
            scale *= SCALE_STEP
        rows = rules.smart_nms_from_bboxes(np.concatenate(found), threshold=0.7)
        return rules.resize_to_square(rows)


def load_detector(settings: Settings) -> Detector:
    """Return this process's detector for these settings, loaded at the first call."""
    key = settings.faces.model_dump_json()
    with _loading:
        if key not in _loaded:
            _loaded[key] = Detector(settings.faces)
        return _loaded[key]


_loaded: dict[str, Detector] = {}
_loading = threading.Lock()


def _load_networks() -> tuple[Callable[..., Any], Callable[..., Any], Callable[..., Any]]:
    import_tensorflow()
    import tensorflow as tf
    from mtcnn.stages import StageONet, StagePNet, StageRNet

    folder = resources.files("mtcnn.assets.weights")
    networks = []
    sides = (None, 24, 48)
    for stage, side, (name, sha256) in zip(
        (StagePNet, StageRNet, StageONet), sides, WEIGHTS_SHA256.items(), strict=True
    ):
        with resources.as_file(folder / name) as path:
            # The package unpickles them: only the known files are let through, by absolute path
            # (by name it would prefer a file in the working directory).
            if file_sha256(path) != sha256:
                raise WeightsError(f"{path} is not that of mtcnn 1.0.0: install the package again")
            model = stage(weights=str(path)).model
        signature = tf.TensorSpec((None, side, side, 3), tf.float32)  # one trace for all sizes
        networks.append(tf.function(model, input_signature=[signature]))
    return tuple(networks)


def _reduce(image: UInt8[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "h w 3"]:
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


def _normalise(pixels: np.ndarray) -> np.ndarray:
    return (pixels.astype(np.float32) - 127.5) / 128


def _patches(images: UInt8[np.ndarray, "n h w 3"], rows: Rows, side: int) -> Any:
    """Each row's box, resized to a square and normalised; mid-grey outside of the picture."""
    import tensorflow as tf

    _, height, width, _ = images.shape
    boxes = rows[:, [2, 1, 4, 3]] / np.array([height, width, height, width])
    patches = tf.image.crop_and_resize(
        images, boxes, rows[:, 0].astype(np.int32), (side, side), extrapolation_value=127.5
    )
    return (patches - 127.5) / 128


def _detections(rows: Rows, searched: tuple[int, ...], shape: tuple[int, ...]) -> Detections:
    """Rows of one picture, in pixels of the size searched, as detections in its own pixels."""
    rows = rows[np.argsort(-rows[:, 5], kind="stable")]
    ratio = np.array([shape[1] / searched[1], shape[0] / searched[0]])
    limit = np.array([shape[1], shape[0]])
    corners = np.clip(rows[:, 1:5].reshape(-1, 2, 2) * ratio, 0, limit)
    landmarks = np.stack([rows[:, 6:11], rows[:, 11:16]], axis=-1) * ratio
    return Detections(
        corners.reshape(-1, 4).astype(np.float32),
        rows[:, 5].astype(np.float32),
        landmarks.astype(np.float32),
    )
