"""What is rendered is what the detector finds: one face, two, or none, where the truth says."""

from collections import Counter

import pytest

from elenco.demo.synthetic import SyntheticCast
from elenco.faces.images import decode
from elenco.faces.mtcnn import Detector
from elenco.settings import Faces

FACES = {"plain": 1, "grey": 1, "cmyk": 1, "two": 2, "no_face": 0}


@pytest.fixture(scope="module")
def detector():
    return Detector(Faces())


def overlap(a, b):
    """Intersection over union of two boxes."""
    width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (a, b)]
    return width * height / (sum(areas) - width * height)


def test_the_detector_finds_the_faces_of_each_kind(detector):
    cast = SyntheticCast(10, seed=4)
    photos = [p for person in cast.people for p in cast.photos(person)[:6] if p.kind in FACES]
    found = detector.detect([decode(cast.image(p.path, "h632"), 40) for p in photos])
    right = [len(d) == FACES[p.kind] for p, d in zip(photos, found, strict=True)]
    assert Counter(p.kind for p in photos).keys() == FACES.keys()
    assert sum(right) >= 0.98 * len(photos)


def test_new_pictures_state_where_the_faces_are(detector):
    cast = SyntheticCast(10, seed=4)
    pictures = cast.new_pictures([str(person.id) for person in cast.people], 6)
    for picture, found in zip(
        pictures, detector.detect([decode(p.data, 40) for p in pictures]), strict=True
    ):
        assert len(found) == len(picture.faces)
        for face in picture.faces:
            # A face may be found as its inner part: nearly the same score decides between them.
            assert max(overlap(face.box, box) for box in found.boxes) > 0.4
