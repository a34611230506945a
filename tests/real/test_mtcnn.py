"""MTCNN with its real networks, on people who do not exist and on photographs of LFW."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest

from elenco.demo.face_model import DIM, face_model
from elenco.demo.portraits import PORTRAIT, compose, texture
from elenco.errors import WeightsError
from elenco.faces import mtcnn, mtcnn_networks
from elenco.faces.geometry import iou
from elenco.faces.images import decode
from elenco.faces.mtcnn import Detector, load_detector
from elenco.faces.select import choose
from elenco.settings import Faces, load_settings
from elenco.types import Detections


@pytest.fixture(scope="module")
def detector() -> Detector:
    return Detector(Faces())


@pytest.fixture(scope="module")
def portraits() -> list[tuple[np.ndarray, np.ndarray]]:
    """Twelve portraits of 421x632, the last two of two people, with the boxes to be found."""
    model, pictures = face_model(), []
    for number in range(12):
        rng = np.random.default_rng(number)
        people = 2 if number >= 10 else 1
        samples = rng.standard_normal((people, 2, DIM)).astype(np.float32)
        faces = [model.sample(who, how) for who, how in samples]
        pictures.append(compose(rng, faces, *PORTRAIT))
    return pictures


@pytest.fixture(scope="module")
def lfw(shared: Path) -> list[np.ndarray]:
    files = sorted((shared / "lfw" / "images").glob("*/*.jpg"))[::190]
    return [decode(file.read_bytes(), 40) for file in files]


def same(a: Detections, b: Detections, tolerance: float) -> bool:
    return (
        len(a) == len(b)
        and np.allclose(a.boxes, b.boxes, atol=tolerance)
        and np.allclose(a.landmarks, b.landmarks, atol=tolerance)
        and np.allclose(a.scores, b.scores, atol=0.01)
    )


def test_every_synthetic_face_is_found_where_it_is(detector, portraits):
    found = detector.detect([picture for picture, _ in portraits])
    for (picture, boxes), faces in zip(portraits, found, strict=True):
        overlap = iou(boxes, faces.boxes)
        assert overlap.max(axis=1).min() > 0.5
        assert overlap[0].argmax() == choose(faces, *PORTRAIT)
        assert faces.scores[overlap.argmax(axis=1)].min() > 0.9
        assert np.all(np.diff(faces.scores) <= 0)
        assert faces.boxes.dtype == faces.landmarks.dtype == np.float32
        height, width = picture.shape[:2]
        assert np.all((faces.boxes >= 0) & (faces.boxes <= [width, height, width, height]))
        left_eye, right_eye, nose, left_mouth, right_mouth = faces.landmarks[0]
        assert left_eye[0] < nose[0] < right_eye[0]
        assert left_eye[1] < nose[1] < left_mouth[1]
        assert left_mouth[0] < right_mouth[0]


def test_neighbours_and_order_do_not_matter(detector, portraits):
    """Mixed sizes in one call, in any order, and one by one: the same faces."""
    pictures = []
    for number, (picture, _) in enumerate(portraits):
        size = [(421, 632), (300, 450), (200, 200)][number % 3]
        pictures.append(cv2.resize(picture, size, interpolation=cv2.INTER_AREA))
    pictures.append(np.full((900, 1200, 3), 128, np.uint8))
    together = detector.detect(pictures)
    for picture, faces in zip(pictures, together, strict=True):
        assert same(detector.detect([picture])[0], faces, 1.0)
    order = np.random.default_rng(0).permutation(len(pictures))
    shuffled = detector.detect([pictures[i] for i in order])
    assert all(same(shuffled[at], together[i], 1.0) for at, i in enumerate(order))
    small = Detector(Faces(batch=2)).detect(pictures)
    assert all(same(a, b, 1.0) for a, b in zip(small, together, strict=True))


def test_a_large_picture_is_found_as_a_small_one(detector, portraits):
    picture, _ = portraits[0]
    large = cv2.resize(picture, None, fx=6, fy=6, interpolation=cv2.INTER_CUBIC)
    assert max(large.shape) > 3 * mtcnn.MAX_SIDE
    small, big = detector.detect([picture, large])
    assert len(big) == len(small) == 1
    assert iou(big.boxes / 6, small.boxes)[0, 0] > 0.85
    assert np.abs(big.landmarks / 6 - small.landmarks).max() < 5


def test_no_face_is_an_empty_answer(detector):
    rng = np.random.default_rng(0)
    pictures = [
        np.zeros((632, 421, 3), np.uint8),
        np.full((632, 421, 3), 255, np.uint8),
        rng.integers(0, 256, (300, 200, 3), np.uint8),
        texture(rng, 421, 632),
        np.zeros((20, 20, 3), np.uint8),
        np.zeros((20, 5000, 3), np.uint8),
    ]
    for faces in detector.detect(pictures):
        assert faces.boxes.shape == (0, 4)
        assert faces.scores.shape == (0,)
        assert faces.landmarks.shape == (0, 5, 2)
    assert detector.detect([]) == []


@pytest.mark.parametrize("smallest", [20, 40, 80])
def test_the_smallest_face_can_be_chosen(portraits, smallest):
    """The package itself finds nothing once its min_face_size is raised."""
    chosen = Detector(Faces(min_face_pixels=smallest))
    pictures = [picture for picture, _ in portraits[:4]]
    found = chosen.detect(pictures)
    assert all(len(faces) for faces in found)
    tiny = [cv2.resize(p, None, fx=0.13, fy=0.13, interpolation=cv2.INTER_AREA) for p in pictures]
    if smallest == 80:
        assert not any(len(faces) for faces in chosen.detect(tiny))


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((100, 100), np.uint8),
        np.zeros((100, 100, 4), np.uint8),
        np.zeros((100, 100, 3), np.float32),
        np.zeros((0, 100, 3), np.uint8),
        np.zeros((19, 100, 3), np.uint8),
    ],
)
def test_what_is_no_picture_is_an_error_not_no_face(detector, array):
    with pytest.raises(ValueError, match=r"uint8|too small"):
        detector.detect([array])


def test_threads_take_turns(detector, portraits):
    pictures = [picture for picture, _ in portraits[:4]]
    expected = detector.detect(pictures)
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: detector.detect(pictures), range(4)))
    for answer in answers:
        assert all(same(a, b, 0.1) for a, b in zip(answer, expected, strict=True))


def test_a_process_loads_a_detector_once():
    settings = load_settings(faces={"batch": 7})
    assert load_detector(settings) is load_detector(load_settings(faces={"batch": 7}))
    other = load_detector(load_settings(faces={"min_face_pixels": 40}))
    assert other.version != load_detector(settings).version


def test_damaged_weights_are_refused(monkeypatch, tmp_path):
    damaged = tmp_path / "mtcnn.npz"
    damaged.write_bytes(mtcnn_networks.WEIGHTS.read_bytes()[:-1] + b"x")
    monkeypatch.setattr(mtcnn_networks, "WEIGHTS", damaged)
    with pytest.raises(WeightsError, match=r"mtcnn\.npz.*install"):
        Detector(Faces())


def package_faces(pictures: list[np.ndarray]) -> list[Detections]:
    """What the package's own pipeline finds in pictures of one size."""
    from mtcnn import MTCNN

    rows = MTCNN().detect_faces(
        pictures, output_type="numpy", box_format="xyxy", fit_to_image=False
    )
    answers = []
    for number, picture in enumerate(pictures):
        own = rows[rows[:, 0] == number]
        height, width = picture.shape[:2]
        boxes = np.clip(own[:, 1:5], 0, [width, height, width, height])
        landmarks = np.stack([own[:, 6:11], own[:, 11:16]], axis=-1)
        answers.append(Detections(boxes, own[:, 5], landmarks))
    return answers


