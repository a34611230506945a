from collections import Counter

import numpy as np
import pytest

from elenco.faces.mtcnn import MAX_SIDE
from elenco.types import Detections
from elenco.xray.faces import LEAST_PIXELS, look_for_faces
from elenco.xray.sampling import Sample
from elenco.xray.video import Video
from tests.xray_help import write_video

# Of a face whose landmarks are where the canonical crop wants them: x, y as shares of its box.
POINTS = np.array([[0.33, 0.4], [0.67, 0.4], [0.5, 0.6], [0.36, 0.77], [0.64, 0.77]], np.float32)
BOX = np.array([0.3, 0.2, 0.5, 0.6], np.float32)  # x1, y1, x2, y2 as shares of the picture


class Fixed:
    """Finds the same face in every picture, and another box around it."""

    version = "fixed"

    def __init__(self) -> None:
        self.given: list[tuple[tuple[int, ...], int | None]] = []

    def detect(self, images, smallest=None):
        self.given += [(image.shape, smallest) for image in images]
        return [self._one(image) for image in images]

    def _one(self, image) -> Detections:
        box = BOX * np.tile(np.array(image.shape[1::-1], np.float32), 2)
        boxes = np.stack([box, box + 1])
        points = box[:2] + POINTS * (box[2:] - box[:2])
        return Detections(boxes, np.array([0.99, 0.8], np.float32), np.stack([points, points]))


def look(tmp_path, width: int, height: int, min_face: float = 0.1):
    picture = np.random.default_rng(1).integers(0, 256, (height // 4, width // 4, 3), np.uint8)
    picture = np.kron(picture, np.ones((4, 4, 1), np.uint8))
    video = Video(write_video(tmp_path / "a.mp4", [picture] * 2, options={"qscale": "2"}))
    samples = [Sample(f.time, f.picture) for f in video.frames(0, Counter())]
    detector = Fixed()
    return look_for_faces(samples, video.facts, detector, min_face), detector


@pytest.mark.parametrize("size", [(640, 360), (1280, 720), (1920, 1080), (720, 1280)])
def test_a_face_is_told_where_it_is_whatever_the_size_that_is_searched(tmp_path, size):
    frames, detector = look(tmp_path, *size)
    assert len(frames) == 2
    for shape, smallest in detector.given:
        assert max(shape) == min(max(size), MAX_SIDE)
        assert smallest == round(0.1 * shape[0])
    for frame in frames:
        [face] = frame.faces
        assert frame.skipped == {"found_twice": 1}
        assert face.box == pytest.approx([0.3, 0.2, 0.2, 0.4], abs=1e-3)
        assert face.aspect == pytest.approx(size[0] / size[1])


def test_crops_are_of_the_whole_picture_not_of_the_one_that_is_searched(tmp_path):
    [large, _], _ = look(tmp_path, 1280, 720)
    assert large.faces[0].measures[0] == pytest.approx(0.34 * 0.2 * 1280, rel=0.1)


def test_no_smaller_face_is_looked_for_than_can_be_found(tmp_path):
    _, detector = look(tmp_path, 320, 180, min_face=0.02)
    assert {smallest for _, smallest in detector.given} == {LEAST_PIXELS}
