import numpy as np
import pytest

from elenco.xray.evidence import change_of_face, face_quality, pool
from tests.xray_help import directions, photographs


def test_a_pooled_vector_is_nearer_to_the_person_than_its_faces():
    [person] = directions(1)
    faces = photographs(person, 8, 1, spread=0.8)
    pooled = pool(3 * faces, np.ones(8, np.float32))
    assert float(pooled @ pooled) == pytest.approx(1, abs=1e-5)
    assert float(pooled @ person) > float((faces @ person).max())


def test_a_bad_face_weighs_little():
    one, other = directions(2)
    pooled = pool(np.stack([one, other]), np.array([0.9, 0.0], np.float32))
    assert float(pooled @ one) > 0.99


def test_bad_faces_alone_have_a_vector():
    [person] = directions(1)
    assert np.allclose(pool(person[None], np.zeros(1, np.float32)), person, atol=1e-6)


def test_nothing_can_not_be_pooled():
    with pytest.raises(ValueError, match="no vector"):
        pool(np.zeros((0, 4), np.float32), np.zeros(0, np.float32))


@pytest.mark.parametrize("before", [2, 4, 6])
def test_a_track_that_goes_over_to_somebody_else_is_seen(before):
    one, other = directions(2)
    faces = np.concatenate(
        [photographs(one, before, 1, 0.2), photographs(other, 8 - before, 2, 0.2)]
    )
    assert change_of_face(faces, np.ones(8, np.float32)) == before


def test_one_person_is_one_person():
    for seed in range(20):
        faces = photographs(directions(1, seed)[0], 8, seed, 0.4)
        assert change_of_face(faces, np.ones(8, np.float32)) is None


def test_one_odd_face_is_no_change():
    one, other = directions(2)
    faces = np.concatenate([photographs(one, 7, 1, 0.2), other[None]])
    assert change_of_face(faces, np.ones(8, np.float32)) is None


def test_few_faces_can_not_tell():
    assert change_of_face(directions(3), np.ones(3, np.float32)) is None


def test_quality_depends_on_the_vectors_length():
    vectors = np.stack([np.full(4, 0.7), np.full(4, 0.4)]).astype(np.float32)
    measures = np.array([[40, 1, 0]] * 2, np.float32)
    good, bad = face_quality(vectors, measures, np.ones(2, np.float32), "dlib_resnet").tolist()
    assert good > bad
