"""Who is named rightly, who is not, and which strangers are called unknown.

Closed set: everyone asked about is in the gallery (top-1, top-5). Open set: strangers are asked
about too (ISO/IEC 19795-1).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int64

from elenco.evaluation.bootstrap import Estimate, People, Resampling, StrangerPeople
from elenco.evaluation.rates import AtRate, Side, found_at
from elenco.recognition.search import Search

FPIRS = (0.1, 0.01, 0.001)
CURVE_POINTS = 33  # of the DIR/FPIR curve
MOST_STRANGERS = 0.5  # FPIR at which the curve ends

Truth = Int64[np.ndarray, " n"]
Outcomes = Bool[np.ndarray, "n 4"]


@dataclass(frozen=True)
class Curve:
    """DIR over FPIR, with the ends of its 95 % interval."""

    fpir: list[float]
    dir: list[float]
    low: list[float]
    high: list[float]


@dataclass(frozen=True)
class OpenSet:
    """Figures of known faces and strangers.

    Attributes:
        photographs: of people in the gallery.
        people: how many they show.
        stranger_photographs: of people who are not in it.
        stranger_people: how many they show.
        top1: the best candidate is the right one, whatever the threshold.
        top5: the right one is among the best five.
        dir_at_fpir: at `FPIRS`.
        threshold: of the recogniser; the figures below are at it.
        named_right: share of known faces, and
        called_unknown: share of known faces, and
        named_wrong: share of known faces: the three add up to 1.
        strangers_called_unknown: share of strangers.
        strangers_called_unknown_by_person: the same, all strangers counting the same however many
            photographs there are of them: what the threshold was set for.
        curve: None where nobody is known or nobody is a stranger, or it was not asked for.
    """

    photographs: int
    people: int
    stranger_photographs: int
    stranger_people: int
    top1: Estimate
    top5: Estimate
    dir_at_fpir: list[AtRate]
    threshold: float
    named_right: Estimate
    called_unknown: Estimate
    named_wrong: Estimate
    strangers_called_unknown: Estimate
    strangers_called_unknown_by_person: Estimate
    curve: Curve | None


def open_set(
    known: Search,
    truth: Truth,
    people: People,
    strangers: Search,
    stranger_people: StrangerPeople,
    threshold: float,
    resampling: Resampling,
    curve: bool = False,
) -> OpenSet:
    """Measure answers.

    Args:
        known: faces of people in the gallery.
        truth: (n,) which of the gallery's people each shows.
        people: (n,) the same people, as numbers of `resampling`.
        strangers: faces of people who are not in the gallery they were searched in.
        stranger_people: (m,) whom they show, as numbers of `resampling`.
        threshold: a best score under it is unknown.
        resampling: of all people.
        curve: whether to make one.
    """
    top5 = (known.candidates == truth[:, None]).any(axis=1)
    found = outcomes(known, truth, threshold)
    top1, right, unknown, wrong = resampling.shares(found, people)
    strange = is_unknown(strangers, threshold)
    ours, theirs = side(known, truth, people), side(strangers, None, stranger_people)
    return OpenSet(
        photographs=len(known),
        people=ours.people,
        stranger_photographs=len(strangers),
        stranger_people=theirs.people,
        top1=top1,
        top5=resampling.share(top5, people),
        dir_at_fpir=found_at(ours, theirs, FPIRS, resampling),
        threshold=threshold,
        named_right=right,
        called_unknown=unknown,
        named_wrong=wrong,
        strangers_called_unknown=resampling.share(strange, stranger_people),
        strangers_called_unknown_by_person=resampling.share_of_people(strange, stranger_people),
        curve=_curve(ours, theirs, resampling) if curve else None,
    )


def outcomes(search: Search, truth: Truth, threshold: float) -> Outcomes:
    """Of each known face: best candidate right; named right, called unknown, named wrong."""
    best, unknown = search.candidates[:, 0] == truth, is_unknown(search, threshold)
    return np.column_stack([best, best & ~unknown, unknown, ~best & ~unknown])


def is_unknown(search: Search, threshold: float) -> Bool[np.ndarray, " n"]:
    """Which faces are called unknown."""
    return search.scores[:, 0] < np.float32(threshold)


def side(search: Search, truth: Truth | None, people: People) -> Side:
    """Faces as `found_at` takes them; strangers have no truth."""
    right = np.zeros(len(search), bool) if truth is None else search.candidates[:, 0] == truth
    who = len(np.unique(people))
    return Side(search.scores[:, 0], right, lambda weights: weights[:, people], who)


def _curve(known: Side, strangers: Side, resampling: Resampling) -> Curve | None:
    rates = curve_rates(len(strangers.scores))
    points = found_at(known, strangers, rates, resampling)
    curve = Curve([], [], [], [])
    for point in points:
        found = point.found
        if found.value is not None and found.low is not None and found.high is not None:
            curve.fpir.append(point.rate)
            curve.dir.append(found.value)
            curve.low.append(found.low)
            curve.high.append(found.high)
    return curve if curve.fpir else None


def curve_rates(strangers: int) -> Sequence[float]:
    """FPIRs evenly apart on a logarithmic axis, from the finest that there are strangers for."""
    if strangers * MOST_STRANGERS < 1:
        return []
    rates = np.geomspace(1 / strangers, MOST_STRANGERS, CURVE_POINTS)
    return sorted({float(f"{rate:.3g}") for rate in rates if rate * strangers >= 1})
