"""Training photographs asked about as if they had not been trained on.

Everybody's photographs are asked about twice: as one of the person that they show, whose vector is
then made without them; and as one of a stranger, where their person is not in the gallery. What is
set on the answers has seen neither the test split nor, in effect, the photograph or person itself.
"""

from statistics import NormalDist

import numpy as np
from jaxtyping import Float32, Float64, Int64

from elenco.fingerprint import unit_interval
from elenco.recognition.dataset import Labels, Vectors, class_sums
from elenco.recognition.gallery import Gallery
from elenco.recognition.scoring import parts, projected
from elenco.vectors import unit

Rows = Int64[np.ndarray, " n"]


class Rehearsing:
    """The photographs that a gallery was made of, to ask it about.

    Args:
        gallery: what is asked.
        vectors: (n, d) unit length: all that it was made of.
        labels: the person of each.
    """

    def __init__(self, gallery: Gallery, vectors: Vectors, labels: Labels) -> None:
        self._gallery, self._vectors, self._labels = gallery, vectors, labels
        self._sums = class_sums(projected(vectors, gallery.projection), labels, len(gallery.people))

    def as_known(self, rows: Rows) -> Float32[np.ndarray, "n c"]:
        """Scores of photographs with everybody, the person shown being made without each.

        Only of people with two photographs or more. Give it as many rows as there is memory for.
        """
        own, vectors = self._labels[rows], self._vectors[rows]
        scores = self._gallery.scores(vectors)
        mine = projected(vectors, self._gallery.projection)
        without = unit(self._sums[own] - mine)
        cosines = (mine * without).sum(axis=1)
        scores[np.arange(len(rows)), own] = cosines - self._gallery.offsets[own]
        return scores

    def as_strangers(self, rows: Rows) -> Float32[np.ndarray, "n c"]:
        """Scores of photographs with everybody but the person shown, who is left out."""
        return self._gallery.scores(self._vectors[rows], self._labels[rows])

    def highest_as_strangers(self, rows: Rows) -> Float32[np.ndarray, " n"]:
        """The highest of each row of `as_strangers`, for any number of rows."""
        highest = np.zeros(len(rows), np.float32)
        for part in parts(len(rows), len(self._gallery.people)):
            highest[part] = self.as_strangers(rows[part]).max(axis=1)
        return highest


def sample(rows: Rows, names: list[str], purpose: str, most: int) -> Int64[np.ndarray, " m"]:
    """At most `most` of the rows, by stable hash of their names; sorted."""
    if len(rows) <= most:
        return rows
    hashes = [unit_interval(f"{purpose} {names[row]}") for row in rows.tolist()]
    return np.sort(rows[np.argsort(hashes, kind="stable")[:most]])


def equally(people: Labels) -> Float64[np.ndarray, " n"]:
    """A weight for each photograph, such that all people count the same; they sum to 1."""
    counts = np.bincount(people)
    weights = 1 / counts[people] if len(people) else np.zeros(0)
    return weights / max(np.count_nonzero(counts), 1)


def threshold_for(strangers: Float32[np.ndarray, " n"], people: Labels, rate: float) -> float:
    """The threshold that a share of `rate` of strangers is expected to reach.

    All people count the same. Those of the gallery who play strangers are not quite like strangers:
    two may be sisters, or one person under two names, and a few such pairs hold the highest scores.
    Beyond the highest tenth the scores are therefore continued as a normal distribution with their
    median and 90th percentile (docs/decisions/0014).

    Returns:
        -1 of no scores.
    """
    if not len(strangers):
        return -1.0
    tenth = quantile(strangers, people, 0.9)
    if rate >= 0.1:
        return _above(quantile(strangers, people, 1 - rate))
    middle = quantile(strangers, people, 0.5)
    normal = NormalDist()
    deviation = (tenth - middle) / normal.inv_cdf(0.9)
    return _above(middle + deviation * normal.inv_cdf(1 - rate))


def quantile(scores: Float32[np.ndarray, " n"], people: Labels, share: float) -> float:
    """The score that `share` of the photographs do not exceed, all people counting the same."""
    order = np.argsort(scores, kind="stable")
    below = np.cumsum(equally(people)[order])
    place = min(int(np.searchsorted(below, share - 1e-12)), len(order) - 1)
    return float(scores[order[place]])


def _above(score: float) -> float:
    return float(np.nextafter(np.float32(score), np.float32(np.inf)))
