import numpy as np
import pytest

from elenco.evaluation import bootstrap
from elenco.evaluation.bootstrap import Resampling, estimate

STRATA = np.array([0, 0, 0, 1, 1])


def all_weights(resampling):
    return np.concatenate([*resampling.weights()])


def test_everybody_is_drawn_among_their_own_as_often_as_there_are_people():
    weights = all_weights(Resampling(STRATA, 200, seed=0))
    assert weights.shape == (200, 5)
    assert (weights[:, :3].sum(axis=1) == 3).all()
    assert (weights[:, 3:].sum(axis=1) == 2).all()
    assert weights.max() > 1
    np.testing.assert_allclose(weights.mean(axis=0), 1, atol=0.2)


def test_equal_arguments_draw_equally_and_another_seed_otherwise():
    first, again, other = (all_weights(Resampling(STRATA, 50, seed)) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_a_share_is_that_of_the_photographs_and_replicates_draw_people_with_all_of_theirs():
    rng = np.random.default_rng(0)
    people = np.sort(rng.integers(0, 5, 60))
    hits = rng.random((60, 3)) < [0.5, 0.9, 0.1]
    resampling = Resampling(np.zeros(5, np.int64), 300, seed=0)
    found = resampling.shares(hits, people)
    for j, figure in enumerate(found):
        drawn = [
            np.repeat(hits[:, j], counts[people].astype(int)).mean()
            for counts in all_weights(resampling)
        ]
        assert figure.value == pytest.approx(hits[:, j].mean())
        assert (figure.low, figure.high) == pytest.approx(np.quantile(drawn, [0.025, 0.975]))
        assert (figure.photographs, figure.people) == (60, 5)


def test_parts_of_replicates_make_no_difference(monkeypatch):
    people, hits = np.arange(40) % 8, np.arange(40) % 3 == 0
    whole = Resampling(np.zeros(8, np.int64), 100, seed=0)
    figures = whole.share(hits, people)
    monkeypatch.setattr(bootstrap, "WEIGHTS_AT_ONCE", 24)
    assert whole.share(hits, people) == figures


def test_more_photographs_of_the_same_people_do_not_narrow_the_interval():
    right = np.arange(50) % 5 > 0
    resampling = Resampling(np.zeros(50, np.int64), 1000, seed=0)
    few = resampling.share(right, np.arange(50))
    many = resampling.share(np.repeat(right, 20), np.repeat(np.arange(50), 20))
    assert (few.low, few.high) == pytest.approx((many.low, many.high))
    # 50 independent people of whom 80 % are right: 1.96 standard deviations are 11 points.
    assert few.low == pytest.approx(0.69, abs=0.03)


def test_where_nothing_goes_wrong_the_interval_follows_the_rule_of_3():
    found = Resampling(np.zeros(100, np.int64), 50, 0).share(np.ones(100, bool), np.arange(100))
    assert found.low == pytest.approx(1 - 3 / 100, abs=0.001)
    assert found.high == 1
    none = Resampling(np.zeros(100, np.int64), 50, 0).share(np.zeros(100, bool), np.arange(100))
    assert (none.low, none.high) == pytest.approx((0, 3 / 100), abs=0.001)


def test_what_can_not_be_measured_is_none():
    resampling = Resampling(np.zeros(3, np.int64), 10, seed=0)
    nothing = resampling.share(np.zeros(0, bool), np.zeros(0, np.int64))
    assert vars(nothing) == {
        "value": None,
        "low": None,
        "high": None,
        "photographs": 0,
        "people": 0,
    }
    one_person = resampling.share(np.array([True, False]), np.array([1, 1]))
    assert (one_person.value, one_person.low, one_person.people) == (0.5, None, 1)
    assert estimate(0.5, np.array([np.nan]), 4, 2).low is None


def test_all_people_count_the_same_however_many_photographs_there_are_of_them():
    people = np.array([0] * 9 + [1])
    hits = np.array([True] * 9 + [False])
    resampling = Resampling(np.zeros(2, np.int64), 100, seed=0)
    assert resampling.share(hits, people).value == 0.9
    assert resampling.share_of_people(hits, people).value == 0.5
    assert resampling.share_of_people(hits[:0], people[:0]).value is None
