import numpy as np
import pytest

from elenco.xray.shots import ShotDetector, difference, look_of

FPS = 25


def scene(seed: int, light: float = 1.0, shift: int = 0) -> np.ndarray:
    """A small picture in YUV: blocks of a few colours."""
    rng = np.random.default_rng(seed)
    blocks = rng.integers(20, 235, (3, 6, 8), np.uint8)
    blocks[1:] = rng.integers(90, 170, (2, 6, 8), np.uint8)
    large = np.kron(blocks, np.ones((6, 8), np.uint8)).reshape(3, 36, 64).astype(np.float32)
    large[0] = np.clip(large[0] * light, 0, 255)
    return np.roll(large, shift, axis=2)


def noisy(pictures) -> list[np.ndarray]:
    rng = np.random.default_rng(5)
    return [np.clip(p + rng.normal(0, 2, p.shape), 0, 255).astype(np.uint8) for p in pictures]


def found(pictures, fps: float = FPS) -> list[tuple[int, str]]:
    detector = ShotDetector()
    boundaries = []
    for number, picture in enumerate(noisy(pictures)):
        boundaries += detector.push(number / fps, picture)
        assert all(b.index >= 0 for b in boundaries)
    boundaries += detector.finish()
    return [(b.index, b.kind) for b in boundaries]


def test_a_still_scene_has_no_boundary():
    assert found([scene(1)] * 60) == []


@pytest.mark.parametrize("fps", [10, 25, 60])
def test_cuts_are_found_to_the_frame(fps):
    pictures = [scene(1)] * 2 * fps + [scene(2)] * fps + [scene(3)] * 2 * fps
    assert found(pictures, fps) == [(2 * fps, "cut"), (3 * fps, "cut")]


def test_a_cut_right_at_the_end_is_found():
    assert found([scene(1)] * 40 + [scene(2)] * 2) == [(40, "cut")]


def test_a_flash_is_none():
    pictures = [scene(1)] * 60
    pictures[30] = pictures[31] = scene(1, 3.0)
    assert found(pictures) == []


def test_a_moving_camera_is_none():
    assert found([scene(1, shift=n) for n in range(60)]) == []


def test_light_that_changes_is_none():
    assert found([scene(1, 1 - n / 80) for n in range(60)]) == []


@pytest.mark.parametrize("length", [8, 15, 25])
def test_a_dissolve_is_one_boundary_in_its_middle(length):
    a, b = scene(1), scene(2)
    mixed = [a + (b - a) * (n + 1) / (length + 1) for n in range(length)]
    [(index, kind)] = found([a] * 50 + mixed + [b] * 50)
    assert kind == "dissolve"
    assert abs(index - (50 + length / 2)) <= 4


def test_what_is_told_is_final():
    """No boundary is told of that lies before a frame of which it was said to be sure."""
    detector = ShotDetector()
    a, b, c = scene(1), scene(2), scene(3)
    mixed = [a + (b - a) * n / 15 for n in range(15)]
    sure = sure_of_cuts = 0
    for number, picture in enumerate(noisy([a] * 40 + mixed + [b] * 40 + [c] * 40)):
        for boundary in detector.push(number / FPS, picture):
            assert boundary.index >= sure
            assert boundary.kind != "cut" or boundary.index >= sure_of_cuts
        assert detector.sure >= sure
        sure, sure_of_cuts = detector.sure, detector.sure_of_cuts
    assert sure > 60


def test_a_difference_is_between_nothing_and_one():
    one, other = noisy([scene(1), scene(2)])
    same = difference(one, one, look_of(one), look_of(one))
    apart = difference(one, other, look_of(one), look_of(other))
    assert same < 0.02 < 0.3 < apart <= 1
    assert look_of(one).sum() == pytest.approx(1)
