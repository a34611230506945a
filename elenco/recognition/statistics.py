"""What the embeddings of a data set look like, in numbers by which two days can be compared.

All of it is exact, over every pair of photographs: means and standard deviations of cosines follow
from sums of vectors and of their products, without a matrix of all pairs.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from jaxtyping import Float32, Float64, Int64, UInt64

Arrays = Mapping[str, np.ndarray]
Vectors = Float32[np.ndarray, "n d"]

STATISTICS_SCHEMA = 1
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
# Columns of the npz, and what is taken of each value.
MEASURED = ("norms", "quality", "sizes", "sharpness", "yaws")
ROWS_AT_ONCE = 8192  # bounds memory: rows in double precision
NUMBERS_AT_ONCE = 1 << 22
DIGITS = 6


def photograph_ids(arrays: Arrays) -> list[str]:
    """`person_id/key` of every row of a joined npz."""
    pairs = zip(arrays["person_ids"].tolist(), arrays["keys"].tolist(), strict=True)
    return [f"{person}/{key}" for person, key in pairs]


def data_statistics(
    splits: Mapping[str, Arrays], quarantined: Mapping[str, str], unusable_below: float
) -> dict[str, Any]:
    """Describe a data set as JSON.

    Args:
        splits: `train` and `test` -> the arrays that `elenco.embedding.stage.join_shards` writes.
        quarantined: `person_id/key` -> reason, of the photographs that were left out.
        unusable_below: quality under which a face counts as unusable, 0..1.

    Returns:
        `people` and `photographs` by split, what was quarantined by split and by reason, the share
        of all photographs that is unusable; and of the photographs that were not quarantined, both
        splits together: quantiles of each of MEASURED (of yaws without their sign), mean and
        standard deviation of the cosine within and between people, and the mean vector. Numbers
        have DIGITS decimals; None where there is nothing to measure.
    """
    kept = {
        split: np.array([i not in quarantined for i in photograph_ids(arrays)], bool)
        for split, arrays in splits.items()
    }

    def rows(name: str) -> np.ndarray:
        return np.concatenate([arrays[name][kept[split]] for split, arrays in splits.items()])

    reasons = Counter(
        quarantined[i]
        for arrays in splits.values()
        for i in photograph_ids(arrays)
        if i in quarantined
    )
    quality = np.concatenate([arrays["quality"] for arrays in splits.values()])
    unusable = int((quality < unusable_below).sum())
    measured = {name: np.abs(rows(name)) if name == "yaws" else rows(name) for name in MEASURED}
    _, labels = np.unique(rows("person_ids"), return_inverse=True)
    vectors = rows("vectors")
    return {
        "schema": STATISTICS_SCHEMA,
        "people": {s: len(np.unique(a["person_ids"][kept[s]])) for s, a in splits.items()},
        "photographs": {split: int(rows.sum()) for split, rows in kept.items()},
        "quarantined": {
            **{split: int((~rows).sum()) for split, rows in kept.items()},
            "reasons": dict(sorted(reasons.items())),
        },
        "unusable": {
            "below": unusable_below,
            "photographs": unusable,
            "share": round(unusable / len(quality), DIGITS) if len(quality) else None,
        },
        "quantiles": list(QUANTILES),
        **{name: _quantiles(values) for name, values in measured.items()},
        **cosine_moments(vectors, labels.astype(np.int64)),
        "mean": _mean(vectors),
    }


def cosine_moments(vectors: Vectors, labels: Int64[np.ndarray, " n"]) -> dict[str, Any]:
    """Mean and standard deviation of the cosine over all pairs of photographs.

    Args:
        vectors: unit length.
        labels: whose each is.

    Returns:
        `within` (pairs of one person) and `between` (of two), each with `pairs`, `mean` and `sd`;
        the latter two None where there is no pair.
    """
    order = np.argsort(labels, kind="stable")
    _, starts, counts = np.unique(labels[order], return_index=True, return_counts=True)
    within = np.zeros(3)
    for count in np.unique(counts[counts > 1]).tolist():
        first = starts[counts == count]
        size = max(1, NUMBERS_AT_ONCE // (count * vectors.shape[1]))
        for part in (first[i : i + size] for i in range(0, len(first), size)):
            one = vectors[order[part[:, None] + np.arange(count)]].astype(np.float64)
            within += _off_diagonal(one @ one.transpose(0, 2, 1))
    everything = _all_pairs(vectors)
    return {"within": _moments(within), "between": _moments(everything - within)}


def photograph_digests(arrays: Arrays, quarantined: Iterable[str]) -> dict[str, np.ndarray]:
    """Name a split's photographs without saying whose they are.

    Returns:
        `photographs` u64 (n,), sorted, a digest of each `person_id/key` that is not quarantined;
        `people` u64 (n,), that of the person id.
    """
    left_out = frozenset(quarantined)
    pairs = [
        (stable_digest(name), stable_digest(person))
        for name, person in zip(photograph_ids(arrays), arrays["person_ids"].tolist(), strict=True)
        if name not in left_out
    ]
    table = np.array(sorted(pairs), np.uint64).reshape(-1, 2)
    return {"photographs": table[:, 0].copy(), "people": table[:, 1].copy()}


def stable_digest(text: str) -> int:
    """The first 64 bits of a text's sha256."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8])


def in_common(a: UInt64[np.ndarray, " n"], b: UInt64[np.ndarray, " m"]) -> int:
    """How many digests are in both."""
    return len(np.intersect1d(a, b))


def _off_diagonal(products: Float64[np.ndarray, "p k k"]) -> Float64[np.ndarray, " 3"]:
    """Count, sum and sum of squares over unordered pairs."""
    people, count, _ = products.shape
    own = np.diagonal(products, axis1=1, axis2=2)
    total = (products.sum() - own.sum()) / 2
    squares = (np.square(products).sum() - np.square(own).sum()) / 2
    return np.array([people * count * (count - 1) / 2, total, squares])


def _all_pairs(vectors: Vectors) -> Float64[np.ndarray, " 3"]:
    """The same over all pairs of rows: |Σx|² and ||ΣxxT||² hold all products and their squares."""
    n, dim = vectors.shape
    total, outer, own = np.zeros(dim), np.zeros((dim, dim)), np.zeros(2)
    for start in range(0, n, ROWS_AT_ONCE):
        part = vectors[start : start + ROWS_AT_ONCE].astype(np.float64)
        lengths = np.square(part).sum(axis=1)
        total += part.sum(axis=0)
        outer += part.T @ part
        own += [lengths.sum(), np.square(lengths).sum()]
    sums = (np.square(total).sum() - own[0]) / 2, (np.square(outer).sum() - own[1]) / 2
    return np.array([n * (n - 1) / 2, *sums])


def _moments(sums: Float64[np.ndarray, " 3"]) -> dict[str, Any]:
    pairs = round(float(sums[0]))
    if not pairs:
        return {"pairs": 0, "mean": None, "sd": None}
    mean = float(sums[1]) / pairs
    variance = max(0.0, float(sums[2]) / pairs - mean**2)
    return {"pairs": pairs, "mean": round(mean, DIGITS), "sd": round(variance**0.5, DIGITS)}


def _quantiles(values: np.ndarray) -> list[float] | None:
    if not len(values):
        return None
    return [round(float(v), DIGITS) for v in np.quantile(values.astype(np.float64), QUANTILES)]


def _mean(vectors: Vectors) -> list[float] | None:
    if not len(vectors):
        return None
    return [round(float(v), DIGITS) for v in vectors.mean(axis=0, dtype=np.float64)]
