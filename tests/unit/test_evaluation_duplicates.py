import numpy as np
import pytest

from elenco.errors import NotEnoughData
from elenco.evaluation.duplicates import near_duplicates
from elenco.storage import write_npz
from tests.evaluation_data import photographs


def write(path, data, phashes, quality):
    write_npz(
        path,
        vectors=data.vectors,
        labels=data.labels,
        person_ids=data.person_ids,
        keys=data.keys,
        quality=np.array(quality, np.float32),
        phashes=np.array(phashes, np.uint64),
    )


def test_of_a_photograph_that_is_there_twice_the_better_one_stays(tmp_path):
    data = photographs([4, 4, 2], spread=0.2)
    hashes = np.random.default_rng(0).integers(0, 1 << 63, 10).astype(np.uint64)
    vectors = data.vectors
    vectors[1], hashes[1] = vectors[0], hashes[0] ^ np.uint64(1)  # one person's
    vectors[8], hashes[8] = vectors[5], hashes[5]  # of two people
    vectors[6] = vectors[7]  # as like, but another picture
    quality = [0.9, 0.8, 1, 1, 1, 0.5, 1, 1, 0.6, 1]
    write(tmp_path / "train.npz", data, hashes, quality)
    found = near_duplicates(tmp_path / "train.npz", 16)
    assert found == {"p0000/k00001", "p0001/k00005"}
    assert near_duplicates(tmp_path / "train.npz", 0) == frozenset()


def test_where_nobody_has_two_photographs_none_is_there_twice(tmp_path):
    data = photographs([1, 1, 1])
    write(tmp_path / "train.npz", data, [1, 1, 1], [1, 1, 1])
    assert near_duplicates(tmp_path / "train.npz", 16) == frozenset()


def test_a_file_without_hashes_says_what_to_do(tmp_path):
    write_npz(tmp_path / "train.npz", vectors=np.zeros((1, 2), np.float32))
    with pytest.raises(NotEnoughData, match="delete it"):
        near_duplicates(tmp_path / "train.npz", 16)
