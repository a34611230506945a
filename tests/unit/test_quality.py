"""How far a face can be trusted."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elenco.demo.face_model import face_model, point
from elenco.faces.crops import CANONICAL_LANDMARKS, align
from elenco.faces.geometry import transform
from elenco.faces.quality import (
    CROP_EYES,
    NORMS,
    FaceMeasures,
    measure,
    pose,
    quality,
    relative_norms,
    sharpness_of,
)

FRONTAL = (CANONICAL_LANDMARKS + CANONICAL_LANDMARKS[[1, 0, 2, 4, 3]] * [-1, 1] + [255, 0]) / 2
BEST = dict(sizes=100, sharpness=1, yaws=0, scores=1, norms=1.2)


def photograph(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A face of nobody, 560x448 with its landmarks; grain makes it as sharp as it is large."""
    rng = np.random.default_rng(seed)
    face = face_model().sample(point(rng), point(rng))
    large = cv2.resize(face, None, fx=4, fy=4, interpolation=cv2.INTER_CUBIC).astype(np.float32)
    grain = cv2.GaussianBlur(rng.normal(0, 60, large.shape[:2]).astype(np.float32), (0, 0), 2)
    grainy = np.clip(large + grain[..., None], 0, 255).astype(np.uint8)
    return grainy, (face_model().landmarks + 0.5) * 4 - 0.5


def scaled(image: np.ndarray, landmarks: np.ndarray, scale: float) -> tuple[np.ndarray, np.ndarray]:
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return small, (landmarks + 0.5) * scale - 0.5


def measured(image: np.ndarray, landmarks: np.ndarray) -> FaceMeasures:
    return measure(align(image, landmarks.astype(np.float32)), landmarks)


def quality_of(*faces: FaceMeasures) -> np.ndarray:
    ones = np.ones(len(faces))
    of = np.array([(face.size, face.sharpness, face.yaw) for face in faces])
    return quality(*of.T, ones, ones)


def turned(yaw: float, pitch: float, roll: float, scale: float = 1) -> np.ndarray:
    """Landmarks of the mean face, turned in space and seen from afar.

    Its nose stands out 0.53 eye distances; x right, y down, z to the viewer.
    """
    head = np.column_stack([FRONTAL, [0, 0, 0.53 * CROP_EYES, 0, 0]])
    y, p, r = np.radians([yaw, pitch, roll])
    about_y = [[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]]
    about_x = [[1, 0, 0], [0, np.cos(p), np.sin(p)], [0, -np.sin(p), np.cos(p)]]
    about_z = [[np.cos(r), np.sin(r), 0], [-np.sin(r), np.cos(r), 0], [0, 0, 1]]
    return scale * (head @ (np.array(about_z) @ about_x @ about_y).T)[:, :2]


def test_the_canonical_face_looks_into_the_camera():
    crop = np.full((256, 256, 3), 90, np.uint8)
    found = measure(crop, CANONICAL_LANDMARKS)
    assert found.size == pytest.approx(CROP_EYES)
    assert np.abs([found.yaw, found.pitch, found.roll]).max() < 0.5
    assert found.sharpness == pytest.approx(0, abs=1e-6)  # one colour


@pytest.mark.parametrize("scale", [0.1, 0.5, 3])
def test_the_size_is_in_pixels_of_the_photograph(scale):
    crop = np.zeros((256, 256, 3), np.uint8)
    landmarks = CANONICAL_LANDMARKS * scale + 40
    assert measure(crop, landmarks).size == pytest.approx(CROP_EYES * scale)


angles = st.tuples(st.floats(-60, 60), st.floats(-50, 50), st.floats(-80, 80))


@given(angles, st.floats(0.1, 10))
def test_the_pose_of_a_turned_head_is_how_it_was_turned(degrees, scale):
    assert pose(turned(*degrees, scale)) == pytest.approx(np.array(degrees), abs=1e-3)


def test_signs_are_as_seen_in_the_picture():
    assert turned(30, 0, 0)[2, 0] > turned(0, 0, 0)[2, 0]  # yaw: the nose moves right
    assert turned(0, 30, 0)[2, 1] > turned(0, 0, 0)[2, 1]  # pitch: the nose moves down
    left, right = turned(0, 0, 30)[:2]  # roll: the head leans left, so that the left eye is lower
    assert left[1] > right[1]


@given(st.floats(-90, 90), st.floats(0.2, 5), st.integers(0, 50))
def test_turning_the_picture_changes_the_roll_alone(degrees, scale, seed):
    landmarks = FRONTAL + np.random.default_rng(seed).normal(0, 4, (5, 2))
    yaw, pitch, roll = pose(landmarks)
    matrix = cv2.getRotationMatrix2D((90, 70), degrees, scale)  # counter-clockwise as seen
    found = pose(transform(matrix, landmarks))
    assert found[:2] == pytest.approx([yaw, pitch], abs=1e-6)
    assert np.cos(np.radians(found[2] - roll - degrees)) == pytest.approx(1)


@given(st.integers(0, 50))
def test_a_mirror_image_looks_the_other_way(seed):
    landmarks = FRONTAL + np.random.default_rng(seed).normal(0, 5, (5, 2))
    mirrored = (landmarks * [-1, 1])[[1, 0, 2, 4, 3]]
    assert pose(mirrored) == pytest.approx(pose(landmarks) * [-1, 1, -1], abs=1e-6)


