from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elenco.recognition import scoring
from elenco.recognition.dataset import class_sums
from elenco.recognition.fit import fit
from elenco.recognition.gallery import NEVER
from elenco.recognition.rehearsal import Rehearsing, equally, quantile, sample, threshold_for
from elenco.recognition.scoring import projected
from elenco.settings import load_settings
from elenco.vectors import unit
from tests.evaluation_data import photographs

SEEDS = st.integers(0, 2**32 - 1)
# How many of each of 500 people there are.
PEOPLE = np.repeat(np.arange(500), np.random.default_rng(0).integers(1, 60, 500))


def rehearsing(counts, seed=0):
    data = photographs(counts, seed)
    gallery = fit(data, load_settings())
    return Rehearsing(gallery, data.vectors, data.labels), gallery, data


@settings(max_examples=20)
@given(st.lists(st.integers(2, 6), min_size=2, max_size=6), SEEDS)
def test_a_known_photograph_meets_a_vector_that_it_is_no_part_of(counts, seed):
    asked, gallery, data = rehearsing(counts, seed)
    rows = np.arange(len(data))
    found = asked.as_known(rows)
    for row, person in enumerate(data.labels):
        rest = rows != row
        sums = class_sums(
            projected(data.vectors[rest], gallery.projection), data.labels[rest], len(counts)
        )
        vectors = gallery.vectors.copy()
        vectors[person] = unit(sums)[person]
        expected = replace(gallery, vectors=vectors).scores(data.vectors[row : row + 1])[0]
        np.testing.assert_allclose(found[row], expected, atol=1e-5)


def test_a_stranger_meets_everybody_but_the_person_shown(monkeypatch):
    asked, gallery, data = rehearsing([3, 1, 2, 5, 1])
    rows = np.array([0, 3, 5, 11])
    found = asked.as_strangers(rows)
    np.testing.assert_array_equal(found, gallery.scores(data.vectors[rows], data.labels[rows]))
    assert (found[np.arange(4), data.labels[rows]] == NEVER).all()
    every = np.arange(len(data))
    best = asked.as_strangers(every).max(axis=1)
    for at_once in (1, 13, 1 << 24):
        monkeypatch.setattr(scoring, "SCORES_AT_ONCE", at_once)
        np.testing.assert_allclose(asked.highest_as_strangers(every), best, atol=1e-6)
    assert asked.highest_as_strangers(every[:0]).shape == (0,)


@given(st.integers(0, 40), st.integers(1, 50), SEEDS)
def test_a_sample_depends_on_names_alone(count, most, seed):
    names = [f"p/{n}" for n in range(count)]
    rows = sample(np.arange(count), names, "purpose", most)
    assert len(rows) == min(count, most)
    assert rows.tolist() == sorted(set(rows.tolist()))
    order = np.random.default_rng(seed).permutation(count)
    shuffled = sample(np.arange(count), [names[n] for n in order], "purpose", most)
    assert {names[order[row]] for row in shuffled} == {names[row] for row in rows}


def test_another_purpose_samples_others():
    names = [f"p/{n}" for n in range(1000)]
    one, other = (sample(np.arange(1000), names, purpose, 100) for purpose in ("a", "b"))
    assert 0 < len(np.intersect1d(one, other)) < 50


def test_all_people_weigh_the_same():
    weights = equally(np.array([7, 2, 7, 7, 7, 2, 5]))
    np.testing.assert_allclose(weights, np.array([1 / 4, 1 / 2, *[1 / 4] * 3, 1 / 2, 1]) / 3)
    assert equally(np.zeros(0, np.int64)).tolist() == []


def test_a_quantile_is_reached_by_the_share_of_people_left():
    scores = np.arange(10, dtype=np.float32)
    assert [quantile(scores, np.arange(10), share) for share in (0.1, 0.5, 0.9, 1.0)] == [
        0,
        4,
        8,
        9,
    ]
    # Nine photographs of one and one of another: half of all people are the first.
    people = np.array([0] * 9 + [1])
    assert quantile(scores, people, 0.5) == 8
    assert quantile(scores, people, 0.51) == 9


def reached(threshold, scores):
    return float((scores >= np.float32(threshold)).mean())


@pytest.mark.parametrize("rate", [0.05, 0.01, 0.001])
def test_of_normal_scores_the_share_asked_for_reaches_the_threshold(rate):
    rng = np.random.default_rng(1)
    seen, others = (rng.normal(0.6, 0.03, n).astype(np.float32) for n in (len(PEOPLE), 10**6))
    found = reached(threshold_for(seen, PEOPLE, rate), others)
    assert rate / 1.6 < found < rate * 1.6


def test_a_few_look_alikes_hardly_move_the_threshold():
    rng = np.random.default_rng(2)
    seen, others = (rng.normal(0.6, 0.03, n).astype(np.float32) for n in (len(PEOPLE), 10**6))
    sisters = PEOPLE < 5  # 1 % of the people
    seen[sisters] = rng.normal(0.85, 0.02, sisters.sum())
    assert 0.005 < reached(threshold_for(seen, PEOPLE, 0.01), others) < 0.015
    assert quantile(seen, PEOPLE, 0.99) > 0.7  # what the scores themselves would say


@given(SEEDS, st.floats(0.1, 0.9), st.integers(1, 300))
def test_from_a_tenth_on_the_scores_themselves_decide(seed, rate, count):
    rng = np.random.default_rng(seed)
    scores = rng.exponential(1, count).astype(np.float32)
    people = np.arange(count)
    threshold = threshold_for(scores, people, rate)
    assert reached(threshold, scores) <= rate + 1e-9
    assert reached(np.nextafter(np.float32(threshold), np.float32(-1)), scores) >= rate - 1e-9


@pytest.mark.parametrize("rate", [0.2, 0.01])
def test_who_is_photographed_most_does_not_decide(rate):
    rng = np.random.default_rng(3)
    scores = rng.normal(0.6, 0.03, 200).astype(np.float32)
    before = threshold_for(scores, np.arange(200), rate)
    many = np.concatenate([scores, rng.normal(0.9, 0.01, 1000).astype(np.float32)])
    people = np.concatenate([np.arange(200), np.full(1000, 200)])
    assert threshold_for(many, people, rate) == pytest.approx(before, abs=0.005)
    assert threshold_for(many, np.arange(1200), rate) > before + 0.2


def test_no_scores_and_one_score_and_equal_scores():
    assert threshold_for(np.zeros(0, np.float32), np.zeros(0, np.int64), 0.01) == -1
    for count in (1, 7):
        same = np.full(count, 0.5, np.float32)
        threshold = threshold_for(same, np.arange(count), 0.01)
        assert 0.5 < threshold < 0.5001
