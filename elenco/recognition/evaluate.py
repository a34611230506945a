"""How good the answers are. Pure functions of scores and labels.

Closed set: everyone asked about is known (top-1, top-5). Open set: strangers are asked about too
(ISO/IEC 19795-1): DIR is how many known faces are named rightly at a threshold, FPIR how many
strangers are given a name at it.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int64

from elenco.recognition.dataset import ClassVectors, Labels, Vectors

# No matrix of scores is larger than this many numbers, however many people there are.
SCORES_AT_ONCE = 1 << 23


@dataclass(frozen=True)
class Ranked:
    """Faces of known people against the class vectors.

    Attributes:
        ranks: (n,) how many other people score as high as the right one or higher; 0 is best.
        best: (n,) the highest cosine, whosever it is.
    """

    ranks: Int64[np.ndarray, " n"]
    best: Float32[np.ndarray, " n"]

    def __len__(self) -> int:
        return len(self.ranks)


@dataclass(frozen=True)
class Answers:
    """What the faces of known people are answered: the three add up to `n`."""

    n: int
    named_right: int
    called_unknown: int
    named_wrong: int


def chunks(rows: int, columns: int) -> Iterator[slice]:
    """Slices of rows, so that rows of a slice times columns stays bounded."""
    size = max(1, SCORES_AT_ONCE // max(1, columns))
    for start in range(0, rows, size):
        yield slice(start, min(rows, start + size))


def rank(vectors: Vectors, labels: Labels, class_vectors: ClassVectors) -> Ranked:
    """Score unit-length vectors against unit-length class vectors by cosine."""
    ranks = np.zeros(len(vectors), np.int64)
    best = np.zeros(len(vectors), np.float32)
    for part in chunks(len(vectors), len(class_vectors)):
        scores = vectors[part] @ class_vectors.T
        own = scores[np.arange(len(scores)), labels[part]]
        # A tie counts against us: equal scores do not tell two people apart.
        ranks[part] = (scores >= own[:, None]).sum(axis=1) - 1
        best[part] = scores.max(axis=1)
    return Ranked(ranks, best)


def top(ranked: Ranked, k: int) -> float | None:
    """Share of faces whose person is among the k best; None of no faces."""
    return float((ranked.ranks < k).mean()) if len(ranked) else None


def answers(ranked: Ranked, threshold: float) -> Answers:
    """What is answered where a best cosine under the threshold is unknown."""
    known = ranked.best >= threshold
    right = int((known & (ranked.ranks == 0)).sum())
    return Answers(len(ranked), right, int((~known).sum()), int(known.sum()) - right)


def threshold_at(strangers: Float32[np.ndarray, " n"], rate: float) -> float:
    """The lowest threshold at which at most `rate` of the strangers' scores reach it.

    Of no scores, and where not one may reach it, it lies just above the highest (-1 of none).
    """
    if not len(strangers):
        return -1.0
    allowed = int(rate * len(strangers))
    if allowed >= len(strangers):
        return -1.0
    highest = np.sort(strangers)[::-1].astype(np.float32)
    return float(np.nextafter(highest[allowed], np.float32(2)))


def dir_at_fpir(ranked: Ranked, strangers: Float32[np.ndarray, " n"], rate: float) -> float | None:
    """Detection and identification rate: named rightly where `rate` of strangers are named.

    None of no faces or no strangers.
    """
    if not len(ranked) or not len(strangers):
        return None
    return answers(ranked, threshold_at(strangers, rate)).named_right / len(ranked)
