"""Two recognisers on the same photographs: the difference, and how much of it is noise.

A paired bootstrap (Efron and Tibshirani 1993, "An Introduction to the Bootstrap", 8.3): people are
drawn anew with all of their photographs, the same for both, so that what is hard for both cancels.

Where few differ, drawing them anew makes too little of chance: of 4 who are worse and none who is
better a draw has one of the 4 almost always. Two people are therefore added to all draws, one
better and one worse, who differ by as much as others that differ do on average. That 6 or more are
worse and none better is beyond noise then, 5 are not, as in the exact sign test. (Agresti and Min
2005, "Simple improved confidence intervals for comparing matched proportions", add a half to each
cell of the table.)
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int64, Shaped

from elenco.evaluation.bootstrap import LEVEL, Resampling
from elenco.evaluation.calibration import BINS

# Of fewer people, drawing people tells too little: their photographs are drawn then.
LEAST_PEOPLE = 10
# Confidences are whole multiples of this: their sums are exact in any order.
_STEP = 2.0**-20

ADDED = (1, -1)  # people: one better, one worse

Hits = Bool[np.ndarray, " n"]


@dataclass(frozen=True)
class Difference:
    """One figure of both; shares 0..1.

    Attributes:
        candidate: its figure.
        current: the figure of the version in use.
        difference: the first less the second.
        low: lower end of the difference's 95 % interval.
        high: its upper end.
    """

    candidate: float
    current: float
    difference: float
    low: float
    high: float


@dataclass(frozen=True)
class Said:
    """Answers to some photographs.

    Attributes:
        confidence: probability of the answer given, be it a name or unknown.
        right: whether it is the right one.
    """

    confidence: Float64[np.ndarray, " n"]
    right: Hits


class Paired:
    """Draws of the people of some photographs.

    Args:
        person_ids: (n,) whose each photograph is; n is 1 or more.
        replicates: how often people are drawn anew.
        seed: of the draws; equal arguments draw equally.

    Attributes:
        unit: what is drawn: `people`, or `photographs` of fewer than LEAST_PEOPLE people.
    """

    def __init__(self, person_ids: Shaped[np.ndarray, " n"], replicates: int, seed: int) -> None:
        people, whose = np.unique(person_ids, return_inverse=True)
        self.unit = "people" if len(people) >= LEAST_PEOPLE else "photographs"
        self._whose: Int64[np.ndarray, " n"] = (
            whose.astype(np.int64) if self.unit == "people" else np.arange(len(person_ids))
        )
        strata = np.zeros(int(self._whose.max()) + 1 + len(ADDED), np.int64)
        self._resampling = Resampling(strata, replicates, seed)

    def share(self, candidate: Hits, current: Hits) -> Difference:
        """The difference of two shares of the photographs."""
        counts = self._sums(np.ones(len(candidate)))
        differences = self._sums(candidate) - self._sums(current)
        who = np.flatnonzero(differences)
        size = float(np.abs(differences[who]).mean()) if len(who) else 1.0
        counts[-len(ADDED) :] = size
        differences[-len(ADDED) :] = size * np.array(ADDED)
        drawn = self._drawn(np.column_stack([counts, differences]))
        low, high = _ends(drawn[:, 1] / drawn[:, 0])
        # From counts: equal shares differ by 0, whatever rounding makes of each.
        less = (int(candidate.sum()) - int(current.sum())) / len(candidate)
        return Difference(float(candidate.mean()), float(current.mean()), less, low, high)

    def calibration_error(
        self, candidate: tuple[Said, Said], current: tuple[Said, Said]
    ) -> Difference:
        """The difference of expected calibration errors (Guo et al. 2017), over BINS equal bins.

        Args:
            candidate: its answers where the person is in the gallery, and where they are left
                out; they count as much together.
            current: those of the version in use.
        """
        both = (candidate, current)
        values: list[float] = []
        errors: list[Float64[np.ndarray, " r"]] = []
        counts = self._sums(np.ones(len(self._whose)))
        for known, strangers in both:
            gaps = (self._gaps(known) + self._gaps(strangers)) / 2
            drawn = self._drawn(np.column_stack([counts, gaps]))
            errors.append(_error(drawn[:, 1:], drawn[:, 0]))
            whole = gaps.sum(axis=0)[None]
            values.append(float(_error(whole, np.array([float(counts.sum())]))[0]))
        difference = values[0] - values[1]
        # The basic interval: drawing anew adds errors of its own (Davison and Hinkley 1997, 5.2).
        low, high = _ends(2 * difference - (errors[0] - errors[1]))
        return Difference(values[0], values[1], difference, low, high)

    def _gaps(self, said: Said) -> Float64[np.ndarray, "p b"]:
        """Of each unit and bin: the sum of confidences less how many are right."""
        confidence = np.round(said.confidence / _STEP) * _STEP
        bins = np.clip((confidence * BINS).astype(np.int64), 0, BINS - 1)
        units = self._resampling.people
        cells = self._whose * BINS + bins
        return np.bincount(cells, confidence - said.right, units * BINS).reshape(units, BINS)

    def _sums(self, values: np.ndarray) -> Float64[np.ndarray, " p"]:
        return np.bincount(self._whose, values.astype(np.float64), self._resampling.people)

    def _drawn(self, totals: Float64[np.ndarray, "p k"]) -> Float64[np.ndarray, "r k"]:
        return np.concatenate([weights @ totals for weights in self._resampling.weights()])


def _error(
    gaps: Float64[np.ndarray, "r b"], counts: Float64[np.ndarray, " r"]
) -> Float64[np.ndarray, " r"]:
    return np.abs(gaps).sum(axis=1) / counts


def _ends(drawn: Float64[np.ndarray, " r"]) -> tuple[float, float]:
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)