def agreement(ours: list[Detections], theirs: list[Detections]) -> tuple[float, float, float]:
    """Share of their sure faces that are found again, of ours that are theirs, and the landmarks'
    mean distance in eye distances.

    Found again: overlapping by 0.8 (intersection over union). Sure: a score of 0.9, which a face
    needs to count.
    """
    again, theirs_too, errors = [], [], []
    for own, other in zip(ours, theirs, strict=True):
        overlap = iou(other.boxes, own.boxes) if len(own) else np.zeros((len(other), 0))
        for i in np.flatnonzero(other.scores >= 0.9):
            again.append(overlap[i].max(initial=0) >= 0.8)
            if again[-1]:
                left, right = other.landmarks[i][:2]
                moved = np.linalg.norm(
                    own.landmarks[overlap[i].argmax()] - other.landmarks[i], axis=1
                )
                errors.append(moved.mean() / np.linalg.norm(left - right))
        for j in np.flatnonzero(own.scores >= 0.9):
            theirs_too.append(overlap[:, j].max(initial=0) >= 0.8)
    return float(np.mean(again)), float(np.mean(theirs_too)), float(np.mean(errors))


def crowd(seed: int, faces: int) -> np.ndarray:
    """A picture of many people in rows, from 30 to 110 pixels high."""
    rng, model = np.random.default_rng(seed), face_model()
    canvas = texture(rng, 960, 640).copy()
    for number in range(faces):
        sample = rng.standard_normal((2, DIM)).astype(np.float32)
        face, _ = compose(rng, [model.sample(*sample)], 421, 632)
        height = int(rng.integers(90, 200))
        small = cv2.resize(face, (height * 421 // 632, height), interpolation=cv2.INTER_AREA)
        x = 10 + number % 6 * 158 + int(rng.integers(0, 158 - small.shape[1]))
        y = 5 + number // 6 * 210 + int(rng.integers(0, 205 - height + 1))
        canvas[y : y + height, x : x + small.shape[1]] = small
    return canvas


def test_crowds_are_as_the_package_says(detector):
    pictures = [crowd(seed, 18) for seed in range(4)]
    ours, theirs = detector.detect(pictures), package_faces(pictures)
    found, known, moved = agreement(ours, theirs)
    assert sum((faces.scores >= 0.9).sum() for faces in theirs) > 50
    assert found >= 0.95
    assert known >= 0.95
    assert moved <= 0.02


def test_lfw_one_by_one_and_in_batches(detector, lfw):
    together = detector.detect(lfw)
    assert all(len(faces) for faces in together)
    for picture, faces in zip(lfw, together, strict=True):
        assert same(detector.detect([picture])[0], faces, 1.5)


def test_lfw_is_as_the_package_says(detector, shared):
    """Differences are of faces in the background, at the score from which a face counts."""
    files = sorted((shared / "lfw" / "images").glob("*/*.jpg"))[::25]
    pictures = [decode(file.read_bytes(), 40) for file in files]
    found, known, moved = agreement(detector.detect(pictures), package_faces(pictures))
    assert found >= 0.97
    assert known >= 0.97
    assert moved <= 0.02


def test_lfw_landmarks_are_those_of_the_golden_chips(detector, shared):
    golden = np.load(shared / "weights" / "dlib_resnet_golden.npz", allow_pickle=False)
    folder = shared / "lfw" / "images"
    for name, landmarks in zip(golden["files"], golden["landmarks"], strict=True):
        file = folder / str(name).rsplit("_", 1)[0] / str(name)
        picture = decode(file.read_bytes(), 40)
        (faces,) = detector.detect([picture])
        chosen = faces.landmarks[choose(faces, picture.shape[1], picture.shape[0])]
        assert np.abs(chosen - landmarks).mean() < 0.75  # golden ones are whole pixels
