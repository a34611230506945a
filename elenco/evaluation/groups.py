"""Figures by what a photograph is like: where a recogniser is weaker than on the whole."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Bool, Int64, Shaped

from elenco.evaluation.bootstrap import Estimate, People, Resampling, StrangerPeople
from elenco.evaluation.open_set import Outcomes

Values = Shaped[np.ndarray, " n"]
StrangerValues = Shaped[np.ndarray, " m"]

PHOTOGRAPHS = "photographs"  # a unit: values are counts
# Edges of groups; each has its lower edge and not its upper one.
GALLERY_PHOTOGRAPHS = (1, 2, 3, 6, 11, 21, np.inf)
SIZES = (0, 12, 16, 24, 32, 48, 96, np.inf)  # pixels between the eyes
QUALITIES = (0, 0.2, 0.4, 0.6, 0.8, 0.9, np.inf)
YAWS = (0, 10, 20, 30, 45, np.inf)  # degrees to either side


@dataclass(frozen=True)
class Group:
    """Photographs of one kind.

    Attributes:
        label: of the group.
        photographs: of known people.
        people: how many these show.
        top1: as in `OpenSet`, like the rest.
        named_right: share.
        called_unknown: share.
        named_wrong: share.
        strangers_called_unknown: of the strangers' photographs of this kind; None where the kind
            says nothing of strangers.
    """

    label: str
    photographs: int
    people: int
    top1: Estimate
    named_right: Estimate
    called_unknown: Estimate
    named_wrong: Estimate
    strangers_called_unknown: Estimate | None


@dataclass(frozen=True)
class Grouping:
    """All photographs by one measure.

    Attributes:
        by: what they are grouped by.
        unit: of the edges.
        groups: those that a photograph is in, in order.
        empty: how many groups no photograph of a known person is in.
    """

    by: str
    unit: str
    groups: list[Group]
    empty: int


def grouping(
    by: str,
    unit: str,
    edges: Sequence[float],
    known: tuple[Values, Outcomes, People],
    strangers: tuple[StrangerValues, Bool[np.ndarray, " m"], StrangerPeople] | None,
    resampling: Resampling,
) -> Grouping:
    """Figures of each group.

    Args:
        by: what is grouped by.
        unit: of the edges; may be empty.
        edges: of the groups.
        known: the measure, the outcomes and the people of known faces.
        strangers: the measure, who is called unknown, and the people of strangers; None where
            the measure is not theirs.
        resampling: of all people.
    """
    values, hits, people = known
    groups, places = [], _places(values, edges)
    theirs = None if strangers is None else _places(strangers[0], edges)
    for index, (low, high) in enumerate(pairwise(edges)):
        rows = places == index
        if not rows.any():
            continue
        unknown = None
        if strangers is not None and theirs is not None:
            unknown = resampling.share(strangers[1][theirs == index], strangers[2][theirs == index])
        top1, right, called, wrong = resampling.shares(hits[rows], people[rows])
        label = _label(low, high, unit == PHOTOGRAPHS)
        n, who = top1.photographs, top1.people
        groups.append(Group(label, n, who, top1, right, called, wrong, unknown))
    return Grouping(by, unit, groups, len(edges) - 1 - len(groups))


def _places(values: Values, edges: Sequence[float]) -> Int64[np.ndarray, " n"]:
    """The group of each value; under the first edge counts as the first."""
    return np.maximum(np.searchsorted(np.array(edges), values, side="right") - 1, 0)


def _label(low: float, high: float, counts: bool) -> str:
    if high == np.inf:
        return f"{low:g}+"
    if counts:
        return f"{low:g}" if high == low + 1 else f"{low:g}–{high - 1:g}"
    return f"{low:g}–{high:g}"
