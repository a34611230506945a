"""People who do not exist, as embeddings: a Gaussian of means and one of photographs about them.

Both are fitted to real embeddings. A Gaussian has no look-alikes: strangers are less like the
nearest of many sampled people than like the nearest of as many real ones. So sampled people are
brought nearer to one another, until the two are alike for one stranger in ten.
"""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float32, Float64, Int64

from elenco.evaluation.rates import threshold_at
from elenco.evaluation.trial import Trial, compact
from elenco.recognition.dataset import Dataset, class_means
from elenco.vectors import unit

# Fewer people, or fewer photographs beside a person's first, say nothing of a covariance.
LEAST_PEOPLE = 20
SAMPLED = "sampled-"  # begins the id of a sampled person
ROWS_AT_ONCE = 1 << 16
NUMBERS_AT_ONCE = 1 << 23
MATCHED, CHECKED = 0.1, 0.01  # FPIR, by the cosine with people's means
MOST_STRANGERS = 5000  # that they are matched on
SPREADS = np.arange(20, 7, -1) / 20


@dataclass(frozen=True)
class Population:
    """Gaussians of embeddings.

    Attributes:
        mean: (d,) of people's means.
        between: (d, d) square root of the covariance of people's means.
        within: (d, d) square root of the covariance of a person's photographs.
        counts: (c,) how many photographs each real person has.
        spread: how far people's means are apart, of what the Gaussian says: the most at which they
            let as many strangers through as real people do at an FPIR of MATCHED, or where none
            lets as many through, that which lets most.
        sampled_fpir: how many strangers as many sampled people let through where real people have
            an FPIR of CHECKED.
        like: the photographs that it was fitted to.
    """

    mean: Float64[np.ndarray, " d"]
    between: Float32[np.ndarray, "d d"]
    within: Float32[np.ndarray, "d d"]
    counts: Int64[np.ndarray, " c"]
    spread: float
    sampled_fpir: float
    like: Dataset

    def sample(self, people: int, seed: int) -> Dataset:
        """Photographs of people who do not exist, as many of each as real people have."""
        rng = np.random.default_rng(seed)
        counts, means = self._people(rng, people)
        labels = np.repeat(np.arange(people), counts)
        vectors = np.empty((len(labels), len(self.mean)), np.float32)
        for start in range(0, len(labels), ROWS_AT_ONCE):
            rows = labels[start : start + ROWS_AT_ONCE]
            vectors[start : start + len(rows)] = means[rows] + self._draw(
                rng, len(rows), self.within
            )
        ids = np.array([f"{SAMPLED}{n:06d}" for n in range(people)])
        nothing = {
            name: np.zeros(len(labels), value.dtype)
            for name, value in vars(self.like).items()
            if isinstance(value, np.ndarray) and name != "people"
        }
        columns = {
            "vectors": unit(vectors),
            "labels": labels.astype(np.int64),
            "person_ids": ids[labels],
            "names": ids[labels],
            "keys": np.array([f"{n:08d}" for n in range(len(labels))]),
        }
        return Dataset(**(nothing | columns), people=ids, space=self.like.space)

    def means(self, people: int, seed: int) -> Float32[np.ndarray, "c d"]:
        """Unit-length means of the photographs of people who do not exist."""
        rng = np.random.default_rng(seed)
        counts, means = self._people(rng, people)
        noise = self._draw(rng, people, self.within)
        return unit(means + noise / np.sqrt(counts)[:, None].astype(np.float32))

    def _people(
        self, rng: np.random.Generator, people: int
    ) -> tuple[Int64[np.ndarray, " c"], Float32[np.ndarray, "c d"]]:
        """How many photographs each has, and what they would be on average."""
        counts = rng.choice(self.counts, people)
        means = np.float32(self.spread) * self._draw(rng, people, self.between)
        return counts, means + self.mean.astype(np.float32)

    @staticmethod
    def _draw(
        rng: np.random.Generator, rows: int, root: Float32[np.ndarray, "d d"]
    ) -> Float32[np.ndarray, "n d"]:
        return rng.standard_normal((rows, len(root)), np.float32) @ root


