import numpy as np
import pytest

from elenco.evaluation.bootstrap import Resampling
from elenco.evaluation.calibration import BINS, calibration
from tests.evaluation_data import answers

NOBODY = answers([], [])


def measure(confidence, right, strangers=NOBODY, threshold=-1.0):
    n = len(confidence)
    truth = np.where(right, 0, 1)
    known = answers(np.zeros(n), np.zeros(n), confidence)
    people, theirs = np.arange(n) % 30, np.arange(len(strangers)) % 10 + 30
    resampling = Resampling(np.repeat([0, 1], [30, 10]), 200, 0)
    return calibration(known, truth, people, strangers, theirs, threshold, resampling)


def test_probabilities_that_mean_what_they_say_have_next_to_no_error():
    rng = np.random.default_rng(0)
    confidence = rng.random(20_000)
    found = measure(confidence, rng.random(20_000) < confidence).known
    assert found.ece.value < 0.02
    assert found.ece_equal_mass.value < 0.02
    assert found.confidence == pytest.approx(0.5, abs=0.01)
    for bin_ in found.bins:
        assert bin_.right == pytest.approx(bin_.confidence, abs=0.05)
        assert bin_.low <= bin_.confidence <= bin_.high
    assert sum(bin_.share for bin_ in found.bins) == pytest.approx(1)


def test_being_too_sure_is_the_error():
    found = measure(np.full(1000, 0.95), np.arange(1000) % 10 < 7).known
    assert found.ece.value == pytest.approx(0.25, abs=1e-5)
    assert found.ece_equal_mass.value == pytest.approx(0.25, abs=1e-5)
    assert found.ece.low <= found.ece.value <= found.ece.high
    assert (found.ece.photographs, found.ece.people) == (1000, 30)


def test_the_error_is_the_mean_distance_over_bins_of_equal_width():
    rng = np.random.default_rng(1)
    confidence = rng.beta(5, 1, 3000).astype(np.float32)
    right = rng.random(3000) < 0.8
    bins = np.minimum((confidence.astype(float) * BINS).astype(int), BINS - 1)
    expected = sum(
        (bins == b).mean() * abs(confidence[bins == b].mean() - right[bins == b].mean())
        for b in range(BINS)
        if (bins == b).any()
    )
    assert measure(confidence, right).known.ece.value == pytest.approx(expected, abs=1e-5)


def test_bins_of_equal_mass_keep_equal_probabilities_together():
    sure = np.concatenate([np.full(500, 1.0), np.linspace(0.5, 0.9, 500)])
    # In the bin of certainty every second answer is wrong, in whatever order they come.
    right = np.concatenate([np.arange(500) % 2 == 0, np.ones(500, bool)])
    found = measure(sure, right).known
    assert found.ece_equal_mass.value == pytest.approx(0.5 * 0.5 + 0.5 * 0.3, abs=0.01)


def test_strangers_count_a_half_and_unknown_is_their_right_answer():
    # Nine times as many known faces, all right; of the strangers half get a name.
    strangers = answers(np.zeros(100), [0.9, 0.1] * 50, [1.0] * 100, [1.0] * 100)
    known = answers(np.zeros(900), np.full(900, 0.9), np.ones(900))
    people = np.arange(900) % 30, np.arange(100) % 10 + 30
    resampling = Resampling(np.repeat([0, 1], [30, 10]), 50, 0)
    found = calibration(known, np.zeros(900, int), people[0], strangers, people[1], 0.5, resampling)
    assert found.known.ece.value == 0
    assert found.all.right == pytest.approx(0.75)
    assert found.all.ece.value == pytest.approx(0.25)
    assert found.all.ece.photographs == 1000


def test_without_answers_nothing_is_measured():
    found = measure(np.zeros(0), np.zeros(0, bool))
    assert found.known.ece.value is None
    assert found.known.confidence is None
    assert found.all.ece.value is None
