"""Perceptual hashes of pictures, and what small changes do to them."""

import cv2
import numpy as np
import pytest

from elenco.curation.hashes import BITS, differing_bits, mirrored, phash
from elenco.demo.face_model import DIM, face_model
from elenco.faces.images import decode, encode_jpeg


def face(seed: int) -> np.ndarray:
    """A person who does not exist, as large as a crop."""
    rng = np.random.default_rng(seed)
    person, look = rng.standard_normal((2, DIM)).astype(np.float32)
    return cv2.resize(face_model().sample(person, look), (256, 256))


def brighter(crop):
    return np.clip(crop * 1.15 + 12, 0, 255).astype(np.uint8)


def smaller(crop):
    half = cv2.resize(crop, (128, 128), interpolation=cv2.INTER_AREA)
    return cv2.resize(half, (256, 256), interpolation=cv2.INTER_LINEAR)


def cut(crop):
    return cv2.resize(np.ascontiguousarray(crop[4:252, 5:254]), (256, 256))


CHANGES = {
    "as it is": lambda crop: crop,
    "JPEG at 40": lambda crop: decode(encode_jpeg(crop, 40), 1),
    "half size": smaller,
    "brighter": brighter,
    "cut": cut,
    "grey": lambda crop: np.repeat(crop.mean(axis=2, keepdims=True), 3, 2).astype(np.uint8),
    "mirrored": lambda crop: np.ascontiguousarray(crop[:, ::-1]),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_changed_picture_is_near_and_others_are_not(change):
    before = np.array([phash(face(seed)) for seed in range(6)])
    after = np.array([phash(change(face(seed))) for seed in range(6)])
    apart = differing_bits(before[:, None], after[None])
    own = np.eye(6, dtype=bool)
    assert apart[own].max() <= 8
    assert apart[~own].min() > 8


def test_half_of_the_bits_are_set_and_the_first_is_the_brightness():
    bits = np.array([phash(face(seed)) for seed in range(6)])
    assert np.bitwise_count(bits).tolist() == [BITS // 2] * 6
    assert (bits >> np.uint64(63)).tolist() == [1] * 6


def test_a_known_picture_has_its_known_hash():
    known = np.array([0xCFFA37246125078E], np.uint64)
    # Another processor may round a frequency to the other side of the median.
    assert np.bitwise_count(np.array([phash(face(0))]) ^ known).max() <= 2


def test_mirroring_twice_changes_nothing_and_distances_are_symmetrical():
    rng = np.random.default_rng(0)
    one, other = rng.integers(0, 2**64, (2, 100), np.uint64)
    assert (mirrored(mirrored(one)) == one).all()
    assert (differing_bits(one, other) == differing_bits(other, one)).all()
    assert (differing_bits(one, mirrored(one)) == 0).all()
