"""Whether probabilities mean what they say: of the answers given at 90 %, nine in ten are right.

The answer to a face is a name or unknown; unknown is right for a stranger. Expected calibration
error as in Guo et al. 2017, "On Calibration of Modern Neural Networks" (arXiv:1706.04599): the
mean distance between confidence and share right over 15 bins, of equal width there; over bins of
equal mass too (Nguyen and O'Connor 2015), as most answers are given at almost 100 %.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int64

from elenco.evaluation.bootstrap import Estimate, People, Resampling, StrangerPeople
from elenco.evaluation.open_set import Truth, is_unknown
from elenco.recognition.search import Search

BINS = 15
# Confidences are whole multiples of this: their sums are exact in any order.
_STEP = 2.0**-20


@dataclass(frozen=True)
class Bin:
    """Answers of about one confidence.

    Attributes:
        low: least confidence that falls into the bin.
        high: the greatest.
        share: how many of all answers are in it; 0..1.
        confidence: their mean; None of none.
        right: share of them that are right; None of none.
    """

    low: float
    high: float
    share: float
    confidence: float | None
    right: float | None


@dataclass(frozen=True)
class Reliability:
    """The calibration of one set of answers.

    Attributes:
        ece: expected calibration error over bins of equal width; its interval is the basic one,
            as drawing anew adds errors of its own (Davison and Hinkley 1997, 5.2).
        ece_equal_mass: the same over bins of equal mass.
        bins: of equal width.
        confidence: mean of all answers; None of none.
        right: share of all answers that are right; None of none.
    """

    ece: Estimate
    ece_equal_mass: Estimate
    bins: list[Bin]
    confidence: float | None
    right: float | None


@dataclass(frozen=True)
class Calibration:
    """Calibration of the answers to those who are known, and to everybody.

    Attributes:
        known: faces of people in the gallery.
        all: these and strangers, who count as much together as the known do together: how many
            strangers there are to be is not known.
    """

    known: Reliability
    all: Reliability


@dataclass(frozen=True)
class _Said:
    confidence: Float64[np.ndarray, " n"]
    right: Bool[np.ndarray, " n"]
    people: People


def calibration(
    known: Search,
    truth: Truth,
    people: People,
    strangers: Search,
    stranger_people: StrangerPeople,
    threshold: float,
    resampling: Resampling,
) -> Calibration:
    """Compare confidences with what is right; arguments as of `open_set`."""
    ours = _said(known, truth, people, threshold)
    theirs = _said(strangers, np.full(len(strangers), -1), stranger_people, threshold)
    both = [ours, theirs] if len(known) and len(strangers) else [ours]
    return Calibration(_reliability([ours], resampling), _reliability(both, resampling))


def _said(search: Search, truth: Truth, people: People, threshold: float) -> _Said:
    unknown = is_unknown(search, threshold)
    confidence = np.where(unknown, search.unknown, search.probabilities[:, 0]).astype(np.float64)
    right = np.where(unknown, truth < 0, search.candidates[:, 0] == truth)
    return _Said(np.round(confidence / _STEP) * _STEP, right, people)


def _reliability(parts: list[_Said], resampling: Resampling) -> Reliability:
    """Of answers of one or more kinds; each kind counts as much as another."""
    confidence = np.concatenate([part.confidence for part in parts])
    share = np.concatenate([np.full(len(p.right), 1 / max(1, len(p.right))) for p in parts])
    edges = np.linspace(0, 1, BINS + 1)
    width = _binned(parts, edges, resampling)
    mass = _binned(parts, _mass_edges(confidence, share), resampling)
    bins, n = width.bins, len(confidence)
    return Reliability(
        width.ece,
        mass.ece,
        bins,
        sum(b.share * (b.confidence or 0) for b in bins) if n else None,
        sum(b.share * (b.right or 0) for b in bins) if n else None,
    )


def _mass_edges(
    confidence: Float64[np.ndarray, " n"], share: Float64[np.ndarray, " n"]
) -> Float64[np.ndarray, " b"]:
    """Edges between bins of about equal mass; equal confidences stay together."""
    if not len(confidence):
        return np.array([0.0, 1.0])
    order = np.argsort(confidence, kind="stable")
    before = np.cumsum(share[order]) - share[order] / 2
    places = np.searchsorted(before, np.arange(1, BINS) / BINS * share.sum())
    inner = confidence[order[np.minimum(places, len(order) - 1)]]
    return np.unique(np.concatenate([[0.0], inner, [1.0]]))


@dataclass(frozen=True)
class _Binned:
    ece: Estimate
    bins: list[Bin]


def _binned(
    parts: list[_Said], edges: Float64[np.ndarray, " e"], resampling: Resampling
) -> _Binned:
    k, people = len(edges) - 1, resampling.people
    sums = [_sums(part, edges, people) for part in parts]
    totals = _mixture([s.sum(axis=0)[None] for s in sums], k)[0]
    counted = len(np.unique(np.concatenate([part.people for part in parts])))
    n = sum(len(part.right) for part in parts)
    drawn = []
    for weights in resampling.weights():
        drawn.append(_error(_mixture([weights @ s for s in sums], k)))
    bins = []
    for j, (mass, confident, right) in enumerate(totals.T):
        means = (float(confident / mass), float(right / mass)) if mass else (None, None)
        bins.append(Bin(float(edges[j]), float(edges[j + 1]), float(mass), *means))
    value = float(_error(totals[None])[0]) if n else None
    return _Binned(_basic(value, np.concatenate(drawn), n, counted), bins)


def _sums(part: _Said, edges: Float64[np.ndarray, " e"], people: int) -> Float64[np.ndarray, "p c"]:
    """Of each person: how many answers are in each bin, their confidences, how many are right."""
    k = len(edges) - 1
    where: Int64[np.ndarray, " n"] = np.clip(np.searchsorted(edges, part.confidence, "right"), 1, k)
    cells = part.people * k + where - 1
    columns = (np.ones(len(cells)), part.confidence, part.right.astype(np.float64))
    return np.hstack([np.bincount(cells, c, people * k).reshape(people, k) for c in columns])


def _mixture(sums: list[Float64[np.ndarray, "r c"]], bins: int) -> Float64[np.ndarray, "r 3 b"]:
    """Sums of each kind as shares of its answers, and the mean over the kinds."""
    cells = np.stack(sums).reshape(len(sums), -1, 3, bins)
    with np.errstate(invalid="ignore"):  # a replicate may draw nobody of a few people
        return (cells / cells[:, :, :1].sum(axis=3, keepdims=True)).mean(axis=0)


def _error(cells: Float64[np.ndarray, "r 3 b"]) -> Float64[np.ndarray, " r"]:
    return np.abs(cells[:, 1] - cells[:, 2]).sum(axis=1)


def _basic(
    value: float | None, drawn: Float64[np.ndarray, " r"], photographs: int, people: int
) -> Estimate:
    drawn = drawn[np.isfinite(drawn)]
    if value is None or people < 2 or not len(drawn):
        return Estimate(value, None, None, photographs, people)
    low, high = (float(2 * value - end) for end in np.quantile(drawn, [0.975, 0.025]))
    return Estimate(value, max(0.0, low), max(0.0, high), photographs, people)
