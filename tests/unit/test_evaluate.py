import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elenco.recognition import evaluate
from elenco.recognition.evaluate import Ranked, answers, dir_at_fpir, rank, threshold_at, top

scores = st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=50).map(
    lambda values: np.array(values, np.float32)
)


def ranked(ranks, best):
    return Ranked(np.array(ranks, np.int64), np.array(best, np.float32))


def test_rank_counts_who_scores_higher_and_a_tie_counts_against_us():
    class_vectors = np.eye(3, dtype=np.float32)
    vectors = np.array([[0.9, 0.1, 0.0], [0.5, 0.5, 0.0], [0.2, 0.3, 0.1]], np.float32)
    found = rank(vectors, np.array([0, 0, 2]), class_vectors)
    assert found.ranks.tolist() == [0, 1, 2]
    assert found.best.tolist() == pytest.approx([0.9, 0.5, 0.3])


def test_rank_is_the_same_in_small_pieces(monkeypatch):
    rng = np.random.default_rng(0)
    vectors, classes = (rng.normal(size=(n, 8)).astype(np.float32) for n in (50, 20))
    labels = rng.integers(0, 20, 50)
    whole = rank(vectors, labels, classes)
    monkeypatch.setattr(evaluate, "SCORES_AT_ONCE", 45)
    pieces = rank(vectors, labels, classes)
    np.testing.assert_array_equal(whole.ranks, pieces.ranks)
    np.testing.assert_allclose(whole.best, pieces.best, rtol=1e-6)


def test_top_k():
    found = ranked([0, 0, 3, 7], [1, 1, 1, 1])
    assert (top(found, 1), top(found, 5)) == (0.5, 0.75)
    assert top(ranked([], []), 1) is None


def test_each_answer_is_right_unknown_or_wrong():
    found = answers(ranked([0, 0, 1, 2], [0.9, 0.2, 0.8, 0.1]), 0.5)
    assert vars(found) == {"n": 4, "named_right": 1, "called_unknown": 2, "named_wrong": 1}


@given(scores, st.floats(0.001, 0.999))
def test_the_threshold_is_the_lowest_that_keeps_the_rate(strangers, rate):
    threshold = np.float32(threshold_at(strangers, rate))
    assert (strangers >= threshold).sum() <= rate * len(strangers)
    lower = strangers[strangers < threshold]
    if len(lower):
        assert (strangers >= lower.max()).sum() > int(rate * len(strangers))


@given(scores, st.floats(-1, 1))
def test_answers_add_up(best, threshold):
    found = answers(ranked(np.arange(len(best)) % 3, best), threshold)
    assert found.named_right + found.called_unknown + found.named_wrong == found.n == len(best)


def test_dir_is_named_rightly_at_the_threshold_that_strangers_set():
    strangers = np.linspace(0, 0.99, 100, dtype=np.float32)
    known = ranked([0, 0, 1, 0], [0.995, 0.97, 0.999, 0.985])
    # One stranger of a hundred may be named: the threshold lies just above the second highest.
    assert dir_at_fpir(known, strangers, 0.01) == 0.5
    assert dir_at_fpir(known, strangers[:0], 0.01) is None
    assert dir_at_fpir(ranked([], []), strangers, 0.01) is None