def like_people(trial: Trial, seed: int) -> Population | None:
    """People to sample beside those of a trial's gallery.

    None where there are too few people or strangers to sample after.
    """
    population = fit_population(trial.made_from)
    if population is None:
        return None
    real = compact(trial.made_from)
    means = class_means(real.vectors, real.labels, len(real.people))
    own = np.searchsorted(real.people, trial.strangers.person_ids)
    own[~np.isin(trial.strangers.person_ids, real.people)] = -1
    rows = np.linspace(0, len(own) - 1, min(len(own), MOST_STRANGERS)).astype(np.int64)
    vectors = trial.strangers.vectors[rows]
    best = best_cosines(vectors, means, own[rows])
    matched, checked = threshold_at(best, MATCHED), threshold_at(best, CHECKED)
    if matched is None or checked is None:
        return None
    nobody = np.full(len(rows), -1)
    chosen, most = population, -1.0
    for spread in SPREADS.tolist():
        sampled = replace(population, spread=spread).means(len(means), seed)
        best = best_cosines(vectors, sampled, nobody)
        fpir, check = (float((best >= np.float32(t)).mean()) for t in (matched, checked))
        if fpir > most:
            chosen, most = replace(population, spread=spread, sampled_fpir=check), fpir
        if fpir >= MATCHED:
            break
    return chosen


def best_cosines(
    vectors: Float32[np.ndarray, "n d"],
    means: Float32[np.ndarray, "c d"],
    own: Int64[np.ndarray, " n"],
) -> Float32[np.ndarray, " n"]:
    """The highest cosine of each vector with a mean, other than that of index `own`."""
    best = np.empty(len(vectors), np.float32)
    size = max(1, NUMBERS_AT_ONCE // len(means))
    for start in range(0, len(vectors), size):
        cosines = vectors[start : start + size] @ means.T
        mine = own[start : start + size]
        rows = np.flatnonzero(mine >= 0)
        cosines[rows, mine[rows]] = -1
        best[start : start + size] = cosines.max(axis=1)
    return best


def fit_population(data: Dataset) -> Population | None:
    """Fit one; None where there are too few people or photographs."""
    _, labels, counts = np.unique(data.person_ids, return_inverse=True, return_counts=True)
    freedom = len(labels) - len(counts)
    if len(counts) < LEAST_PEOPLE or freedom < LEAST_PEOPLE:
        return None
    dim = data.space.dim
    sums = np.zeros((len(counts), dim))
    np.add.at(sums, labels, data.vectors)
    means = sums / counts[:, None]
    residuals = data.vectors - means[labels].astype(np.float32)
    within = shrunk(residuals.T.astype(np.float64) @ residuals / freedom, freedom)
    centre = means.mean(axis=0)
    between = (means - centre).T @ (means - centre) / (len(counts) - 1)
    # A mean of few photographs strays from the person by itself: that is not between people.
    between = shrunk(between, len(counts) - 1) - within * float((1 / counts).mean())
    return Population(centre, _root(between), _root(within), counts, 1.0, 0.0, data)


def shrunk(covariance: Float64[np.ndarray, "d d"], freedom: int) -> Float64[np.ndarray, "d d"]:
    """A covariance mixed with a multiple of the identity, the more so the less it is made of.

    The weight is that of the oracle-approximating estimator (Chen, Wiesel, Eldar and Hero 2010,
    "Shrinkage algorithms for MMSE covariance estimation").
    """
    dim = len(covariance)
    trace, square = np.trace(covariance), float((covariance**2).sum())
    least = (1 - 2 / dim) * square + trace**2
    most = (freedom + 1 - 2 / dim) * (square - trace**2 / dim)
    weight = 1.0 if most <= 0 else min(1.0, least / most)
    return (1 - weight) * covariance + weight * trace / dim * np.eye(dim)


def _root(covariance: Float64[np.ndarray, "d d"]) -> Float32[np.ndarray, "d d"]:
    """Its symmetric square root; what is negative counts as 0."""
    values, vectors = np.linalg.eigh(covariance)
    return ((vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T).astype(np.float32)
