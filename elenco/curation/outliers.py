"""Which photographs show somebody else: those that fit their person's others badly.

A photograph is compared with the others that agree, itself left out, and with everybody else.
Both are log-odds of the two-covariance model, calibrated on the data set itself. What is found
leaves the sums of its person, and all is compared again until nothing changes.
"""

import numpy as np

from elenco.curation.agreement import Mask, first_guess, tells_apart
from elenco.curation.comparison import NOBODY, Comparison, Judged, Photographs
from elenco.curation.trials import calibrate_on
from elenco.curation.two_covariance import fit

ROUNDS = 6
# The share of wrong photographs before anything is known; then it is what was found.
WRONG = 0.05
LEAST_WRONG, MOST_WRONG = 0.005, 0.4
_WEIGHT = 20  # photographs that the first share counts for


def judge(photographs: Photographs, people: int, certainty: float) -> Judged:
    """Compare every photograph with its person's others and with everybody else.

    Args:
        photographs: of all.
        people: how many; some may have no photograph.
        certainty: the probability of showing somebody else from which a photograph is wrong.

    Returns:
        What was found; nobody is wrong where nothing can be compared: nobody has two photographs,
        there is one person, or the embeddings don't tell these people apart.
    """
    countable, labels = photographs.usable & ~photographs.shared, photographs.labels
    rows = np.flatnonzero(countable)
    ends = np.cumsum(np.bincount(labels[rows], minlength=people))[:-1]
    groups = np.split(rows[np.argsort(labels[rows], kind="stable")], ends)
    judged = _nothing_known(photographs, people)
    if not tells_apart(photographs.vectors, labels, countable, people):
        return judged
    right = first_guess(photographs.vectors, groups, countable)
    right |= countable & photographs.trusted
    candidates, share = countable, WRONG
    for _ in range(ROUNDS):
        model = fit(photographs.vectors, labels, right)
        if model is None:
            break
        points = model.project(photographs.vectors)
        calibration = calibrate_on(model, points, labels, right, people)
        comparison = Comparison(photographs, points, model, calibration)
        judged = comparison.judge(groups, candidates, share, certainty)
        share = _share(judged, countable & ~judged.undecided[labels])
        candidates = judged.right & countable
        # Where nobody can say who is wrong nothing is learned.
        found = candidates & ~judged.undecided[labels]
        if (found == right).all():
            break
        right = found
    return judged


def _nothing_known(photographs: Photographs, people: int) -> Judged:
    rows = len(photographs.labels)
    nothing, nobody = np.zeros(rows, np.float32), np.full(rows, NOBODY, np.int64)
    compared = np.zeros(rows, np.int64)
    undecided = np.zeros(people, bool)
    return Judged(nothing, nothing, compared, nobody, photographs.usable, undecided)


def _share(judged: Judged, counted: Mask) -> float:
    """The share of wrong photographs, so far as others of the person could say."""
    compared = counted & (judged.compared > 0)
    expected = float(judged.wrong[compared].sum(dtype=np.float64)) + _WEIGHT * WRONG
    return float(np.clip(expected / (int(compared.sum()) + _WEIGHT), LEAST_WRONG, MOST_WRONG))
