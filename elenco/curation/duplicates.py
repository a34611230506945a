"""One photograph twice: saved again, made smaller, cut, brightened or mirrored.

Two photographs are one where both their embeddings and their perceptual hashes are near:

    (1 - cosine) / typical distance + differing bits / duplicate_bits <= 1

The typical distance is that of two photographs of one person in this very data set, so that it
holds for any embedder. `benchmarks/curation.py` measures what is found.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int64, UInt64

from elenco.curation.hashes import differing_bits
from elenco.progress import track
from elenco.vectors import unit

Rows = Int64[np.ndarray, " _"]
Pairs = Int64[np.ndarray, "p 2"]

BLOCK = 2048  # photographs compared with as many at a time
_FEW = 4096  # photographs that are all compared with one another
_CELLS = 2  # nearest landmarks whose photographs one is compared with


@dataclass(frozen=True)
class Pictures:
    """What is compared; a row a photograph.

    Attributes:
        vectors: (n, d) f32, unit length.
        labels: (n,) whose.
        phashes: (n,) as `elenco.curation.hashes.phash` makes them.
    """

    vectors: Float32[np.ndarray, "n d"]
    labels: Int64[np.ndarray, " n"]
    phashes: UInt64[np.ndarray, " n"]


@dataclass(frozen=True)
class Twice:
    """Pairs of rows that are one photograph.

    Attributes:
        pairs: (p, 2) each with the first row first.
        apart: (p,) 0..1: the left side of the rule.
    """

    pairs: Pairs
    apart: Float32[np.ndarray, " p"]


def typical_distance(pictures: Pictures, order: Rows) -> float | None:
    """1 - cosine of two photographs of one person, the median; None if nobody has two.

    Args:
        pictures: of all.
        order: rows to measure, those of a person together.
    """
    pairs = np.stack([order[:-1], order[1:]], axis=1)
    pairs = pairs[pictures.labels[pairs[:, 0]] == pictures.labels[pairs[:, 1]]]
    if not len(pairs):
        return None
    distances = [
        1 - (pictures.vectors[part[:, 0]] * pictures.vectors[part[:, 1]]).sum(axis=1)
        for part in np.array_split(pairs, -(-len(pairs) // BLOCK))
    ]
    return max(float(np.median(np.concatenate(distances))), 1e-6)


def within_people(pictures: Pictures, order: Rows, typical: float, bits: int) -> Twice:
    """What is one photograph, of one person's.

    Args:
        pictures: of all.
        order: rows to compare, those of a person together.
        typical: as `typical_distance` gives it.
        bits: at how many differing bits no two photographs are one.
    """
    starts = np.flatnonzero(np.diff(pictures.labels[order], prepend=-1))
    groups = np.split(order, starts[1:]) if len(order) else []
    return _found(pictures, groups, typical, bits, same_person=True)


def across_people(pictures: Pictures, rows: Rows, typical: float, bits: int) -> Twice:
    """What is one photograph, of two people's.

    Of many photographs, those are compared that have one of their two nearest landmarks in common,
    as an inverted file does (Sivic & Zisserman 2003, "Video Google"); landmarks are photographs.
    """
    groups = [rows] if len(rows) <= _FEW else _cells(pictures.vectors, rows)
    return _found(pictures, groups, typical, bits, same_person=False)


def leaders(twice: Twice, rank: Int64[np.ndarray, " n"]) -> dict[int, tuple[int, float]]:
    """Which rows go, each with the row that stays in its place, and how far apart they are.

    Nobody goes for one that goes too: a photograph stays unless it is one with a better one that
    stays.

    Args:
        twice: pairs.
        rank: of each row; the lower, the better.
    """
    better: dict[int, list[tuple[float, int]]] = {}
    for (one, other), apart in zip(twice.pairs.tolist(), twice.apart.tolist(), strict=True):
        worse, best = (one, other) if rank[one] > rank[other] else (other, one)
        better.setdefault(worse, []).append((apart, best))
    gone: dict[int, tuple[int, float]] = {}
    for row in sorted(better, key=lambda row: rank[row]):
        staying = [(apart, best) for apart, best in better[row] if best not in gone]
        if staying:
            apart, best = min(staying)
            gone[row] = best, apart
    return gone


def _found(
    pictures: Pictures, groups: list[Rows], typical: float, bits: int, same_person: bool
) -> Twice:
    parts: list[tuple[Pairs, Float32[np.ndarray, " p"]]] = []
    whose = "one person" if same_person else "two people"
    with track(f"duplicates of {whose}", len(groups)) as advance:
        for rows in groups:
            parts += _pairs(pictures, rows, typical, bits, same_person)
            advance(1)
    pairs = np.concatenate([np.zeros((0, 2), np.int64), *(pairs for pairs, _ in parts)])
    apart = np.concatenate([np.zeros(0, np.float32), *(apart for _, apart in parts)])
    pairs, first = np.unique(pairs, axis=0, return_index=True)
    return Twice(pairs, apart[first])


def _pairs(
    pictures: Pictures, rows: Rows, typical: float, bits: int, same_person: bool
) -> Iterator[tuple[Pairs, Float32[np.ndarray, " p"]]]:
    """Pairs among some rows, found a block at a time."""
    for top in range(0, len(rows), BLOCK):
        for left in range(top, len(rows), BLOCK):
            some, others = rows[top : top + BLOCK], rows[left : left + BLOCK]
            distance = 1 - pictures.vectors[some] @ pictures.vectors[others].T
            near = distance <= typical
            if top == left:
                near = np.triu(near, 1)
            one, other = np.nonzero(near)
            first, second = some[one], others[other]
            alike = (pictures.labels[first] == pictures.labels[second]) == same_person
            one, other, first, second = (v[alike] for v in (one, other, first, second))
            apart = distance[one, other] / typical
            apart += differing_bits(pictures.phashes[first], pictures.phashes[second]) / bits
            found = apart <= 1
            pairs = np.stack([first[found], second[found]], axis=1)
            yield np.sort(pairs, axis=1), np.maximum(apart[found], 0).astype(np.float32)


def _cells(vectors: Float32[np.ndarray, "n d"], rows: Rows) -> list[Rows]:
    """For each landmark, the rows that have it among their nearest."""
    number = 2 * int(len(rows) ** 0.5)
    landmarks = rows[np.linspace(0, len(rows) - 1, number).astype(np.int64)]
    mean = vectors[landmarks].mean(axis=0)
    directions = unit(vectors[landmarks] - mean)
    cells = np.empty((len(rows), _CELLS), np.int64)
    for start in range(0, len(rows), BLOCK):
        part = rows[start : start + BLOCK]
        cosines = unit(vectors[part] - mean) @ directions.T
        for place in range(_CELLS):  # faster than sorting
            nearest = cosines.argmax(axis=1)
            cells[start : start + BLOCK, place] = nearest
            cosines[np.arange(len(part)), nearest] = -np.inf
    order = np.argsort(cells.ravel(), kind="stable")
    ends = np.cumsum(np.bincount(cells.ravel(), minlength=number))[:-1]
    return np.split(rows[order // _CELLS], ends)
