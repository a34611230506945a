import numpy as np
import pytest

from elenco.errors import ConfigError
from elenco.evaluation.verification import judged, read_pairs, verify
from tests.evaluation_data import photographs

VIEW_1 = "2\nAda\t1\t2\nBo\t1\t3\nAda\t1\tBo\t1\nBo\t2\tCy\t10\n"


def written(tmp_path, text):
    path = tmp_path / "pairs.txt"
    path.write_text(text)
    return path


def test_view_1_has_pairs_of_one_person_and_then_of_two(tmp_path):
    pairs = read_pairs(written(tmp_path, VIEW_1))
    assert pairs.first == [("Ada", 1), ("Bo", 1), ("Ada", 1), ("Bo", 2)]
    assert pairs.second == [("Ada", 2), ("Bo", 3), ("Bo", 1), ("Cy", 10)]
    assert pairs.same.tolist() == [True, True, False, False]
    assert pairs.folds is None


def test_view_2_says_which_fold_a_pair_is_of(tmp_path):
    fold = "A 1 2\nA 2 3\nA 1 B 1\nB 1 A 2\n"
    pairs = read_pairs(written(tmp_path, "10\t2\n" + fold * 10))
    assert len(pairs.first) == 40
    assert pairs.folds is not None
    assert pairs.folds.tolist() == np.repeat(np.arange(10), 4).tolist()


def test_names_with_spaces_are_told_apart_by_tabs(tmp_path):
    pairs = read_pairs(written(tmp_path, "1\nAda Lovelace\t1\t2\nAda Lovelace\t1\tBo\t1\n"))
    assert pairs.first == [("Ada Lovelace", 1), ("Ada Lovelace", 1)]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "does not begin with the number of pairs"),
        ("many\n", "does not begin with the number of pairs"),
        ("0\n", "does not begin with the number of pairs"),
        ("1\nAda 1 2\nAda 1\n", "line 3"),
        ("1\nAda 1 2\nAda one Bo 2\n", "line 3"),
        ("2\nAda 1 2\nAda 1 Bo 2\n", "has 2 pairs where its first line says 4"),
    ],
)
def test_a_wrong_file_gives_one_line_that_says_what_is_wrong(tmp_path, text, says):
    with pytest.raises(ConfigError, match=says) as caught:
        read_pairs(written(tmp_path, text))
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_or_no_text(tmp_path):
    with pytest.raises(ConfigError, match="can't be read"):
        read_pairs(tmp_path / "none.txt")
    (tmp_path / "photo.jpg").write_bytes(b"\xff\xd8\xff\xe0")
    with pytest.raises(ConfigError, match="is not a text file of pairs"):
        read_pairs(tmp_path / "photo.jpg")


def test_each_fold_is_judged_by_the_best_threshold_of_the_others():
    rng = np.random.default_rng(0)
    same = rng.random(200) < 0.5
    scores = (rng.integers(0, 30, 200) / 30 + 0.4 * same).astype(np.float32)
    scores[5] = np.nan
    folds = rng.integers(0, 10, 200)
    expected = np.zeros(200, bool)
    for fold in range(10):
        train, test = (folds != fold) & np.isfinite(scores), folds == fold
        values = np.unique(scores[train])
        candidates = (values + np.concatenate([values[:1], values[:-1]])) / 2
        counts = ((scores[train] >= candidates[:, None]) == same[train]).sum(axis=1)
        best = candidates[counts == counts.max()].mean()
        expected[test] = ((scores[test] >= best) == same[test]) & np.isfinite(scores[test])
    found = judged(scores, same, folds)
    np.testing.assert_array_equal(found, expected)
    assert not found[5]


def test_verify_tells_people_apart_and_counts_photographs_without_a_face(tmp_path):
    data = photographs([4] * 20, spread=0.05)
    lines = ["40"]
    lines += [f"p{p:04d}\t{a}\t{a + 1}" for p in range(20) for a in (1, 2)]
    lines += [f"p{p:04d}\t{a}\tp{(p + 1) % 20:04d}\t{a}" for p in range(20) for a in (1, 2)]
    pairs = read_pairs(written(tmp_path, "\n".join(lines)))
    rows = {(f"p{p:04d}", n + 1): 4 * p + n for p in range(20) for n in range(4)}
    found = verify(pairs, rows, data, 100, 0)
    assert (found.pairs, found.same, found.without_face) == (80, 40, 0)
    assert found.accuracy == 1
    assert [at.rate for at in found.tar_at_far] == [0.1, 0.01, 0.001]
    assert found.tar_at_far[0].found.value == 1
    assert found.tar_at_far[1].found.value is None  # 40 pairs of two people don't show 1 %
    assert found.folds == "drawn"
    del rows["p0000", 1]
    lost = verify(pairs, rows, data, 100, 0)
    assert lost.without_face == 3
    assert lost.accuracy < 1
    assert lost == verify(pairs, rows, data, 100, 0)
