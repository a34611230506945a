"""One round of comparing: every photograph with its person's others and with everybody else."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32

from elenco.curation.agreement import MOST_COMPARED, Mask, Rows, majority
from elenco.curation.calibration import Calibration
from elenco.curation.people import Counts, Labels, People
from elenco.curation.two_covariance import ROWS, Points, TwoCovariance, Vectors

Values = Float32[np.ndarray, " n"]

MOST_ODDS = 1 << 23  # photographs times people at a time: bounds what is in memory
NOBODY = -1
# Of two photographs that disagree, one at least is wrong.
_WRONG_UNDECIDED = 0.5
# Of wrong photographs, the share that shows somebody else of the data set.
_OF_OTHERS = 0.5
# Natural log-odds of its own person above which a photograph is not compared with others: those of
# twins, and of one person under two ids, fit both.
_FITS = 5.0
_MOST_WITNESSES = 3  # that a bad photograph is believed to differ from independently


@dataclass(frozen=True)
class Photographs:
    """What is compared; a row a photograph.

    Attributes:
        vectors: (n, d) f32, unit length.
        labels: (n,) whose: 0..c-1.
        quality: (n,) 0..1: about how likely it is to match another photograph of the person.
        usable: (n,) the others stand for nobody and are not right.
        trusted: (n,) an operator says that it is of the person.
        shared: (n,) it is somebody else's photograph too: evidence for neither.
    """

    vectors: Vectors
    labels: Labels
    quality: Values
    usable: Mask
    trusted: Mask
    shared: Mask


@dataclass(frozen=True)
class Judged:
    """What comparing found.

    Attributes:
        wrong: (n,) the probability of showing somebody else.
        fits: (n,) natural log-odds of being of the person, by the person's other photographs; 0
            where there are none to compare with.
        compared: (n,) how many others those are.
        other: (n,) the person whom it fits best beside its own; -1 if it fits nobody better than
            a stranger would.
        right: (n,) usable and not found to be wrong.
        undecided: (c,) as many photographs disagree as agree: only others can say who is wrong.
        model: what it was measured with; None where nothing could be compared.
        calibration: of its scores.
    """

    wrong: Values
    fits: Values
    compared: Counts
    other: Labels
    right: Mask
    undecided: Bool[np.ndarray, " c"]
    model: TwoCovariance | None = None
    calibration: Calibration | None = None


@dataclass(frozen=True)
class Comparison:
    """Everybody against what is believed to be right.

    Attributes:
        photographs: what is compared.
        points: (n, k) their vectors in the model's coordinates.
        model: of the data set.
        calibration: of the model's scores.
    """

    photographs: Photographs
    points: Points
    model: TwoCovariance
    calibration: Calibration

    def judge(self, groups: list[Rows], candidates: Mask, share: float, certainty: float) -> Judged:
        """Compare all once.

        Args:
            groups: of each person, the rows that may be evidence.
            candidates: which of them may stand for their person.
            share: the probability that a photograph is wrong, before it is looked at.
            certainty: the probability from which it is.
        """
        given, labels = self.photographs, self.photographs.labels
        counted, undecided = self._agreeing(groups, candidates)
        countable = given.usable & ~given.shared & ~undecided[labels]
        people = People.of(self.points, labels, counted, len(groups))
        for _ in range(2):  # whoever fits those who agree is one of them
            fits, counts = self._fits(people, counted)
            counted = np.where(counts > 0, countable & (fits > 0), counted)
            counted |= countable & given.trusted
            people = People.of(self.points, labels, counted, len(groups))
        fits, counts = self._fits(people, counted)
        believed = _with_quality(fits, counts, given.quality)
        against, other = self._others(believed, people)
        prior = np.where(undecided, _WRONG_UNDECIDED, share)[labels]
        odds = np.log(prior / (1 - prior)) + against - believed
        wrong = np.where(believed < _FITS, 0.5 * (1 + np.tanh(0.5 * odds)), 0).astype(np.float32)
        right = given.usable & ((wrong < certainty) | given.trusted)
        return Judged(wrong, fits, counts, other, right, undecided, self.model, self.calibration)

    def _agreeing(
        self, groups: list[Rows], candidates: Mask
    ) -> tuple[Mask, Bool[np.ndarray, " c"]]:
        """Which photographs agree, and the people of whom it can't be said."""
        counted = np.zeros(len(candidates), bool)
        undecided = np.zeros(len(groups), bool)
        for person, rows in enumerate(groups):
            among = rows[candidates[rows]]
            if 1 < len(among) <= MOST_COMPARED:
                own, ones = self.points[among], np.ones(len(among), np.int64)
                alike = self.calibration.log_odds(self.model.log_ratios(own, own, ones), ones)
                chosen, decided = majority(alike, self.photographs.trusted[among])
                counted[among] = chosen & decided
                undecided[person] = not decided
            else:
                counted[among] = True
        return counted, undecided

    def _fits(self, people: People, counted: Mask) -> tuple[Values, Counts]:
        """How well each photograph fits its person's others, and how many those are."""
        labels = self.photographs.labels
        fits = np.empty(len(labels), np.float32)
        for start in range(0, len(labels), ROWS):
            rows = np.arange(start, min(start + ROWS, len(labels)))
            sums, number = people.without(rows, self.points, labels, counted)
            ratio = self.model.log_ratio(self.points[rows], sums, number)
            fits[rows] = self.calibration.log_odds(ratio, number)
        return fits, people.counts[labels] - counted

    def _others(self, believed: Values, people: People) -> tuple[Values, Labels]:
        """The evidence that a photograph is not its person's, and whose it may be.

        Returns:
            Log of how much likelier a wrong photograph looks like this than a stranger's would,
            and whom it looks like; for those that fit their own person there is no evidence.
        """
        labels = self.photographs.labels
        strangers = np.log(1 - _OF_OTHERS)
        against = np.full(len(labels), strangers, np.float32)
        other = np.full(len(labels), NOBODY, np.int64)
        known = np.flatnonzero(people.counts)
        sums, counts = people.sums[known], people.counts[known]
        doubtful = np.flatnonzero(believed < _FITS) if len(known) else known
        step = max(1, MOST_ODDS // max(1, len(known)))
        for start in range(0, len(doubtful), step):
            rows = doubtful[start : start + step]
            odds = self.model.log_ratios(self.points[rows], sums, counts)
            odds = self.calibration.log_odds(odds, counts)
            odds[labels[rows][:, None] == known] = -np.inf
            best = odds.max(axis=1)
            there = np.isfinite(best)  # anybody else
            peak = np.where(there, best, 0)[:, None]
            mean = np.exp(odds - peak).mean(axis=1)
            of_others = np.log(_OF_OTHERS * np.maximum(mean, 1e-30)) + peak[:, 0]
            against[rows] = np.where(there, np.logaddexp(strangers, of_others), strangers)
            likely = there & (of_others > strangers)
            other[rows[likely]] = known[odds[likely].argmax(axis=1)]
        return against, other


def _with_quality(fits: Values, counts: Counts, quality: Values) -> Values:
    """Log-odds that a photograph of low quality can only lower so far.

    `quality` is about the probability of matching one other photograph of the person: a right
    photograph fails to with one less that, and then looks like anybody's.
    """
    witnesses = np.minimum(counts, _MOST_WITNESSES)
    matches = 1 - (1 - np.clip(quality, 0, 0.999).astype(np.float64)) ** witnesses
    odds = np.exp(np.minimum(fits, 50).astype(np.float64))
    return np.where(counts > 0, np.log(matches * odds + 1 - matches), 0).astype(np.float32)
