"""Which of several faces a photograph is of."""

import numpy as np

from elenco.faces.geometry import area, center
from elenco.types import Detections

OFFSET_WEIGHT = 2.0  # of davidsandberg/facenet, src/align/align_dataset_mtcnn.py


def choose(detections: Detections, width: float, height: float) -> int:
    """Choose the large, central face: the greatest area - 2 * (distance from the middle)².

    The rule of davidsandberg/facenet's align_dataset_mtcnn, in square pixels; the better score
    wins a tie.

    Args:
        detections: at least one face.
        width: of the picture, in pixels.
        height: of the picture, in pixels.

    Returns:
        The face's index.

    Raises:
        ValueError: there is no face.
    """
    if not len(detections):
        raise ValueError("no face to choose from")
    boxes = detections.boxes.astype(np.float64)
    offset = center(boxes) - np.array([width, height]) / 2
    return int(np.argmax(area(boxes) - OFFSET_WEIGHT * (offset**2).sum(axis=1)))
