"""How much likelier embeddings are of one person than of several: the two-covariance model.

A person is a point, normally distributed about the mean of all; their photographs are normally
distributed about them. Probabilistic linear discriminant analysis of full rank (Ioffe 2006,
"Probabilistic Linear Discriminant Analysis"), in the form of Brümmer & de Villiers 2010, "The
Speaker Partitioning Problem". Both covariances are estimated from the data set itself, so that
nothing here is made for one embedder.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64

Vectors = Float32[np.ndarray, "n d"]
Points = Float32[np.ndarray, "n k"]
Sums = Float32[np.ndarray, "p k"]
Counts = Int64[np.ndarray, " p"]
Labels = Int64[np.ndarray, " n"]
Matrix = Float64[np.ndarray, "d d"]

ROWS = 1 << 13  # worked on at a time: bounds what is in memory
# Directions are kept until they hold this share of what tells people apart.
_KEPT = 0.999
_LEAST = 1e-6  # of the total variance: what is added where photographs don't differ at all


@dataclass(frozen=True)
class TwoCovariance:
    """The model in coordinates in which photographs vary about a person by 1 in every direction.

    Attributes:
        mean: (d,) of people.
        directions: (d, k) from embeddings, less the mean, to these coordinates.
        between: (k,) the variance of people in each, greatest first.
    """

    mean: Float32[np.ndarray, " d"]
    directions: Float32[np.ndarray, "d k"]
    between: Float64[np.ndarray, " k"]

    def project(self, vectors: Vectors) -> Points:
        """Embeddings in the model's coordinates."""
        out = np.empty((len(vectors), len(self.between)), np.float32)
        for start in range(0, len(vectors), ROWS):
            part = slice(start, start + ROWS)
            out[part] = (vectors[part] - self.mean) @ self.directions
        return out

    def log_ratios(
        self, points: Points, sums: Sums, counts: Counts, of: int = 1
    ) -> Float32[np.ndarray, "n p"]:
        """Log of how much likelier each point is of a set's person than of anybody.

        Args:
            points: each the mean of `of` photographs.
            sums: of each set's photographs.
            counts: how many those are; 0 gives 0.
            of: 1 or more.
        """
        terms, which = self._terms(counts, of)
        ratios = points @ (sums * terms.across[which]).T
        # Most sets are of few sizes: what depends on the size alone is multiplied once a size.
        ratios += ((points * points) @ terms.point.T)[:, which]
        ratios += (sums * sums * terms.set[which]).sum(axis=1) + terms.constant[which]
        return ratios

    def log_ratio(
        self, points: Points, sums: Points, counts: Int64[np.ndarray, " n"], of: int = 1
    ) -> Float32[np.ndarray, " n"]:
        """`log_ratios` of each point and the set in the same row."""
        terms, which = self._terms(counts, of)
        ratio = terms.constant[which]
        for size in range(len(terms.constant)):
            rows = np.flatnonzero(which == size)
            own, others = points[rows], sums[rows]
            ratio[rows] += (own * others) @ terms.across[size]
            ratio[rows] += (own * own) @ terms.point[size] + (others * others) @ terms.set[size]
        return ratio

    def _terms(self, counts: Counts, of: int) -> tuple["_Terms", Int64[np.ndarray, " p"]]:
        """What the ratio is made of, for each size of a set, and which size each set has."""
        sizes, which = np.unique(counts, return_inverse=True)
        between, number = self.between, sizes[:, None].astype(np.float64)
        left = between / (1 + between * number)  # variance of a person once the set is known
        precision, alone = 1 / (left + 1 / of), 1 / (between + 1 / of)
        parts = (
            left * precision,
            -0.5 * (precision - alone),
            -0.5 * left**2 * precision,
            0.5 * np.log(precision / alone).sum(axis=1),
        )
        return _Terms(*(part.astype(np.float32) for part in parts)), which


@dataclass(frozen=True)
class _Terms:
    """Factors of point times sum, of the point's and the sum's squares, and what is added."""

    across: Float32[np.ndarray, "s k"]
    point: Float32[np.ndarray, "s k"]
    set: Float32[np.ndarray, "s k"]
    constant: Float32[np.ndarray, " s"]


