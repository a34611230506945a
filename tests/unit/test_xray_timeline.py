import numpy as np
import pytest

from elenco.xray.scenes import resemblance, scenes_of
from elenco.xray.timeline import appearances, confidence, on_screen
from tests.unit.test_xray_types import track


def tracks(*spans):
    return [
        track(id=n, start=start, end=end, confidence=sure)
        for n, (start, end, sure) in enumerate(spans)
    ]


def test_short_gaps_are_closed():
    found = appearances(tracks((0, 1, 1.0), (1.8, 3, 0.5), (6, 7, 0.9)), 1.0)
    assert [(a.start, a.end, a.tracks) for a in found] == [(0, 3, (0, 1)), (6, 7, (2,))]
    assert found[0].confidence == pytest.approx((1 * 1.0 + 1.2 * 0.5) / 2.2, abs=1e-4)


def test_the_longest_of_overlapping_tracks_ends_an_appearance():
    found = appearances(tracks((0, 10, 1.0), (2, 3, 1.0), (10.5, 11, 1.0)), 1.0)
    assert [(a.start, a.end) for a in found] == [(0, 11)]


def test_no_gap_is_closed_without_leave():
    assert len(appearances(tracks((0, 1, 1.0), (1.1, 2, 1.0)), 0.0)) == 2
    assert len(appearances(tracks((0, 1, 1.0), (1.0, 2, 1.0)), 0.0)) == 1


def test_seconds_count_once():
    assert on_screen(tracks((0, 2, 1.0), (1, 3, 1.0), (5, 6, 1.0))) == 4.0
    assert on_screen([]) == 0.0


def test_confidence_is_of_the_longer_tracks():
    assert confidence(tracks((0, 9, 1.0), (9, 10, 0.0))) == pytest.approx(0.9)


def look(kind: int) -> np.ndarray:
    bins = np.zeros((1, 4), np.float32)
    bins[0, kind] = 1
    return bins


def scenes(kinds, seconds=3.0):
    starts = [n * seconds for n in range(len(kinds))]
    return scenes_of(starts, [s + seconds for s in starts], [look(k) for k in kinds])


def test_a_conversation_is_one_scene():
    assert scenes([0, 1, 0, 1, 0, 2, 2, 3]) == [0, 0, 0, 0, 0, 1, 1, 2]


def test_what_is_alike_long_after_is_another_scene():
    assert scenes([0, 1, 0], seconds=50) == [0, 0, 0]
    assert scenes([0, 1, 0], seconds=70) == [0, 1, 2]


def test_shots_without_a_look_are_like_nothing():
    empty = np.zeros((0, 1), np.float32)
    assert resemblance(empty, look(0)) == 0
    assert scenes_of([0, 1], [1, 2], [empty, empty]) == [0, 1]
    assert scenes_of([], [], []) == []
