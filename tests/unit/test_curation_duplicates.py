"""One photograph twice: none that was trained on is asked about, however it was changed."""

import cv2
import numpy as np
import pytest

from elenco.curation.duplicates import (
    Pictures,
    Twice,
    across_people,
    leaders,
    typical_distance,
    within_people,
)
from elenco.curation.find import find
from elenco.curation.hashes import phash
from elenco.curation.verdicts import NONE, REASONS, Faces
from elenco.demo.face_model import DIM, face_model
from elenco.embedding.base import load_embedder
from elenco.faces.images import decode, encode_jpeg
from elenco.settings import Curation
from elenco.vectors import unit

PEOPLE, PHOTOGRAPHS = 8, 4
BITS = Curation().duplicate_bits


def again(crop, quality):
    return decode(encode_jpeg(crop, quality), 1)


def smaller(crop):
    half = cv2.resize(crop, (128, 128), interpolation=cv2.INTER_AREA)
    return cv2.resize(again(half, 90), (256, 256), interpolation=cv2.INTER_LINEAR)


def cut(crop):
    return cv2.resize(np.ascontiguousarray(crop[3:253, 4:253]), (256, 256))


CHANGES = {
    "saved again": lambda crop: again(crop, 40),
    "half size": smaller,
    "cut": cut,
    "brighter": lambda crop: np.clip(crop * 1.15 + 12.0, 0, 255).astype(np.uint8),
    "darker": lambda crop: (crop * 0.8).astype(np.uint8),
    "mirrored": lambda crop: np.ascontiguousarray(crop[:, ::-1]),
    "all at once": lambda crop: again(cut(smaller(crop)), 70),
}


@pytest.fixture(scope="module")
def crops() -> np.ndarray:
    """Photographs of people who do not exist, one person after the other."""
    rng, model = np.random.default_rng(11), face_model()
    made = []
    for _ in range(PEOPLE):
        person = rng.standard_normal(DIM).astype(np.float32) * 1.3
        for _ in range(PHOTOGRAPHS):
            look = rng.standard_normal(DIM).astype(np.float32) * 2
            face = cv2.resize(model.sample(person, look), (180, 225))
            crop = np.full((256, 256, 3), rng.integers(0, 256, 3), np.uint8)
            crop[20:245, 38:218] = face
            made.append(again(crop, 95))
    return np.stack(made)


@pytest.fixture(scope="module")
def embedder(tmp_path_factory):
    from elenco.layout import Layout
    from elenco.settings import load_settings

    folder = tmp_path_factory.mktemp("nothing")
    settings = load_settings(
        paths={"data": folder, "models": folder}, embedding={"embedder": "dlib_resnet"}
    )
    return load_embedder("dlib_resnet", settings, Layout.of(settings))


@pytest.fixture(scope="module")
def vectors(crops, embedder) -> np.ndarray:
    return embedder.embed(crops)


def faces_of(vectors, crops, labels, held_out) -> Faces:
    none = np.zeros(len(labels), bool)
    quality = np.full(len(labels), 0.9, np.float32)
    hashes = np.array([phash(crop) for crop in crops])
    return Faces(vectors, labels, quality, hashes, held_out, none, none.copy())


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_no_copy_of_a_training_photograph_counts_in_the_test(crops, vectors, embedder, change):
    """Everybody's last photograph is held out, and so are copies of their first."""
    labels = np.repeat(np.arange(PEOPLE), PHOTOGRAPHS)
    copied = np.arange(0, len(crops), PHOTOGRAPHS)
    copies = np.stack([change(crop) for crop in crops[copied]])
    faces = faces_of(
        np.concatenate([vectors, embedder.embed(copies)]),
        [*crops, *copies],
        np.concatenate([labels, np.arange(PEOPLE)]),
        np.concatenate([np.arange(len(crops)) % PHOTOGRAPHS == PHOTOGRAPHS - 1, [True] * PEOPLE]),
    )
    found = find(faces, PEOPLE, Curation())
    planted = np.arange(len(crops), len(crops) + PEOPLE)
    assert found.quarantined[planted].all()
    assert {REASONS[n] for n in found.reason[planted]} == {"near_duplicate"}
    assert found.other[planted].tolist() == copied.tolist()
    assert not found.quarantined[: len(crops)].any()


