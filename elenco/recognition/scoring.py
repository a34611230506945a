"""What is learned of a gallery: how to compare, and how much each person resembles the others.

Two corrections of the plain cosine with a person's mean:

- Within-class covariance normalisation (Hatch, Kajarekar & Stolcke 2006, "Within-class covariance
  normalization for SVM-based speaker recognition"): directions in which photographs of one person
  differ count less. Its estimate is mixed with the identity.
- Cohort normalisation (Auckenthaler, Carey & Lloyd-Thomas 2000; adaptive cohorts: Sturim & Reynolds
  2005): who lies where faces are dense is resembled by many, and a name is given less easily there.
  Of Z-norm only the shift is kept, and only a part of it: it is one number a person.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int64

from elenco.recognition.dataset import ClassVectors, Labels, Vectors, class_sums
from elenco.vectors import unit

# How many of the people who resemble a person most make their shift. It is part of what a version's
# numbers mean: with another one raise `elenco.recognition.files.LABELS_SCHEMA`.
COHORT = 1
IDENTITY = 0.6  # least share of the identity in the within-class covariance
SCORES_AT_ONCE = 1 << 24  # numbers: no matrix of scores is larger

Projection = Float32[np.ndarray, "d d"]


@dataclass(frozen=True)
class Cohort:
    """Those who resemble each person most, the most alike first.

    Attributes:
        people: (c, m) indices; m is COHORT + 1, or all others where they are fewer. One more than
            is used, so that any one of them can be left out.
        scores: (c, m) the highest cosine of their photographs with the person's vector.
    """

    people: Int64[np.ndarray, "c m"]
    scores: Float32[np.ndarray, "c m"]

    def shifts(self) -> Float32[np.ndarray, " c"]:
        """The mean score of each person's cohort; 0 where nobody else is there."""
        used = self.scores[:, :COHORT]
        return used.mean(axis=1) if used.shape[1] else np.zeros(len(used), np.float32)

    def without(self) -> Float32[np.ndarray, "c m"]:
        """The same were the cohort's j-th left out, in column j."""
        rows, width = self.scores.shape
        if width > COHORT:
            total = self.scores.sum(axis=1, keepdims=True) - self.scores
            same = np.repeat(self.shifts()[:, None], width - COHORT, axis=1)
            return np.concatenate([total[:, :COHORT] / COHORT, same], axis=1)
        if width < 2:
            return np.zeros((rows, width), np.float32)
        return (self.scores.sum(axis=1, keepdims=True) - self.scores) / (width - 1)


def within_class_projection(vectors: Vectors, labels: Labels, classes: int) -> Projection:
    """The matrix that vectors are multiplied with, before they are brought to unit length again.

    Args:
        vectors: (n, d) unit length.
        labels: the class of each.
        classes: how many.

    Returns:
        Upper left of it: `vectors @ projection`. The identity where nobody has two photographs;
        the nearer to it, the fewer photographs there are.
    """
    dim = vectors.shape[1]
    counts = np.bincount(labels, minlength=classes)
    means = class_sums(vectors, labels, classes) / np.maximum(counts, 1)[:, None]
    residuals = vectors - means[labels]
    freedom = len(labels) - np.count_nonzero(counts)
    covariance = residuals.T.astype(np.float64) @ residuals
    mean_variance = np.trace(covariance) / dim
    if freedom < 1 or mean_variance <= 0:
        return np.eye(dim, dtype=np.float32)
    own = (1 - IDENTITY) * freedom / (freedom + dim)
    mixed = own * covariance / mean_variance + (1 - own) * np.eye(dim)
    return np.linalg.cholesky(np.linalg.inv(mixed)).astype(np.float32)


def find_cohort(vectors: Vectors, labels: Labels, class_vectors: ClassVectors) -> Cohort:
    """Find each person's cohort.

    Args:
        vectors: (n, d) unit length.
        labels: the class of each, ascending.
        class_vectors: (c, d) unit length; every class has a row in `labels`.

    Memory does not grow with n times c: some people's photographs are scored at a time.
    """
    classes = len(class_vectors)
    width = min(COHORT + 1, classes - 1)
    scores = np.full((width, classes), -np.inf, np.float32)
    people = np.zeros((width, classes), np.int64)
    starts = np.searchsorted(labels, np.arange(classes + 1))
    first = 0
    while first < classes and width:
        room = starts[first] + max(1, SCORES_AT_ONCE // classes)
        last = max(first + 1, int(np.searchsorted(starts, room, side="right")) - 1)
        cosines = vectors[starts[first] : starts[last]] @ class_vectors.T
        best = np.maximum.reduceat(cosines, starts[first:last] - starts[first], axis=0)
        own = np.arange(first, last)
        best[own - first, own] = -np.inf
        scores, people = _best(np.concatenate([scores, best]), people, own)
        first = last
    return Cohort(np.ascontiguousarray(people.T), np.ascontiguousarray(scores.T))


def _best(
    scores: Float32[np.ndarray, "m c"], people: Int64[np.ndarray, "w c"], more: np.ndarray
) -> tuple[Float32[np.ndarray, "w c"], Int64[np.ndarray, "w c"]]:
    """The highest `w` of each column; `scores` is written over.

    Row i is of `people[i]` in each column, and after those of `more`, in order.
    """
    width, columns = people.shape
    chosen = np.empty((width, columns), np.float32), np.empty((width, columns), np.int64)
    at = np.arange(columns)
    for place in range(width):
        row = scores.argmax(axis=0)
        chosen[0][place] = scores[row, at]
        earlier = people[np.minimum(row, width - 1), at]
        chosen[1][place] = np.where(row < width, earlier, more[np.maximum(row - width, 0)])
        scores[row, at] = -np.inf
    return chosen


def projected(vectors: Vectors, projection: Projection) -> Vectors:
    """Unit-length vectors as they are compared: projected, and of unit length again."""
    return unit(vectors @ projection)


def highest(scores: Float32[np.ndarray, "n c"], most: int) -> Int64[np.ndarray, "n k"]:
    """The columns of the highest scores of each row, best first; of equals the first column.

    Args:
        scores: c is 1 or more.
        most: k is this, or c where that is smaller.
    """
    kept = min(most, scores.shape[1])
    best = np.argpartition(-scores, kept - 1, axis=1)[:, :kept]
    least = np.take_along_axis(scores, best, 1).min(axis=1, keepdims=True)
    # Of more columns that equal the least, a partition takes any.
    tied = (scores >= least).sum(axis=1) > kept
    best[tied] = np.argsort(-scores[tied], axis=1, kind="stable")[:, :kept]
    best.sort(axis=1)
    order = np.argsort(-np.take_along_axis(scores, best, 1), axis=1, kind="stable")
    return np.take_along_axis(best, order, 1).astype(np.int64)


def parts(rows: int, columns: int) -> list[slice]:
    """Slices of rows, so that the rows of one times columns stay bounded."""
    size = max(1, SCORES_AT_ONCE // max(1, columns))
    return [slice(start, min(rows, start + size)) for start in range(0, rows, size)]
