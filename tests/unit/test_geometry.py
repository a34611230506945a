"""Properties of boxes and similarity transforms."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from elenco.faces.geometry import area, center, clip, invert, iou, scale_of, similarity, transform

coordinates = st.floats(-1000, 1000, width=32)


@st.composite
def boxes(draw, minimum: int = 0):
    points = draw(
        hnp.arrays(np.float64, (draw(st.integers(minimum, 6)), 2, 2), elements=coordinates)
    )
    return np.sort(points, axis=1).reshape(-1, 4)


@st.composite
def similarities(draw):
    angle = draw(st.floats(-np.pi, np.pi))
    scale = draw(st.floats(0.05, 20))
    c, s = scale * np.cos(angle), scale * np.sin(angle)
    x, y = draw(coordinates), draw(coordinates)
    return np.array([[c, -s, x], [s, c, y]])


FACE = np.array([[47.0, 45], [101, 45], [74, 77], [51, 105], [98, 105]])


@given(boxes(), boxes())
def test_iou_is_symmetric_and_within_0_and_1(a, b):
    values = iou(a, b)
    assert values.shape == (len(a), len(b))
    assert np.array_equal(values, iou(b, a).T)
    assert np.all((values >= 0) & (values <= 1 + 1e-12))


@given(boxes(minimum=1))
def test_iou_of_a_box_with_itself_is_1_unless_it_is_empty(a):
    assert np.allclose(np.diag(iou(a, a)), area(a) > 0)


def test_iou_known():
    a = np.array([[0, 0, 2, 2]], np.float32)
    b = np.array([[1, 1, 3, 3], [2, 0, 4, 2], [0, 0, 2, 4], [1, 1, 1, 1]], np.float32)
    assert iou(a, b)[0] == pytest.approx([1 / 7, 0, 0.5, 0])


@given(boxes(), st.integers(1, 500), st.integers(1, 500))
def test_clip_stays_inside_and_is_idempotent(a, width, height):
    once = clip(a, width, height)
    assert np.array_equal(once, clip(once, width, height))
    assert np.all(once >= 0)
    assert np.all(once <= [width, height, width, height])


@given(boxes())
def test_center_lies_in_the_box(a):
    middle = center(a)
    assert np.all((middle >= a[:, :2] - 1e-9) & (middle <= a[:, 2:] + 1e-9))


@given(similarities())
def test_similarity_recovers_a_known_transform(matrix):
    assert np.allclose(similarity(FACE, transform(matrix, FACE)), matrix, atol=1e-6, rtol=1e-6)
    assert scale_of(matrix) == pytest.approx(np.sqrt(np.linalg.det(matrix[:, :2])))


@given(similarities())
def test_similarity_inverts(matrix):
    there = transform(matrix, FACE)
    assert np.allclose(transform(invert(matrix), there), FACE, atol=1e-6)
    assert np.allclose(similarity(there, FACE), invert(matrix), atol=1e-5)


@given(hnp.arrays(np.float64, (5, 2), elements=st.floats(-20, 20)), similarities())
def test_no_other_similarity_is_nearer(noise, other):
    target = FACE + noise

    def distance(matrix: np.ndarray) -> float:
        return float(((transform(matrix, FACE) - target) ** 2).sum())

    best = similarity(FACE, target)
    assert distance(best) <= distance(other) + 1e-6
    nudged = best + np.array([[1e-3, 0, 0.01], [0, 1e-3, -0.01]])
    assert distance(best) <= distance(nudged) + 1e-9


def test_similarity_agrees_with_umeyama_by_singular_values():
    rng = np.random.default_rng(0)
    for _ in range(20):
        source, target = rng.normal(0, 30, (2, 5, 2))
        a, b = source - source.mean(0), target - target.mean(0)
        u, d, vt = np.linalg.svd(b.T @ a)
        sign = np.array([1, np.sign(np.linalg.det(u @ vt))])
        linear = (d * sign).sum() / (a**2).sum() * (u * sign) @ vt
        shift = target.mean(0) - linear @ source.mean(0)
        assert np.allclose(similarity(source, target), np.c_[linear, shift])


def test_batches_are_the_same_as_one_by_one():
    rng = np.random.default_rng(1)
    source = rng.normal(0, 30, (7, 5, 2))
    together = similarity(source, FACE)
    assert together.shape == (7, 2, 3)
    assert np.allclose(together, [similarity(s, FACE) for s in source])
    assert np.allclose(transform(together, source)[3], transform(together[3], source[3]))
    assert np.allclose(transform(invert(together), transform(together, source)), source)


def test_a_mirror_image_is_not_mirrored_back():
    mirrored = FACE * [-1, 1]
    assert np.linalg.det(similarity(mirrored, FACE)[:, :2]) > 0


def test_points_that_coincide_fix_nothing():
    with pytest.raises(ValueError, match="coincide"):
        similarity(np.ones((5, 2)), FACE)