def test_of_two_to_train_on_the_better_one_stays(crops, vectors):
    labels = np.repeat(np.arange(PEOPLE), PHOTOGRAPHS)
    labels, rows = np.append(labels, 2), np.append(np.arange(len(crops)), 9)
    faces = faces_of(vectors[rows], crops[rows], labels, np.zeros(len(rows), bool))
    for better, worse in ((9, len(crops)), (len(crops), 9)):
        faces.quality[[better, worse]] = 0.95, 0.9
        found = find(faces, PEOPLE, Curation())
        assert np.flatnonzero(found.quarantined).tolist() == [worse]
        assert found.other[worse] == better
        assert 0 <= found.score[worse] < 0.01


def test_nothing_is_there_twice_where_that_is_switched_off(crops, vectors):
    labels = np.repeat(np.arange(PEOPLE), PHOTOGRAPHS)
    labels, rows = np.append(labels, 2), np.append(np.arange(len(crops)), 9)
    faces = faces_of(vectors[rows], crops[rows], labels, np.zeros(len(rows), bool))
    assert not find(faces, PEOPLE, Curation(duplicate_bits=0)).quarantined.any()


def test_a_photograph_of_two_people_stays_with_the_one_whom_it_fits(crops, vectors):
    labels = np.repeat(np.arange(PEOPLE), PHOTOGRAPHS)
    labels, rows = np.append(labels, 5), np.append(np.arange(len(crops)), 9)
    faces = faces_of(vectors[rows], crops[rows], labels, np.zeros(len(rows), bool))
    found = find(faces, PEOPLE, Curation())
    assert np.flatnonzero(found.quarantined).tolist() == [len(crops)]
    assert found.reason[9] == NONE


def drawn(rows, people, seed=0, dim=16) -> Pictures:
    rng = np.random.default_rng(seed)
    labels = np.sort(rng.integers(0, people, rows))
    middles = unit(rng.standard_normal((people, dim)).astype(np.float32))
    noise = rng.standard_normal((rows, dim)).astype(np.float32) * 0.5 / dim**0.5
    hashes = rng.integers(0, 2**64, rows, np.uint64)
    return Pictures(unit(middles[labels] + noise), labels, hashes)


def test_copies_are_found_among_many_people():
    pictures = drawn(6000, 600)
    rng = np.random.default_rng(1)
    copies, originals = rng.permutation(6000)[:400].reshape(2, 200)
    slightly = rng.standard_normal((200, 16)).astype(np.float32) * 0.01
    pictures.vectors[copies] = unit(pictures.vectors[originals] + slightly)
    pictures.phashes[copies] = pictures.phashes[originals] ^ np.uint64(0b101)
    order = np.arange(6000)
    typical = typical_distance(pictures, order)
    assert typical is not None
    found = across_people(pictures, order, typical, BITS)
    planted = {
        tuple(sorted(pair)) for pair in zip(copies.tolist(), originals.tolist(), strict=True)
    }
    theirs = {pair for pair in planted if pictures.labels[pair[0]] != pictures.labels[pair[1]]}
    seen = set(map(tuple, found.pairs.tolist()))
    assert seen <= theirs
    assert len(seen) >= 0.98 * len(theirs)
    own = within_people(pictures, order, typical, BITS)
    assert set(map(tuple, own.pairs.tolist())) == planted - theirs


def test_the_hash_alone_or_the_embedding_alone_is_not_enough():
    pictures = drawn(40, 4)
    order = np.arange(40)
    typical = typical_distance(pictures, order)
    assert typical is not None
    pictures.phashes[:] = pictures.phashes[0]
    near = within_people(pictures, order, typical, BITS)
    first, second = near.pairs.T
    assert (1 - (pictures.vectors[first] * pictures.vectors[second]).sum(1) <= typical).all()
    other = drawn(40, 4)
    other.vectors[:] = other.vectors[0]
    assert len(within_people(other, order, typical, 8).pairs) == 0


def test_nobody_goes_for_one_who_goes_too():
    chain = Twice(np.array([[0, 1], [1, 2], [2, 3]]), np.array([0.1, 0.2, 0.3], np.float32))
    gone = leaders(chain, np.arange(4))
    assert {row: other for row, (other, _) in gone.items()} == {1: 0, 3: 2}
    gone = leaders(chain, np.array([3, 2, 1, 0]))
    assert {row: other for row, (other, _) in gone.items()} == {2: 3, 0: 1}


def test_without_two_photographs_of_anybody_there_is_no_typical_distance():
    assert typical_distance(drawn(3, 3, seed=2), np.arange(1)) is None
