import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elenco.recognition.dataset import class_means
from elenco.recognition.unknown import (
    NEVER,
    Cosines,
    calibrate,
    evaluation_half,
    fit_scale,
    folds_of,
    leave_one_out,
    sample_rows,
    score_strangers,
)
from elenco.vectors import unit

IDS = [f"p{n}" for n in range(30)]


def people(count, photos, spread=0.6, dim=24):
    rng = np.random.default_rng(0)
    centres = unit(rng.normal(size=(count, dim)).astype(np.float32))
    labels = np.repeat(np.arange(count), photos)
    noise = rng.normal(size=(len(labels), dim)) * (spread / dim**0.5)
    return unit((centres[labels] + noise).astype(np.float32)), labels


def test_a_stranger_is_scored_against_everybody_else_and_never_against_themselves():
    vectors, labels = people(30, 3)
    cosines = vectors @ class_means(vectors, labels, 30).T
    own = np.arange(30) == labels[:, None]
    sampled = np.array([2, 3, 50])
    found = score_strangers(vectors, labels, folds_of(IDS, 5), 0, 20.0, 0, sampled)
    expected = np.where(own, NEVER, cosines)
    np.testing.assert_allclose(found.scores, expected.max(axis=1), atol=1e-6)
    np.testing.assert_allclose(found.sample, expected[sampled], atol=1e-6)


def test_a_fold_is_trained_without_its_people():
    vectors, labels = people(6, 4, spread=1.5)
    folds = folds_of(IDS[:6], 3)
    sampled = np.arange(len(labels))
    before = score_strangers(vectors, labels, folds, 2, 20.0, 0, sampled)
    fold = folds[labels] == 0
    changed = vectors.copy()
    changed[fold] = unit(np.random.default_rng(5).normal(size=changed[fold].shape)).astype("f4")
    # With the photographs of fold 0 replaced, its classes (all that is trained on is elsewhere)
    # are as they were: a vector scored in fold 0 against the others' classes scores the same.
    changed_back = changed.copy()
    row = int(np.flatnonzero(fold)[0])
    changed_back[row] = vectors[row]
    after = score_strangers(changed_back, labels, folds, 2, 20.0, 0, sampled)
    others = np.flatnonzero(folds != 0)
    np.testing.assert_allclose(after.sample[row, others], before.sample[row, others], atol=1e-5)


@given(st.integers(1, 40), st.integers(2, 10))
def test_everybody_is_a_stranger_in_one_fold_and_no_fold_is_empty(count, folds):
    ids = [f"person {n}" for n in range(count)]
    found = folds_of(ids, folds)
    assert set(found.tolist()) == set(range(min(folds, count)))
    half = evaluation_half(ids)
    assert half.sum() == count // 2
    assert folds_of(ids[::-1], folds)[::-1].tolist() == found.tolist()


def test_leave_one_out_is_the_mean_without_the_photograph():
    vectors, labels = people(5, 3)
    found = leave_one_out(vectors, labels, 5, np.array([4]))
    rest = unit(vectors[[3, 5]].sum(axis=0))
    assert found.labels.tolist() == [1]
    assert found.values[0, 1] == pytest.approx(float(vectors[4] @ rest), abs=1e-6)
    means = class_means(vectors, labels, 5)
    assert found.values[0, 0] == pytest.approx(float(vectors[4] @ means[0]), abs=1e-6)


def test_the_scale_that_made_the_answers_is_found_again():
    rng = np.random.default_rng(0)
    cosines = rng.uniform(-0.3, 0.3, (4000, 8)).astype(np.float32)
    odds = np.exp(25 * cosines)
    right = (rng.random((4000, 1)) > (odds / odds.sum(1, keepdims=True)).cumsum(1)).sum(1)
    found = fit_scale(Cosines(cosines, np.minimum(right, 7)), cosines)
    assert found == pytest.approx(25, rel=0.15)


def test_without_a_second_photograph_of_anybody_the_spread_of_strangers_sets_the_scale():
    nobody = Cosines(np.empty((0, 4), np.float32), np.empty(0, np.int64))
    wide = np.random.default_rng(0).normal(0, 0.2, (50, 4)).astype(np.float32)
    assert fit_scale(nobody, wide / 10) == pytest.approx(10 * fit_scale(nobody, wide), rel=0.01)


def test_half_of_the_people_choose_and_the_others_judge():
    vectors, labels = people(30, 8)
    sampled = sample_rows(np.arange(len(labels)), [str(n) for n in range(len(labels))])
    strangers = score_strangers(vectors, labels, folds_of(IDS, 5), 0, 20.0, 0, sampled)
    known = leave_one_out(vectors, labels, 30, sampled)
    found = calibrate(strangers, labels, IDS, known, 0.1)
    judges = evaluation_half(IDS)[labels]
    assert (strangers.scores[~judges] >= found.threshold).mean() <= 0.1
    assert found.called_unknown == pytest.approx(
        float((strangers.scores[judges] < found.threshold).mean())
    )
    assert (found.calibration_people, found.evaluation_people) == (15, 15)
    assert (found.calibration_photographs, found.evaluation_photographs) == (120, 120)
    logit = found.scale * found.threshold
    assert float(np.float16(logit)) == pytest.approx(logit, rel=1e-9)
