"""Nobody is twice on screen at a time: who keeps a name that several tracks want."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float64
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import coo_array

from elenco.errors import ElencoError
from elenco.xray.clusters import OVERLAP, together


def assign(
    wishes: Sequence[Mapping[int, float]], spans: Float64[np.ndarray, "n 2"]
) -> list[int | None]:
    """Give each track the person that it wants, at most one track a person at any moment.

    Of all ways to do so, the one of the greatest sum of log-odds: the most probable one, if tracks
    are independent. Tracks that nobody contends with get their best wish; the others are given
    theirs by an integer programme over the moments at which they are together.

    Args:
        wishes: for each track the people that it may be of, with the logarithm of the odds against
            being unknown, over 0.
        spans: seconds of start and end.

    Returns:
        The person of each track, or None: it wants nobody, or others have a better claim.
    """
    best = [max(w, key=lambda p: (w[p], -p)) if w else None for w in wishes]
    pairs = [(a, b) for a, b in together(spans) if wishes[a].keys() & wishes[b].keys()]
    given: list[int | None] = list(best)
    for members in _components(len(wishes), pairs):
        contended = any(
            best[a] is not None and best[a] == best[b] for a, b in pairs if a in members
        )
        if contended:
            ordered = sorted(members)
            solved = _solve([wishes[m] for m in ordered], spans[ordered])
            for member, person in zip(ordered, solved, strict=True):
                given[member] = person
    return given


def _components(count: int, pairs: Sequence[tuple[int, int]]) -> list[set[int]]:
    """Sets of tracks that are connected by pairs; without those that are in none."""
    parent = list(range(count))

    def root(one: int) -> int:
        while parent[one] != one:
            parent[one] = parent[parent[one]]
            one = parent[one]
        return one

    for a, b in pairs:
        parent[max(root(a), root(b))] = min(root(a), root(b))
    members: dict[int, set[int]] = {}
    for one in sorted({track for pair in pairs for track in pair}):
        members.setdefault(root(one), set()).add(one)
    return list(members.values())


def _solve(
    wishes: Sequence[Mapping[int, float]], spans: Float64[np.ndarray, "n 2"]
) -> list[int | None]:
    """As `assign`, for tracks that are connected."""
    choices = [(track, person) for track, own in enumerate(wishes) for person in sorted(own)]
    gains = np.array([wishes[track][person] for track, person in choices])
    # One row a track, then one a person and moment at which tracks begin.
    rows: list[list[int]] = [
        [i for i, (track, _) in enumerate(choices) if track == one] for one in range(len(wishes))
    ]
    for person in sorted({person for _, person in choices}):
        wanting = [i for i, (_, wanted) in enumerate(choices) if wanted == person]
        for moment in sorted({float(spans[choices[i][0], 0]) for i in wanting}):
            at = moment + OVERLAP
            there = [i for i in wanting if spans[choices[i][0], 0] < at < spans[choices[i][0], 1]]
            if len(there) > 1:
                rows.append(there)
    places = [(row, i) for row, members in enumerate(rows) for i in members]
    matrix = coo_array(
        (np.ones(len(places)), tuple(np.array(places).T)), shape=(len(rows), len(choices))
    )
    # The first of equal ways: without this, it would be left to chance.
    tie = 1e-9 * np.arange(len(choices))
    solved = milp(
        -gains + tie,
        constraints=LinearConstraint(matrix.tocsr(), -np.inf, 1),
        integrality=np.ones(len(choices)),
        bounds=Bounds(0, 1),
    )
    if solved.x is None:
        raise ElencoError(f"names could not be given to {len(wishes)} tracks: {solved.message}")
    given: list[int | None] = [None] * len(wishes)
    for chosen, (track, person) in zip(solved.x, choices, strict=True):
        if chosen > 0.5:
            given[track] = person
    return given
