"""Which face a photograph is of."""

import numpy as np
import pytest

from elenco.faces.select import choose
from elenco.types import Detections


def faces(*boxes: tuple[float, float, float, float]) -> Detections:
    n = len(boxes)
    return Detections(
        np.array(boxes, np.float32).reshape(n, 4),
        np.linspace(0.99, 0.9, n, dtype=np.float32),
        np.zeros((n, 5, 2), np.float32),
    )


def test_the_only_face():
    assert choose(faces((0, 0, 5, 5)), 100, 100) == 0


def test_the_larger_of_two_as_central():
    assert choose(faces((10, 40, 30, 60), (60, 35, 90, 65)), 100, 100) == 1


def test_the_central_of_two_as_large():
    assert choose(faces((0, 0, 30, 30), (35, 35, 65, 65)), 100, 100) == 1


def test_a_much_larger_face_beats_the_centre():
    assert choose(faces((45, 45, 55, 55), (0, 20, 60, 80)), 100, 100) == 1


def test_area_minus_twice_the_squared_offset():
    # 40 x 40 = 1600, 20 pixels from the middle: 1600 - 800 = 800, against 28 x 28 = 784 there.
    assert choose(faces((30, 50, 70, 90), (36, 36, 64, 64)), 100, 100) == 0
    # One pixel further: 1600 - 882 = 718.
    assert choose(faces((30, 51, 70, 91), (36, 36, 64, 64)), 100, 100) == 1


def test_the_better_score_wins_a_tie():
    assert choose(faces((0, 0, 10, 10), (90, 90, 100, 100)), 100, 100) == 0


def test_no_face_is_an_error():
    with pytest.raises(ValueError, match="no face"):
        choose(faces(), 100, 100)
