"""The canonical crop and the windows cut from it."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elenco.faces.crops import (
    CANONICAL_LANDMARKS,
    CROP_SIZE,
    DLIB_WINDOW,
    FACENET_WINDOW,
    Window,
    align,
    cut,
)
from elenco.faces.geometry import transform


def drawn(size: int, matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A picture with five white spots where `matrix` takes the canonical landmarks."""
    landmarks = transform(matrix, CANONICAL_LANDMARKS.astype(np.float64))
    radius = 6 * np.hypot(*matrix[:, 0])
    y, x = np.mgrid[:size, :size]
    distance = np.hypot(x - landmarks[:, 0, None, None], y - landmarks[:, 1, None, None]).min(0)
    pixels = np.clip(radius - distance + 0.5, 0, 1) * 200 + 30
    return np.repeat(np.rint(pixels)[..., None], 3, 2).astype(np.uint8), landmarks


def spots(crop: np.ndarray) -> np.ndarray:
    """Middles of the five spots of a crop, sorted as the landmarks are."""
    weight = crop[..., 0].astype(np.float64) - 30
    y, x = np.mgrid[:CROP_SIZE, :CROP_SIZE]
    found = []
    for at in CANONICAL_LANDMARKS:
        near = weight * (np.hypot(x - at[0], y - at[1]) < 18)
        found.append([(near * x).sum() / near.sum(), (near * y).sum() / near.sum()])
    return np.array(found)


def placed(scale: float, degrees: float, x: float, y: float) -> np.ndarray:
    angle = np.radians(degrees)
    c, s = scale * np.cos(angle), scale * np.sin(angle)
    return np.array([[c, -s, x], [s, c, y]])


@pytest.mark.parametrize(
    ("size", "matrix"),
    [
        (400, placed(1, 0, 40, 60)),
        (400, placed(0.6, 25, 200, 60)),
        (700, placed(2, -30, 60, 250)),
        (1500, placed(4.7, 10, 200, 60)),
        (300, placed(0.8, 180, 260, 260)),
    ],
)
def test_landmarks_land_on_their_places(size, matrix):
    image, landmarks = drawn(size, matrix)
    crop = align(image, landmarks.astype(np.float32))
    assert crop.shape == (256, 256, 3)
    assert crop.dtype == np.uint8
    assert np.abs(spots(crop) - CANONICAL_LANDMARKS).max() < 0.15


def test_a_large_face_is_averaged_not_subsampled():
    """Stripes finer than the crop's pixels become grey instead of a false pattern."""
    image = np.zeros((1536, 1536, 3), np.uint8)
    image[:, ::2] = 255
    image[::2] = 255 - image[::2]
    crop = align(image, (CANONICAL_LANDMARKS * 5 + 100).astype(np.float32))
    assert 118 < crop.mean() < 138
    assert crop.std() < 8


def test_beyond_the_edge_the_edge_repeats():
    image = np.full((60, 60, 3), 90, np.uint8)
    assert np.unique(align(image, CANONICAL_LANDMARKS - 100)).tolist() == [90]


def test_canonical_landmarks_are_dlibs_in_its_window():
    window = DLIB_WINDOW
    chip = (CANONICAL_LANDMARKS - [window.x, window.y]) * window.size / window.width
    expected = [[47.36, 45.29], [101.27, 45.40], [74.30, 77.32], [50.77, 104.78], [97.81, 104.93]]
    assert np.allclose(chip, expected, atol=1e-4)


@pytest.fixture(scope="module")
def crops() -> np.ndarray:
    noise = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), np.uint8)
    return np.stack([cv2.resize(n, (256, 256), interpolation=cv2.INTER_CUBIC) for n in noise])


@pytest.mark.parametrize("window", [DLIB_WINDOW, Window(0, 0, 256, 256, 100)])
def test_cut_averages_as_opencv_does(crops, window):
    found = cut(crops, window)
    x, y, w, h = window.x, window.y, window.width, window.height
    size = (window.size, window.size)
    expected = [
        cv2.resize(c[y : y + h, x : x + w], size, interpolation=cv2.INTER_AREA) for c in crops
    ]
    assert found.shape == (3, window.size, window.size, 3)
    assert np.abs(found.astype(int) - np.stack(expected)).max() <= 1


def test_cut_of_the_whole_is_the_crop(crops):
    assert np.array_equal(cut(crops, Window(0, 0, 256, 256, 256)), crops)


def test_cut_grows_bilinearly(crops):
    found = cut(crops, Window(100, 80, 40, 40, 160)).astype(float)
    block = crops[:, 80:120, 100:140].astype(float)
    assert found.shape == (3, 160, 160, 3)
    assert found.min() >= crops[:, 79:121, 99:141].min()
    assert found.mean() == pytest.approx(block.mean(), abs=1.5)


def test_cut_of_nothing_is_nothing():
    empty = np.empty((0, 256, 256, 3), np.uint8)
    assert cut(empty, FACENET_WINDOW).shape == (0, 160, 160, 3)


windows = st.tuples(
    *[st.integers(0, 100)] * 2, *[st.integers(2, 156)] * 2, st.integers(1, 200)
).map(lambda v: Window(*v))


@given(windows, st.integers(0, 255))
@settings(max_examples=50)
def test_cut_of_one_colour_is_that_colour(window, value):
    assert np.unique(cut(np.full((1, 256, 256, 3), value, np.uint8), window)).tolist() == [value]


@given(windows)
@settings(max_examples=50)
def test_cut_keeps_places(window):
    """A ramp stays a ramp: every cell holds the mean place of what it covers."""
    ramp = np.repeat(np.tile(np.arange(256, dtype=np.uint8), (256, 1))[..., None], 3, 2)
    step = window.width / window.size
    expected = window.x + step * (np.arange(window.size) + 0.5) - 0.5
    found = cut(ramp[None], window)[0, 0, :, 0]
    assert np.abs(found - np.clip(expected, 0, 255)).max() < 1.01


@pytest.mark.parametrize(
    "box",
    [(-1, 0, 9, 9, 9), (250, 0, 9, 9, 9), (0, 250, 9, 9, 9), (0, 0, 0, 9, 9), (0, 0, 9, 9, 0)],
)
def test_a_window_lies_within_the_crop(box):
    with pytest.raises(ValueError, match="within a crop"):
        Window(*box)