def test_poses_of_many_are_those_of_each():
    many = np.stack([turned(10, 0, 5), turned(-40, 20, 0), turned(0, 0, 0)])
    assert np.allclose(pose(many), [pose(one) for one in many])
    assert pose(np.empty((0, 5, 2))).shape == (0, 3)


def test_landmarks_that_coincide_are_refused():
    with pytest.raises(ValueError, match="coincide"):
        measure(np.zeros((256, 256, 3), np.uint8), np.ones((5, 2)))


faces = pytest.mark.parametrize("seed", range(4))


@faces
def test_blur_takes_sharpness_and_quality(seed):
    image, landmarks = scaled(*photograph(seed), 0.25)
    blurs = [image, *(cv2.GaussianBlur(image, (0, 0), sigma) for sigma in (0.7, 1.5, 3, 5))]
    found = [measured(blurred, landmarks) for blurred in blurs]
    sharpness = [face.sharpness for face in found]
    assert sharpness == sorted(sharpness, reverse=True)
    assert sharpness[-1] < sharpness[0] / 20
    qualities = quality_of(*found)
    assert (np.diff(qualities) < 0).all()
    assert qualities[0] > 0.8
    assert qualities[-1] < 0.4


@faces
def test_fewer_pixels_take_quality(seed):
    image, landmarks = photograph(seed)
    found = [measured(*scaled(image, landmarks, 1 / times)) for times in (4, 8, 16, 32)]
    qualities = quality_of(*found)
    assert (np.diff(qualities) < 0).all()
    assert qualities[0] > 0.8
    assert qualities[-1] < 0.2


@faces
def test_enlargement_by_the_crop_is_not_blur_but_enlargement_of_the_photograph_is(seed):
    image, landmarks = photograph(seed)
    full, full_landmarks = scaled(image, landmarks, 0.25)
    small, small_landmarks = scaled(image, landmarks, 0.0625)
    enlarged = cv2.resize(small, full.shape[1::-1], interpolation=cv2.INTER_CUBIC)
    sharp = measured(full, full_landmarks).sharpness
    assert measured(small, small_landmarks).sharpness > sharp / 3
    assert measured(enlarged, full_landmarks).sharpness < sharp / 4


@faces
def test_a_large_photograph_is_judged_at_the_resolution_that_counts(seed):
    image, landmarks = photograph(seed)
    half, full = (measured(*scaled(image, landmarks, scale)) for scale in (0.5, 1))
    assert full.size == pytest.approx(2 * half.size)
    assert full.sharpness == pytest.approx(half.sharpness, rel=0.25)


@faces
def test_contrast_and_brightness_do_not_count(seed):
    image, landmarks = photograph(seed)
    crop = align(image, landmarks.astype(np.float32))
    dull = np.rint(crop * 0.5 + 40).astype(np.uint8)
    assert sharpness_of(dull, 40) == pytest.approx(sharpness_of(crop, 40), rel=0.05)


def test_a_face_of_a_few_pixels_can_be_measured():
    crop = np.random.default_rng(0).integers(0, 256, (256, 256, 3), np.uint8)
    assert np.isfinite([sharpness_of(crop, size) for size in (0.01, 1, 2, 4)]).all()


measures = st.fixed_dictionaries(
    {
        "sizes": st.floats(0, 2000),
        "sharpness": st.floats(0, 50),
        "yaws": st.floats(-90, 90),
        "scores": st.floats(0, 1),
        "norms": st.floats(0, 5),
    }
)


@given(st.lists(measures, max_size=6))
def test_quality_is_of_each_face_alone(of):
    columns = {name: np.array([one[name] for one in of]) for name in BEST}
    found = quality(**columns)
    assert found.dtype == np.float32
    assert found.shape == (len(of),)
    assert ((found >= 0) & (found <= 1)).all()
    each = [quality(**{name: np.array([value]) for name, value in one.items()})[0] for one in of]
    assert found.tolist() == each


@given(measures, measures, st.sampled_from(sorted(BEST)))
@settings(max_examples=300)
def test_quality_rises_with_every_measure_and_falls_with_the_turn(one, other, changed):
    pair = one, one | {changed: other[changed]}
    low, high = sorted(pair, key=lambda of: -abs(of["yaws"]) if changed == "yaws" else of[changed])
    found = quality(**{name: np.array([low[name], high[name]]) for name in BEST})
    assert found[0] <= found[1]


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("sizes", (3, 6, 9, 12, 20)),
        ("sharpness", (0.01, 0.03, 0.1, 0.3)),
        ("yaws", (80, -60, 40, -20, 0)),
        ("scores", (0.6, 0.8, 0.9, 1)),
        ("norms", (0.5, 0.7, 0.9, 1)),
    ],
)
def test_every_measure_counts_where_faces_differ(name, values):
    of = {key: np.full(len(values), value, np.float64) for key, value in BEST.items()}
    assert (np.diff(quality(**of | {name: np.array(values)})) > 0).all()


def test_a_large_sharp_frontal_face_is_trusted_and_a_flat_one_is_not():
    best = {name: np.array([value, value]) for name, value in BEST.items()}
    found = quality(**best | {"sharpness": np.array([1, 0])})
    assert found[0] > 0.95
    assert found[1] == 0


def test_norms_are_relative_to_the_embedders_own():
    norms = np.array([1, 2], np.float32) * NORMS["dlib_resnet"]
    assert relative_norms(norms, "dlib_resnet") == pytest.approx([1, 2])
    unknown = relative_norms(np.array([3.0, 30.0]), "another")
    assert unknown.tolist() == [1, 1]
    assert unknown.dtype == np.float32
