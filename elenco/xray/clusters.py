"""Which tracks of a film are of the same person, whoever that is."""

import numpy as np
from jaxtyping import Float32, Float64, Int64
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform

MOST = 6000  # tracks that are compared with all others: 150 MB
OVERLAP = 0.05  # seconds that two tracks share if they are on screen together
_NEVER = 1e6  # a distance

Vectors = Float32[np.ndarray, "n d"]


def cluster(
    vectors: Vectors,
    weights: Float32[np.ndarray, " n"],
    spans: Float64[np.ndarray, "n 2"],
    alike: float,
) -> Int64[np.ndarray, " n"]:
    """Group tracks by average linkage; no two of a group are on screen together.

    Of more than MOST tracks, those of the least weight join the group that they are nearest to, or
    stay alone.

    Args:
        vectors: unit length, as the gallery compares them.
        weights: how much each says.
        spans: seconds of start and end.
        alike: mean cosine of two groups from which on they are one.

    Returns:
        The group of each, numbered from 0 in the order of their first tracks.
    """
    if not len(vectors):
        return np.zeros(0, np.int64)
    order = np.argsort(-weights, kind="stable")
    core = np.sort(order[:MOST])
    groups = np.full(len(vectors), -1, np.int64)
    groups[core] = _linked(vectors[core], spans[core], alike)
    if len(core) < len(vectors):
        _add(order[MOST:], groups, vectors, spans, alike)
    _, first, numbered = np.unique(groups, return_index=True, return_inverse=True)
    rank = np.argsort(np.argsort(first))
    return rank[numbered].astype(np.int64)


def together(spans: Float64[np.ndarray, "n 2"]) -> list[tuple[int, int]]:
    """Pairs of tracks that are on screen together, the lower index first."""
    order = np.argsort(spans[:, 0], kind="stable").tolist()
    found: list[tuple[int, int]] = []
    going: list[int] = []
    for one in order:
        going = [other for other in going if spans[other, 1] - spans[one, 0] > OVERLAP]
        found += [
            (min(one, other), max(one, other))
            for other in going
            if min(spans[one, 1], spans[other, 1]) - spans[one, 0] > OVERLAP
        ]
        going.append(one)
    return sorted(found)


def _linked(
    vectors: Vectors, spans: Float64[np.ndarray, "n 2"], alike: float
) -> Int64[np.ndarray, " n"]:
    if len(vectors) == 1:
        return np.zeros(1, np.int64)
    distances = 1 - (vectors @ vectors.T).astype(np.float64)
    distances = np.clip((distances + distances.T) / 2, 0, 2)
    for one, other in together(spans):
        distances[one, other] = distances[other, one] = _NEVER
    np.fill_diagonal(distances, 0)
    tree = linkage(squareform(distances, checks=False), "average")
    return fcluster(tree, 1 - alike, "distance").astype(np.int64)


def _add(
    rest: Int64[np.ndarray, " m"],
    groups: Int64[np.ndarray, " n"],
    vectors: Vectors,
    spans: Float64[np.ndarray, "n 2"],
    alike: float,
) -> None:
    """Put the others where their mean cosine is highest."""
    beside: dict[int, set[int]] = {}
    for one, other in together(spans):
        beside.setdefault(one, set()).add(other)
        beside.setdefault(other, set()).add(one)
    count = int(groups.max()) + 1
    sums = np.zeros((count + len(rest), vectors.shape[1]), np.float32)
    sizes = np.zeros(count + len(rest))
    placed = groups >= 0
    np.add.at(sums, groups[placed], vectors[placed])
    np.add.at(sizes, groups[placed], 1)
    for one in rest.tolist():
        cosines = sums @ vectors[one] / np.maximum(sizes, 1)
        cosines[[int(groups[other]) for other in beside.get(one, ()) if groups[other] >= 0]] = -2
        best = int(cosines.argmax())
        if cosines[best] < alike:
            best, count = count, count + 1
        groups[one] = best
        sums[best] += vectors[one]
        sizes[best] += 1
