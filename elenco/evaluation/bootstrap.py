"""Confidence intervals by drawing people anew, each with all of their photographs.

Photographs of one person are right or wrong together: people are what is independent (the subset
bootstrap of Bolle, Ratha and Pankanti 2004, "Error analysis of pattern recognition systems").
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int64, Shaped, UInt16

People = Int64[np.ndarray, " n"]  # whose each photograph is, as a number
StrangerPeople = Int64[np.ndarray, " m"]

LEVEL = 0.95
# How many numbers there are of weights at a time.
WEIGHTS_AT_ONCE = 1 << 22
_STEP = 2.0**-30


@dataclass(frozen=True)
class Estimate:
    """A figure, how sure it is, and what it is of.

    Attributes:
        value: None where there is nothing to measure it on.
        low: lower end of the 95 % interval; None of fewer than two people.
        high: its upper end.
        photographs: how many it is of.
        people: how many they show.
    """

    value: float | None
    low: float | None
    high: float | None
    photographs: int
    people: int


class Resampling:
    """How often each person is drawn in each replicate. Equal arguments draw equally.

    Args:
        strata: (p,) people of one number are drawn among themselves, as many as they are: those
            who are known and those who are strangers.
        replicates: how often, 1 or more.
        seed: of the draw.

    Attributes:
        people: how many there are.
        replicates: how often they are drawn.
    """

    def __init__(self, strata: Int64[np.ndarray, " p"], replicates: int, seed: int) -> None:
        self.people, self.replicates = len(strata), replicates
        self._counts: UInt16[np.ndarray, "r p"] = np.zeros((replicates, len(strata)), np.uint16)
        rng = np.random.default_rng(seed)
        for stratum in np.unique(strata):
            members = np.flatnonzero(strata == stratum)
            for rows in self._parts(len(members)):
                drawn = rng.integers(0, len(members), (rows.stop - rows.start, len(members)))
                drawn += np.arange(len(drawn))[:, None] * len(members)
                counts = np.bincount(drawn.ravel(), minlength=drawn.size)
                self._counts[rows, members] = counts.reshape(drawn.shape)

    def weights(self, columns: int = 0) -> Iterator[Float64[np.ndarray, "r p"]]:
        """The counts of some replicates at a time, all in the end.

        Whole numbers in float64: sums and products of them are exact, in whatever order they are
        made, and so are the same on every machine.

        Args:
            columns: how many numbers a replicate is made into, if more than there are people.
        """
        for rows in self._parts(max(columns, self.people)):
            yield self._counts[rows].astype(np.float64)

    def shares(self, hits: Bool[np.ndarray, "n k"], people: People) -> list[Estimate]:
        """The share of photographs that are true, of each column.

        Args:
            hits: a row a photograph.
            people: whose each row is, 0..p-1.
        """
        n, k = hits.shape
        sums = [np.bincount(people, column, self.people) for column in hits.T.astype(np.float64)]
        totals = np.column_stack([np.bincount(people, minlength=self.people), *sums])
        drawn = np.concatenate([weights @ totals for weights in self.weights()])
        who = len(np.unique(people))
        with np.errstate(invalid="ignore"):  # a replicate may draw nobody of a few people
            replicates = drawn[:, 1:] / drawn[:, :1]
        return [
            estimate(float(hits[:, j].mean()) if n else None, replicates[:, j], n, who)
            for j in range(k)
        ]

    def share(self, hit: Bool[np.ndarray, " n"], people: People) -> Estimate:
        """`shares` of one column."""
        return self.shares(hit[:, None], people)[0]

    def share_of_people(self, hit: Bool[np.ndarray, " n"], people: People) -> Estimate:
        """The mean over people of the share of their photographs: all people count the same."""
        counts = np.bincount(people, minlength=self.people)
        own = np.bincount(people, hit.astype(np.float64), self.people) / np.maximum(counts, 1)
        # Multiples of a small number: their sums are exact in any order.
        totals = np.column_stack([counts > 0, np.round(own / _STEP) * _STEP])
        drawn = np.concatenate([weights @ totals for weights in self.weights()])
        who = int(np.count_nonzero(counts))
        with np.errstate(invalid="ignore"):
            replicates = drawn[:, 1] / drawn[:, 0]
        value = float(totals[:, 1].sum() / who) if who else None
        return estimate(value, replicates, len(hit), who)

    def _parts(self, columns: int) -> Iterator[slice]:
        size = max(1, WEIGHTS_AT_ONCE // max(1, columns))
        for start in range(0, self.replicates, size):
            yield slice(start, min(self.replicates, start + size))


def estimate(
    value: float | None, replicates: Shaped[np.ndarray, " r"], photographs: int, people: int
) -> Estimate:
    """A share with its percentile interval (Efron and Tibshirani 1993, 13.3).

    Where every draw is 0 or every draw is 1 the interval would have no width, as if a mistake that
    was not seen could not be made. It then reaches to the share that this many people leave open:
    the rule of 3 (ISO/IEC 19795-1, Annex B).

    Args:
        value: the share; None of no photographs.
        replicates: of each draw; not a number where a draw has no photograph.
        photographs: how many the share is of.
        people: how many they show.
    """
    drawn = replicates[np.isfinite(replicates)]
    if value is None or people < 2 or not len(drawn):
        return Estimate(value, None, None, photographs, people)
    low, high = (float(end) for end in np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]))
    if drawn.min() == drawn.max() and value in (0.0, 1.0):
        open_still = 1 - (1 - LEVEL) ** (1 / people)
        low, high = (1 - open_still, 1.0) if value else (0.0, open_still)
    return Estimate(value, low, high, photographs, people)
