import numpy as np
import pytest

from elenco.evaluation.bootstrap import Resampling
from elenco.evaluation.groups import GALLERY_PHOTOGRAPHS, PHOTOGRAPHS, YAWS, grouping

RESAMPLING = Resampling(np.repeat([0, 1], [20, 10]), 50, 0)


def outcomes(right):
    right = np.array(right, bool)
    return np.column_stack([right, right, ~right, np.zeros(len(right), bool)])


def test_photographs_fall_into_groups_and_groups_without_are_counted():
    counts = np.array([1, 1, 2, 3, 5, 30, 21])
    right = [1, 0, 1, 1, 0, 1, 1]
    known = counts, outcomes(right), np.arange(7)
    found = grouping("n", PHOTOGRAPHS, GALLERY_PHOTOGRAPHS, known, None, RESAMPLING)
    assert [(g.label, g.photographs, g.top1.value) for g in found.groups] == [
        ("1", 2, 0.5),
        ("2", 1, 1.0),
        ("3–5", 2, 0.5),
        ("21+", 2, 1.0),
    ]
    assert found.empty == 2
    assert all(g.strangers_called_unknown is None for g in found.groups)
    assert sum(g.photographs for g in found.groups) == 7


def test_strangers_are_grouped_by_the_same_measure():
    values, theirs = np.array([0.0, 9.9, 10.0, 44.0]), np.array([5.0, 12.0, 12.0, 80.0])
    unknown = np.array([True, True, False, True])
    found = grouping(
        "yaw",
        "degrees",
        YAWS,
        (values, outcomes([1, 1, 1, 1]), np.arange(4)),
        (theirs, unknown, np.arange(4) + 20),
        RESAMPLING,
    )
    shares = {g.label: g.strangers_called_unknown for g in found.groups}
    assert {label: (s.value, s.photographs) for label, s in shares.items()} == {
        "0–10": (1.0, 1),
        "10–20": (0.5, 2),
        "30–45": (None, 0),
    }


def test_each_group_has_the_interval_of_its_own_people():
    people = np.arange(200) % 20
    values = np.where(people < 10, 1, 2)
    found = grouping(
        "n",
        PHOTOGRAPHS,
        GALLERY_PHOTOGRAPHS,
        (values, outcomes(np.arange(200) % 3 > 0), people),
        None,
        RESAMPLING,
    )
    for group in found.groups:
        assert group.people == 10
        assert group.top1.low < group.top1.value < group.top1.high
        assert group.top1.value == pytest.approx(2 / 3, abs=0.01)
