"""MTCNN with its real networks, on people who do not exist and on photographs of LFW."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest

from elenco.demo.face_model import DIM, face_model
from elenco.demo.portraits import PORTRAIT, compose, texture
from elenco.errors import WeightsError
from elenco.faces import mtcnn
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


def test_other_weights_are_refused(monkeypatch):
    monkeypatch.setitem(mtcnn.WEIGHTS_SHA256, "rnet.lz4", "0" * 64)
    with pytest.raises(WeightsError, match=r"rnet\.lz4.*install"):
        Detector(Faces())


def test_weights_in_the_working_directory_are_not_unpickled(monkeypatch, tmp_path):
    (tmp_path / "pnet.lz4").write_bytes(b"not weights")
    monkeypatch.chdir(tmp_path)
    Detector(Faces())


def test_lfw_one_by_one_and_in_batches(detector, lfw):
    together = detector.detect(lfw)
    assert all(len(faces) for faces in together)
    for picture, faces in zip(lfw, together, strict=True):
        assert same(detector.detect([picture])[0], faces, 1.5)


def test_lfw_is_as_the_package_says(detector, lfw):
    """The same faces as the package's own pipeline, to a hundredth of a pixel."""
    from mtcnn import MTCNN

    rows = MTCNN().detect_faces(lfw, output_type="numpy", box_format="xyxy", fit_to_image=False)
    for number, faces in enumerate(detector.detect(lfw)):
        own = rows[rows[:, 0] == number]
        own = own[np.argsort(-own[:, 5], kind="stable")]
        height, width = lfw[number].shape[:2]
        boxes = np.clip(own[:, 1:5], 0, [width, height, width, height])
        landmarks = np.stack([own[:, 6:11], own[:, 11:16]], axis=-1)
        assert np.allclose(faces.boxes, boxes, atol=0.01)
        assert np.allclose(faces.landmarks, landmarks, atol=0.01)
        assert np.allclose(faces.scores, own[:, 5], atol=1e-4)


def test_lfw_landmarks_are_those_of_the_golden_chips(detector, shared):
    golden = np.load(shared / "weights" / "dlib_resnet_golden.npz", allow_pickle=False)
    folder = shared / "lfw" / "images"
    for name, landmarks in zip(golden["files"], golden["landmarks"], strict=True):
        file = folder / str(name).rsplit("_", 1)[0] / str(name)
        picture = decode(file.read_bytes(), 40)
        (faces,) = detector.detect([picture])
        chosen = faces.landmarks[choose(faces, picture.shape[1], picture.shape[0])]
        assert np.abs(chosen - landmarks).max() < 0.6  # golden ones are whole pixels
