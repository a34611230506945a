"""Thresholds at a rate of false positives, and what is found at them.

DIR is the share of known faces that are named rightly at a threshold, FPIR the share of strangers
that are given a name at it (ISO/IEC 19795-1; as in IJB-C's open-set identification, Maze et al.
2018). With pairs of one person for known faces and pairs of two for strangers they are TAR and FAR.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Float64

from elenco.evaluation.bootstrap import Estimate, Resampling, estimate

Scores = Float32[np.ndarray, " n"]
Weigh = Callable[[Float64[np.ndarray, "r p"]], Float64[np.ndarray, "r n"]]
# 0.1 * 30 is a little more than 3, and 0.29 * 100 a little less than 29.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Side:
    """The faces of one side: those who are known, or strangers.

    Attributes:
        scores: (n,) of each face's best candidate.
        right: (n,) whether the candidate is right; not looked at of strangers.
        weigh: the weights of the people in some replicates -> those of the faces.
        people: how many the faces show.
    """

    scores: Scores
    right: Bool[np.ndarray, " n"]
    weigh: Weigh
    people: int


@dataclass(frozen=True)
class AtRate:
    """What is found where a rate of false positives is allowed.

    Attributes:
        rate: FPIR (FAR of pairs) that is allowed.
        threshold: the lowest score at which no more than that is given; None where it can't be
            told: fewer strangers than one over the rate.
        found: DIR (TAR of pairs).
    """

    rate: float
    threshold: float | None
    found: Estimate


def threshold_at(strangers: Scores, rate: float) -> float | None:
    """The lowest threshold at which at most `rate` of the strangers' scores reach it.

    None where not one stranger may reach it: the rate is finer than so many strangers can show.
    """
    allowed = _allowed(len(strangers), rate)
    if not 1 <= allowed < len(strangers):
        return None
    highest = np.sort(strangers)[::-1]
    return float(np.nextafter(highest[allowed], np.float32(np.inf)))


def found_at(
    known: Side, strangers: Side, rates: Sequence[float], resampling: Resampling
) -> list[AtRate]:
    """DIR at each FPIR, with an interval in which strangers, and so thresholds, are drawn anew too.

    Args:
        known: faces of the people that there are.
        strangers: faces of others.
        rates: FPIR, each 0..1, less than 1.
        resampling: of the people of both.
    """
    order = np.argsort(-strangers.scores, kind="stable")
    sorted_scores = strangers.scores[order]
    ranked = np.flatnonzero(known.right)
    ranked = ranked[np.argsort(-known.scores[ranked], kind="stable")]
    # Of those named rightly, how many score above each stranger: who is found at that threshold.
    above = np.searchsorted(-known.scores[ranked], -sorted_scores, side="left")
    drawn = np.full((resampling.replicates, len(rates)), np.nan)
    done = 0
    for weights in resampling.weights(len(known.scores) + len(strangers.scores)):
        rows = slice(done, done + len(weights))
        done = rows.stop
        ours, theirs = known.weigh(weights), strangers.weigh(weights)[:, order]
        given = theirs.cumsum(axis=1)
        found = np.hstack([np.zeros((len(weights), 1)), ours[:, ranked].cumsum(axis=1)])
        total = ours.sum(axis=1)
        for j, rate in enumerate(rates):
            if not 1 <= _allowed(len(sorted_scores), rate) < len(sorted_scores):
                continue
            allowed = np.floor(rate * given[:, -1] + _ROUNDING)
            # The first stranger who is one too many; the threshold lies just above.
            first = (given <= allowed[:, None]).sum(axis=1)
            last = np.where(first < len(above), above[np.minimum(first, len(above) - 1)], -1)
            with np.errstate(invalid="ignore"):
                drawn[rows, j] = np.take_along_axis(found, last[:, None], 1)[:, 0] / total
    return [
        _at_rate(known, strangers, rate, replicates)
        for rate, replicates in zip(rates, drawn.T, strict=True)
    ]


def _at_rate(
    known: Side, strangers: Side, rate: float, replicates: Float64[np.ndarray, " r"]
) -> AtRate:
    n, threshold = len(known.scores), threshold_at(strangers.scores, rate)
    value = None
    if n and threshold is not None:
        value = float((known.right & (known.scores >= np.float32(threshold))).mean())
    return AtRate(rate, threshold, estimate(value, replicates, n, known.people))


def _allowed(strangers: int, rate: float) -> int:
    return int(rate * strangers + _ROUNDING)
