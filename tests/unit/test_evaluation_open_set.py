import numpy as np
import pytest

from elenco.evaluation.bootstrap import Resampling
from elenco.evaluation.open_set import curve_rates, open_set, outcomes
from elenco.recognition.search import Search
from tests.evaluation_data import answers


def measured(n=400, seed=0, curve=True):
    """Known faces that mostly score high, and strangers that mostly do not."""
    rng = np.random.default_rng(seed)
    people, strangers = np.arange(n) % 40, np.arange(n) % 50 + 40
    truth = people
    best = np.where(rng.random(n) < 0.95, truth, (truth + 1) % 40)
    known = answers(best, rng.normal(0.8, 0.1, n))
    others = answers(rng.integers(0, 40, n), rng.normal(0.5, 0.1, n))
    resampling = Resampling(np.repeat([0, 1], [40, 50]), 200, seed)
    return open_set(known, truth, people, others, strangers, 0.7, resampling, curve), known, truth


def test_each_known_face_is_named_right_called_unknown_or_named_wrong():
    search = answers([0, 1, 0, 2], [0.9, 0.2, 0.8, 0.5])
    found = outcomes(search, np.array([0, 1, 1, 2]), 0.5)
    assert found.astype(int).tolist() == [
        [1, 1, 0, 0],
        [1, 0, 1, 0],
        [0, 0, 0, 1],
        [1, 1, 0, 0],
    ]
    figures, _, _ = measured()
    parts = (figures.named_right, figures.called_unknown, figures.named_wrong)
    assert sum(part.value for part in parts) == pytest.approx(1)


def test_top_5_looks_at_all_candidates():
    candidates = np.array([[0, 1, 2], [2, 0, 1], [1, 2, 0]])
    flat = np.tile(np.float32([0.9, 0.5, 0.1]), (3, 1))
    search = Search(candidates, flat, flat, np.zeros(3, np.float32))
    resampling = Resampling(np.zeros(3, np.int64), 20, 0)
    nobody = answers([], [])
    found = open_set(search, np.array([0, 0, 3]), np.arange(3), nobody, np.arange(0), 0, resampling)
    assert found.top1.value == pytest.approx(1 / 3)
    assert found.top5.value == pytest.approx(2 / 3)
    assert found.strangers_called_unknown.value is None
    assert [at.found.value for at in found.dir_at_fpir] == [None, None, None]


def test_figures_agree_with_counting():
    figures, known, truth = measured()
    best, scores = known.candidates[:, 0], known.scores[:, 0]
    assert figures.top1.value == pytest.approx((best == truth).mean())
    assert figures.named_right.value == pytest.approx(((best == truth) & (scores >= 0.7)).mean())
    assert figures.strangers_called_unknown.value == pytest.approx(0.977, abs=0.02)
    assert (figures.people, figures.stranger_people) == (40, 50)
    assert [at.found.value is None for at in figures.dir_at_fpir] == [False, False, True]
    for figure in (figures.top1, figures.named_right, figures.dir_at_fpir[1].found):
        assert figure.low < figure.value < figure.high


def test_more_strangers_let_through_are_more_people_named_right():
    curve = measured()[0].curve
    assert (np.diff(curve.fpir) > 0).all()
    assert (np.diff(curve.dir) >= 0).all()
    assert (np.array(curve.low) <= curve.dir).all()
    assert (np.array(curve.high) >= curve.dir).all()
    assert curve.fpir[0] == pytest.approx(1 / 400)
    assert measured(curve=False)[0].curve is None
    assert curve_rates(1) == []


def test_equal_inputs_give_equal_figures():
    assert measured()[0] == measured()[0]
