import numpy as np
import pytest

from elenco.recognition.statistics import (
    cosine_moments,
    data_statistics,
    photograph_digests,
    stable_digest,
)
from elenco.vectors import unit

COLUMNS = ("norms", "quality", "sizes", "sharpness", "yaws")


def arrays(counts: list[int], dim: int = 16, seed: int = 0) -> dict[str, np.ndarray]:
    """`counts[p]` photographs of person p, as a joined npz has them."""
    random = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(counts)), counts)
    centres = random.normal(size=(len(counts), dim))
    vectors = unit((centres[labels] + random.normal(size=(len(labels), dim))).astype(np.float32))
    values = {name: random.uniform(size=len(labels)).astype(np.float32) for name in COLUMNS}
    return {
        "vectors": vectors,
        "person_ids": np.array([f"p{label}" for label in labels], dtype=str),
        "keys": np.array([f"k{n}" for n in range(len(labels))], dtype=str),
        **values,
    }


def test_moments_are_those_of_all_pairs():
    data = arrays([1, 5, 3, 1, 8, 5, 2])
    vectors, ids = data["vectors"].astype(np.float64), data["person_ids"]
    shuffled = np.random.default_rng(1).permutation(len(ids))
    _, labels = np.unique(ids, return_inverse=True)
    upper = np.triu_indices(len(ids), 1)
    cosines = (vectors @ vectors.T)[upper]
    same = (labels[:, None] == labels)[upper]
    for order in (np.arange(len(ids)), shuffled):
        found = cosine_moments(data["vectors"][order], labels[order])
        for name, chosen in (("within", cosines[same]), ("between", cosines[~same])):
            assert found[name]["pairs"] == len(chosen)
            assert found[name]["mean"] == pytest.approx(chosen.mean(), abs=1e-5)
            assert found[name]["sd"] == pytest.approx(chosen.std(), abs=1e-5)


@pytest.mark.parametrize("counts", [[], [1], [3], [1, 1]])
def test_what_there_is_no_pair_of_is_not_measured(counts):
    train, test = arrays(counts), arrays([])
    found = data_statistics({"train": train, "test": test}, {}, 0.2)
    within = any(count > 1 for count in counts)
    assert (found["within"]["mean"] is not None) is within
    assert (found["between"]["mean"] is not None) is (len(counts) > 1)
    assert (found["quality"] is not None) is bool(counts)
    assert found["photographs"] == {"train": sum(counts), "test": 0}


def test_quarantined_photographs_are_counted_by_reason_and_left_out():
    train, test = arrays([3, 2]), arrays([2, 0], seed=1)
    reasons = {"p0/k0": "unusable", "p1/k3": "wrong_person", "p9/k9": "of another data set"}
    found = data_statistics({"train": train, "test": test}, reasons, 0.5)
    # k0 of person 0 is in both splits here.
    assert found["photographs"] == {"train": 3, "test": 1}
    assert found["people"] == {"train": 2, "test": 1}
    assert found["quarantined"] == {
        "train": 2,
        "test": 1,
        "reasons": {"unusable": 2, "wrong_person": 1},
    }
    every = np.concatenate([train["quality"], test["quality"]])
    assert found["unusable"] == {
        "below": 0.5,
        "photographs": int((every < 0.5).sum()),
        "share": pytest.approx((every < 0.5).mean(), abs=1e-6),
    }
    kept = np.concatenate([train["yaws"][[1, 2, 4]], test["yaws"][[1]]])
    assert found["yaws"][2] == pytest.approx(np.median(kept), abs=1e-6)


def test_turns_to_either_side_count_alike():
    one, other = arrays([4, 4]), arrays([4, 4])
    other["yaws"] = other["yaws"] * np.array([1, -1] * 4, np.float32)
    none = arrays([])
    found = [data_statistics({"train": a, "test": none}, {}, 0.2)["yaws"] for a in (one, other)]
    assert found[0] == found[1]


def test_photographs_are_named_by_digests_in_an_order_of_their_own():
    data = arrays([2, 1])
    found = photograph_digests(data, {"p0/k1"})
    assert found["photographs"].dtype == found["people"].dtype == np.uint64
    assert found["photographs"].tolist() == sorted(map(stable_digest, ("p0/k0", "p1/k2")))
    whose = {stable_digest(f"{p}/{k}"): stable_digest(p) for p, k in (("p0", "k0"), ("p1", "k2"))}
    assert dict(zip(found["photographs"].tolist(), found["people"].tolist(), strict=True)) == whose
    assert [array.shape for array in photograph_digests(arrays([]), ()).values()] == [(0,), (0,)]
