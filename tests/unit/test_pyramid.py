"""The pyramid's levels on one canvas: all there, none over another, each a small copy."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st

from elenco.faces.pyramid import CELL, GREY, ROUND, STEP, STRIDE, pyramid

sides = st.integers(20, 1024)


@given(sides, sides, st.sampled_from([20, 40, 77]))
@hypothesis(max_examples=60)
def test_levels_lie_apart_at_even_places_and_windows_know_theirs(height, width, smallest):
    plan = pyramid(height, width, smallest)
    owner = np.full((plan.height, plan.width), -1)
    for number, (x, y, w, h) in enumerate(plan.levels):
        assert x % STRIDE == y % STRIDE == 0
        part = owner[y : y + h, x : x + w]
        assert part.shape == (h, w)
        assert (part == -1).all()
        part[:] = number
    assert plan.height % ROUND == plan.width % ROUND == 0
    rows, columns = plan.level_of.shape
    for row, column in [(0, 0), (rows // 2, columns // 3), (rows - 1, columns - 1)]:
        y, x = row * STRIDE, column * STRIDE
        window = owner[y : y + CELL, x : x + CELL]
        whole = window[0, 0] if (window == window[0, 0]).all() else -1
        assert plan.level_of[row, column] == whole


@given(sides, sides)
def test_the_first_level_is_for_the_smallest_face_the_last_for_the_largest(height, width):
    plan = pyramid(height, width, 40)
    shorter = min(height, width)
    assert plan.scales[0] == pytest.approx(max(CELL / 40, CELL / shorter))
    assert shorter * plan.scales[-1] * (1 + 1e-9) >= CELL
    assert shorter * plan.scales[-1] * STEP < CELL
    for (_, _, w, h), scale in zip(plan.levels, plan.scales, strict=True):
        assert abs(w - width * scale) < 1 + 1e-6
        assert abs(h - height * scale) < 1 + 1e-6


@pytest.mark.parametrize("size", [(90, 130), (421, 632), (1024, 37), (301, 999)])
def test_every_level_is_the_picture_averaged(size):
    blocks = np.random.default_rng(0).integers(0, 256, (9, 7, 3), np.uint8)
    picture = cv2.resize(blocks, size, interpolation=cv2.INTER_CUBIC)
    plan = pyramid(*picture.shape[:2], 20)
    canvas = plan.draw(picture)
    assert canvas.shape == (plan.height, plan.width, 3)
    left = np.ones(canvas.shape[:2], bool)
    for x, y, w, h in plan.levels:
        expected = cv2.resize(picture, (w, h), interpolation=cv2.INTER_AREA)
        part = canvas[y : y + h, x : x + w]
        assert np.abs(part.astype(int) - expected).mean() < 3
        left[y : y + h, x : x + w] = False
    assert (canvas[left] == GREY).all()


def test_little_of_the_canvas_is_empty():
    for height, width in [(632, 421), (250, 250), (1024, 683), (480, 854)]:
        plan = pyramid(height, width, 40)
        used = sum(w * h for _, _, w, h in plan.levels)
        assert used > 0.6 * plan.height * plan.width


def test_pictures_of_different_sizes_share_canvases():
    rng = np.random.default_rng(0)
    shapes = {tuple(rng.integers(300, 700, 2)) for _ in range(300)}
    canvases = {(p.height, p.width) for p in (pyramid(*shape, 40) for shape in shapes)}
    assert len(canvases) < 0.8 * len(shapes)


def test_windows_are_where_they_say():
    plan = pyramid(632, 421, 40)
    for number, (x, y, _, _) in enumerate(plan.levels):
        row, column = np.array([y // STRIDE + 1]), np.array([x // STRIDE])
        if plan.level_of[row[0], column[0]] != number:
            continue  # a level of one window
        level, corner, ratio = plan.corners(row, column)
        assert level.tolist() == [number]
        assert corner.tolist() == [[0, STRIDE]]
        assert ratio[0] == pytest.approx(1 / plan.scales[number])
