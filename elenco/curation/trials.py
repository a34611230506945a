"""Trials of the data set with itself, on which scores are calibrated."""

import numpy as np

from elenco.curation.agreement import STRIDE, Mask, Rows
from elenco.curation.calibration import Calibration, calibrate
from elenco.curation.people import Labels, People
from elenco.curation.two_covariance import Points, TwoCovariance

MOST_TRIALS = 1 << 14  # photographs that are tried


def calibrate_on(
    model: TwoCovariance, points: Points, labels: Labels, right: Mask, people: int
) -> Calibration:
    """Calibrate on photographs against their own person and against another.

    Each is compared with all that a person has and with a single one of theirs. Of many, some are.

    Args:
        model: estimated from the right ones: of two people at least, one with two photographs.
        points: in its coordinates.
        labels: whose.
        right: which are believed to show their person.
        people: how many.
    """
    everybody = People.of(points, labels, right, people)
    chosen = np.flatnonzero(right)
    order = chosen[np.argsort(labels[chosen], kind="stable")]
    first = np.full(people, -1)
    first[labels[order[::-1]]] = order[::-1]
    # The person's next photograph; after the last one comes the first.
    after = np.append(order[1:], order[:1])
    partner = np.full(len(labels), -1)
    partner[order] = np.where(labels[after] == labels[order], after, first[labels[order]])
    known = np.flatnonzero(everybody.counts)
    rows = _some(chosen)
    turns = 1 + np.arange(len(rows)) * STRIDE % (len(known) - 1)
    others = known[(np.searchsorted(known, labels[rows]) + turns) % len(known)]
    several = _some(chosen[everybody.counts[labels[chosen]] > 1])
    sums, counts = everybody.without(several, points, labels, right)
    ones = np.ones(len(chosen), np.int64)
    trials = (
        (several, sums, counts, True),
        (several, points[partner[several]], ones[: len(several)], True),
        (rows, everybody.sums[others], everybody.counts[others], False),
        (rows, points[first[others]], ones[: len(rows)], False),
    )
    return calibrate(
        np.concatenate([model.log_ratio(points[of], among, n) for of, among, n, _ in trials]),
        np.concatenate([n for _, _, n, _ in trials]),
        np.concatenate([np.full(len(of), same) for of, _, _, same in trials]),
    )


def _some(rows: Rows) -> Rows:
    """At most MOST_TRIALS of them, evenly."""
    return rows[:: max(1, -(-len(rows) // MOST_TRIALS))]
