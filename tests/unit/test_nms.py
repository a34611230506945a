"""Suppression for many groups at once against the plain rule, group by group."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elenco.faces import nms
from elenco.faces.nms import suppress


def plain(boxes, scores, groups, threshold, over):
    """The package mtcnn's rule: a box with a better one of its group over it goes."""
    order = np.lexsort((-scores, groups))
    stays = []
    for place, i in enumerate(order):
        better = [j for j in order[:place] if groups[j] == groups[i]]
        overlaps = [overlap(boxes[j], boxes[i], over) for j in better]
        if not any(value > threshold for value in overlaps):
            stays.append(i)
    return stays


def overlap(a, b, over):
    sides = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    shared = np.prod(np.maximum(sides, 0))
    areas = np.prod(a[2:] - a[:2]), np.prod(b[2:] - b[:2])
    return shared / (sum(areas) - shared if over == "union" else min(areas))


def some(rng, n, groups):
    corner = rng.uniform(0, 60, (n, 2))
    boxes = np.concatenate([corner, corner + rng.uniform(5, 40, (n, 2))], axis=1)
    return boxes, rng.permutation(n) / n, rng.integers(0, groups, n)


@given(
    st.integers(0, 10**6),
    st.integers(0, 120),
    st.integers(1, 30),
    st.sampled_from([0.3, 0.5, 0.7]),
    st.sampled_from(["union", "smaller"]),
)
def test_many_groups_at_once_are_as_one_by_one(seed, n, groups, threshold, over):
    boxes, scores, group = some(np.random.default_rng(seed), n, groups)
    found = suppress(boxes, scores, group, threshold, over)
    assert found.tolist() == plain(boxes, scores, group, threshold, over)


def test_large_groups_are_done_in_parts(monkeypatch):
    boxes, scores, group = some(np.random.default_rng(1), 300, 3)
    whole = suppress(boxes, scores, group, 0.5)
    monkeypatch.setattr(nms, "BLOCK", 16)
    assert suppress(boxes, scores, group, 0.5).tolist() == whole.tolist()
    assert whole.tolist() == plain(boxes, scores, group, 0.5, "union")


@pytest.mark.parametrize("method", ["union", "min"])
def test_it_is_the_rule_of_the_package(method):
    rules = pytest.importorskip("mtcnn.utils.bboxes")
    boxes, scores, group = some(np.random.default_rng(2), 200, 7)
    rows = np.concatenate([group[:, None], boxes, scores[:, None]], axis=1)
    expected = rules.smart_nms_from_bboxes(rows, threshold=0.5, method=method)
    found = suppress(boxes, scores, group, 0.5, "smaller" if method == "min" else "union")
    np.testing.assert_array_equal(rows[found], expected)
