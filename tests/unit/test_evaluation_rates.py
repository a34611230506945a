import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elenco.evaluation.bootstrap import Resampling
from elenco.evaluation.rates import Side, found_at, threshold_at

scores = st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=50).map(
    lambda values: np.array(values, np.float32)
)


def side(values, right, people):
    values, people = np.array(values, np.float32), np.array(people)
    return Side(values, np.array(right, bool), lambda w: w[:, people], len(np.unique(people)))


@given(scores, st.floats(0.001, 0.999))
def test_the_threshold_is_the_lowest_that_keeps_the_rate(strangers, rate):
    threshold = threshold_at(strangers, rate)
    if threshold is None:
        assert rate * len(strangers) < 1
        return
    threshold = np.float32(threshold)
    assert (strangers >= threshold).sum() <= rate * len(strangers) + 1e-6
    lower = strangers[strangers < threshold]
    if len(lower):
        assert (strangers >= lower.max()).sum() > int(rate * len(strangers))


def test_a_rate_needs_as_many_strangers_as_one_over_it():
    assert threshold_at(np.linspace(0, 1, 99, dtype=np.float32), 0.01) is None
    assert threshold_at(np.linspace(0, 1, 100, dtype=np.float32), 0.01) is not None
    assert threshold_at(np.linspace(0, 1, 30, dtype=np.float32), 0.1) is not None
    assert threshold_at(np.zeros(0, np.float32), 0.5) is None


def test_dir_is_named_rightly_at_the_threshold_that_strangers_set():
    strangers = side(np.linspace(0, 0.99, 100), np.zeros(100), np.arange(100) + 4)
    known = side([0.995, 0.97, 0.999, 0.985], [1, 1, 0, 1], range(4))
    strata = np.array([0] * 4 + [1] * 100)
    (found,) = found_at(known, strangers, [0.01], Resampling(strata, 100, 0))
    # One stranger of a hundred may be named: the threshold lies just above the second highest.
    assert found.found.value == 0.5
    assert found.threshold == pytest.approx(0.98)
    assert (found.found.photographs, found.found.people) == (4, 4)


@pytest.mark.parametrize("distinct", [1000, 12])
def test_replicates_draw_strangers_and_with_them_the_threshold(distinct):
    rng = np.random.default_rng(0)
    theirs = rng.integers(0, distinct, 300) / distinct
    ours = 0.2 + rng.integers(0, distinct, 200) / distinct
    right, people = rng.random(200) < 0.9, rng.integers(0, 30, 200)
    others = rng.integers(30, 60, 300)
    resampling = Resampling(np.repeat([0, 1], 30), 60, seed=1)
    known, strangers = side(ours, right, people), side(theirs, np.zeros(300), others)
    rates = [0.3, 0.05, 0.01]
    found = found_at(known, strangers, rates, resampling)
    for rate, at in zip(rates, found, strict=True):
        drawn = []
        for weights in np.concatenate([*resampling.weights()]).astype(int):
            drawn_strangers = np.repeat(strangers.scores, weights[others])
            allowed = int(rate * len(drawn_strangers) + 1e-9)
            limit = np.sort(drawn_strangers)[::-1][allowed]
            hit = known.right & (known.scores > limit)
            drawn.append(np.repeat(hit, weights[people]).mean())
        assert (at.found.low, at.found.high) == pytest.approx(
            np.quantile(drawn, [0.025, 0.975]), abs=1e-12
        )


def test_without_faces_or_strangers_nothing_is_measured():
    nobody = side([], [], np.zeros(0, np.int64))
    one = side([0.5, 0.4], [1, 1], [0, 1])
    resampling = Resampling(np.zeros(2, np.int64), 10, 0)
    for known, strangers in ((one, nobody), (nobody, one), (nobody, nobody)):
        (found,) = found_at(known, strangers, [0.5], resampling)
        assert found.found.value is None
        assert found.found.low is None
