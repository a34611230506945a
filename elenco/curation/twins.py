"""Two people who may be one: the same face under two ids.

Two people are as similar as two halves of one person's photographs, and more than chance brings
about among so many pairs. Nobody is left out for it: it is reported.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32

from elenco.curation.agreement import Mask
from elenco.curation.comparison import MOST_ODDS
from elenco.curation.people import Labels, People
from elenco.curation.two_covariance import Points, TwoCovariance

MOST_TWINS = 100  # pairs, the most similar first
_HALVES = 0.05  # of people whose two halves are less similar than what is asked for
_LEAST_HALF = 2  # photographs


@dataclass(frozen=True)
class Twins:
    """Two people who may be one, by label, and the log of how much likelier they are one."""

    one: int
    other: int
    log_ratio: float


def find_twins(
    model: TwoCovariance, points: Points, labels: Labels, right: Mask, people: int
) -> list[Twins]:
    """Pairs of people who may be one, the most similar first.

    Args:
        model: of the data set.
        points: (n, k) embeddings in its coordinates.
        labels: (n,) whose.
        right: (n,) which stand for their person.
        people: how many.

    Returns:
        None of them where nobody has photographs enough for two halves.
    """
    everybody = People.of(points, labels, right, people)
    known = np.flatnonzero(everybody.counts)
    pairs = len(known) * (len(known) - 1) / 2
    halves = _of_halves(model, points, labels, right, people)
    if not len(halves) or not pairs:
        return []
    asked = max(float(np.quantile(halves, _HALVES)), float(np.log(pairs)))
    sums, counts = everybody.sums[known], everybody.counts[known]
    found: list[Twins] = []
    for number in np.unique(counts).tolist():
        rows = np.flatnonzero(counts == number)
        step = max(1, MOST_ODDS // len(known))
        for start in range(0, len(rows), step):
            part = rows[start : start + step]
            means = sums[part] / np.float32(number)
            ratios = model.log_ratios(means, sums, counts, number)
            ratios[part[:, None] >= np.arange(len(known))] = -np.inf
            for one, other in np.argwhere(ratios >= asked).tolist():
                pair = int(known[part[one]]), int(known[other])
                found.append(Twins(*pair, float(ratios[one, other])))
    found.sort(key=lambda twins: (-twins.log_ratio, twins.one, twins.other))
    return found[:MOST_TWINS]


def _of_halves(
    model: TwoCovariance,
    points: Points,
    labels: Labels,
    right: Bool[np.ndarray, " n"],
    people: int,
) -> Float32[np.ndarray, " h"]:
    """The log ratios of the two halves of everybody who has photographs enough."""
    rows = np.flatnonzero(right)
    rows = rows[np.argsort(labels[rows], kind="stable")]
    starts = np.searchsorted(labels[rows], labels[rows])
    second = np.zeros(len(labels), bool)
    second[rows[(np.arange(len(rows)) - starts) % 2 == 1]] = True
    one = People.of(points, labels, right & ~second, people)
    other = People.of(points, labels, second, people)
    ratios = []
    several = other.counts >= _LEAST_HALF
    for number in np.unique(one.counts[several]).tolist():
        own = np.flatnonzero(several & (one.counts == number))
        means = one.sums[own] / np.float32(number)
        ratios.append(model.log_ratio(means, other.sums[own], other.counts[own], number))
    return np.concatenate(ratios) if ratios else np.zeros(0, np.float32)
