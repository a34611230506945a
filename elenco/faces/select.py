"""Which of several faces a photograph is of."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float32, Float64, Int64

from elenco.faces.geometry import area, center
from elenco.types import Detections

OFFSET_WEIGHT = 2.0  # of davidsandberg/facenet, src/align/align_dataset_mtcnn.py

# Cosine from which on two faces pass for one person's in the space of `dlib_resnet`: over 2,317
# photographs of 629 people of LFW, 0.26 % of the pairs of two people reach it and 96.8 % of the
# pairs of one.
SAME_PERSON = 0.92
# How much more support than the next face the chosen one needs. Of two people who are always
# together, one has 0.01 more half of the time, and 0.02 more every fifth time.
MARGIN = 0.02
# Share of the other photographs, by weight, that may show somebody else.
_OTHERS_WRONG = 1 / 3


@dataclass(frozen=True)
class Choice:
    """The face that was chosen, and why.

    Attributes:
        index: the face, in the order given.
        by: `only`: there is no other face. `agreement`: it is the one that is also in the person's
            other photographs. `size`: those don't tell, it is the large, central one.
        agreement: the face's support, a cosine, -1..1; nan where there is no other photograph.
            Under `SAME_PERSON` the face is probably not the person's, whatever it was chosen by.
    """

    index: int
    by: Literal["only", "agreement", "size"]
    agreement: float


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


def choose_by_agreement(
    photographs: Sequence[Float32[np.ndarray, "k d"]], fallback: Sequence[int]
) -> list[Choice]:
    """Choose the face that is also in the person's other photographs.

    A face's support is a mean over the other photographs of its greatest cosine with a face there.
    Photographs of k faces weigh 1/k², so that of two people who appear together the one who is
    also seen alone is chosen; the least third, by weight, is left out, since it may show somebody
    else. Agreement decides where one face alone has the support of `SAME_PERSON`, and `MARGIN`
    more than the next; else `fallback` does. The order of photographs and faces does not matter.

    `benchmarks/choice.py` measures it.

    Args:
        photographs: for each photograph of ONE person the unit-length `dlib_resnet` embeddings of
            its k >= 1 faces.
        fallback: for each photograph the face to take where agreement does not decide: `choose`'s.

    Returns:
        One choice a photograph, in order.

    Raises:
        ValueError: a photograph has no face, or its fallback is not one of them; the numbers of
            photographs differ.
    """
    counts = np.array([len(faces) for faces in photographs], np.int64)
    if len(fallback) != len(counts):
        raise ValueError(f"{len(counts)} photographs, but {len(fallback)} fallbacks")
    for count, face in zip(counts, fallback, strict=True):
        if not 0 <= face < count:
            raise ValueError(f"face {face} of a photograph of {count} faces")
    if not len(counts):
        return []
    nearest = _nearest(np.concatenate(photographs).astype(np.float64), counts)
    others = ~np.eye(len(counts), dtype=bool)
    weights = 1 / counts.astype(np.float64) ** 2
    rows = np.split(nearest, np.cumsum(counts)[:-1])
    return [
        _decide(np.array([_support(row[other], weights[other]) for row in own]), int(face))
        for own, other, face in zip(rows, others, fallback, strict=True)
    ]


def _decide(supports: Float64[np.ndarray, " k"], fallback: int) -> Choice:
    if len(supports) == 1:
        return Choice(0, "only", float(supports[0]))
    *_, second, best = np.argsort(supports)
    alone = supports[second] < SAME_PERSON <= supports[best]  # False where they are nan
    if alone and supports[best] - supports[second] >= MARGIN:
        return Choice(int(best), "agreement", float(supports[best]))
    return Choice(fallback, "size", float(supports[fallback]))


def _nearest(
    faces: Float64[np.ndarray, "f d"], counts: Int64[np.ndarray, " n"]
) -> Float64[np.ndarray, "f n"]:
    """The greatest cosine of every face with a face of every photograph."""
    starts = np.cumsum(counts) - counts
    # Not `@`: the last bit of its products depends on where in the matrix they are.
    return np.array([np.maximum.reduceat((faces * face).sum(axis=1), starts) for face in faces])


def _support(cosines: Float64[np.ndarray, " n"], weights: Float64[np.ndarray, " n"]) -> float:
    """The weighted mean without the least third of the weight; nan of nothing."""
    if not len(cosines):
        return float("nan")
    order = np.lexsort((-weights, -cosines))  # equal sums for any order given
    cosines, weights = cosines[order], weights[order]
    before = np.cumsum(weights) - weights
    counted = np.clip((1 - _OTHERS_WRONG) * weights.sum() - before, 0, weights)
    return float((counted * cosines).sum() / counted.sum())