def fit(vectors: Vectors, labels: Labels, use: Bool[np.ndarray, " n"]) -> TwoCovariance | None:
    """Estimate the model.

    Both covariances are shrunk towards a multiple of the identity as far as their number of
    photographs and people asks for (Ledoit & Wolf 2004, "A well-conditioned estimator for
    large-dimensional covariance matrices").

    Args:
        vectors: embeddings.
        labels: whose, 0 or more.
        use: rows to estimate from.

    Returns:
        None where it can't be: nobody has two photographs, or there is one person.
    """
    classes = int(labels.max(initial=-1)) + 1
    counts = np.bincount(labels[use], minlength=classes)
    there = counts > 0
    free = int((counts[there] - 1).sum())
    if there.sum() < 2 or not free:
        return None
    sums = sums_of(vectors, labels, use, classes)
    means = sums / np.maximum(counts, 1)[:, None].astype(np.float32)
    mean = means[there].mean(axis=0)
    within = _within(vectors, labels, means, use & (counts > 1)[labels], free)
    centred = (means[there] - mean).astype(np.float64)
    total = float(np.square(centred).sum() / len(centred)) + float(np.trace(within))
    if not total:
        return None
    within += _LEAST * total / len(within) * np.eye(len(within))
    variances, axes = np.linalg.eigh(within)
    whitened = centred @ (axes / np.sqrt(variances))
    of_means = _shrunk(whitened.T @ whitened / len(whitened), np.square(whitened).sum(axis=1))
    of_means *= len(whitened) / (len(whitened) - 1)
    # What the means of few photographs vary by themselves is not between people.
    spread, turns = np.linalg.eigh(of_means)
    between = np.maximum(spread - (1 / counts[there]).mean(), 0)[::-1]
    tells = np.cumsum(between**2 / (1 + 2 * between))
    kept = 1 + int((tells < _KEPT * tells[-1]).sum())
    directions = (axes / np.sqrt(variances)) @ turns[:, ::-1][:, :kept]
    return TwoCovariance(mean, directions.astype(np.float32), between[:kept])


def sums_of(
    vectors: Vectors, labels: Labels, use: Bool[np.ndarray, " n"], classes: int
) -> Float32[np.ndarray, "c d"]:
    """The sum of each class's chosen rows; zero for a class without."""
    sums = np.zeros((classes, vectors.shape[1]), np.float32)
    for part in parts_of(use):
        # Classes in one piece: several times as fast as adding row by row.
        part = part[np.argsort(labels[part], kind="stable")]
        found, starts = np.unique(labels[part], return_index=True)
        sums[found] += np.add.reduceat(vectors[part], starts, axis=0)
    return sums


def _within(
    vectors: Vectors,
    labels: Labels,
    means: Float32[np.ndarray, "c d"],
    use: Bool[np.ndarray, " n"],
    free: int,
) -> Matrix:
    """The covariance of photographs about their person, of `free` degrees of freedom."""
    dim, count = vectors.shape[1], int(use.sum())
    scatter, lengths = np.zeros((dim, dim)), []
    for part in parts_of(use):
        rest = vectors[part] - means[labels[part]]
        scatter += rest.T @ rest
        lengths.append(np.square(rest).sum(axis=1, dtype=np.float64))
    return _shrunk(scatter / count, np.concatenate(lengths)) * (count / free)


def _shrunk(covariance: Matrix, lengths: Float64[np.ndarray, " m"]) -> Matrix:
    """Ledoit and Wolf's estimate.

    Args:
        covariance: of m samples about a known mean.
        lengths: the squared lengths of those samples.
    """
    count, dim = len(lengths), len(covariance)
    target = float(np.trace(covariance)) / dim * np.eye(dim)
    away = float(np.square(covariance - target).sum())
    noise = float(np.square(lengths).sum()) / count**2 - float(np.square(covariance).sum()) / count
    share = min(1.0, max(0.0, noise / away)) if away else 0.0
    return (1 - share) * covariance + share * target


def parts_of(use: Bool[np.ndarray, " n"]) -> list[Int64[np.ndarray, " _"]]:
    """The chosen rows, some at a time."""
    rows = np.flatnonzero(use)
    return [rows[start : start + ROWS] for start in range(0, len(rows), ROWS)]
