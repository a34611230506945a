from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elenco.evaluation.open_set import is_unknown
from elenco.recognition import scoring
from elenco.recognition.fit import fit
from elenco.recognition.gallery import NEVER, Gallery
from elenco.recognition.scoring import find_cohort, projected
from elenco.settings import load_settings
from elenco.vectors import unit
from tests.evaluation_data import DIM, photographs

SEEDS = st.integers(0, 2**32 - 1)


def made(counts, seed=0) -> Gallery:
    return fit(photographs(counts, seed), load_settings())


def faces(count, seed=1):
    return unit(np.random.default_rng(seed).normal(size=(count, DIM)).astype(np.float32))


def without(gallery: Gallery, data, person: int) -> Gallery:
    """The gallery in which a person never was, but for the projection."""
    rest = data.labels != person
    labels = data.labels[rest] - (data.labels[rest] > person)
    vectors = np.delete(gallery.vectors, person, axis=0)
    return replace(
        gallery,
        people=tuple(one for place, one in enumerate(gallery.people) if place != person),
        counts=np.delete(gallery.counts, person),
        means=np.delete(gallery.means, person, axis=0),
        vectors=vectors,
        cohort=find_cohort(projected(data.vectors[rest], gallery.projection), labels, vectors),
    )


@settings(max_examples=30)
@given(st.lists(st.integers(1, 7), min_size=2, max_size=9), SEEDS, st.sampled_from([1, 3]))
def test_who_is_left_out_is_in_nobodys_cohort_and_has_no_score(counts, seed, size):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scoring, "COHORT", size)
        data = photographs(counts, seed)
        gallery = fit(data, load_settings())
        asked = faces(len(counts) + 1)
        found = gallery.scores(asked, np.arange(-1, len(counts)))
        np.testing.assert_array_equal(found[0], gallery.scores(asked)[0])  # -1: nobody
        for person, scores in enumerate(found[1:]):
            assert scores[person] == NEVER
            expected = without(gallery, data, person).scores(asked[person + 1 : person + 2])[0]
            np.testing.assert_allclose(np.delete(scores, person), expected, atol=1e-6)


def test_leaving_people_out_of_a_search_is_the_same_however_many_rows_are_scored_at_once(
    monkeypatch,
):
    gallery, asked = made([3, 1, 5, 2, 2, 4, 1]), faces(40)
    out = np.random.default_rng(0).integers(-1, 7, 40)
    whole = gallery.search(asked, out)
    assert not (whole.candidates[:, 0] == out).any()
    for at_once in (1, 30, 100):
        monkeypatch.setattr(scoring, "SCORES_AT_ONCE", at_once)
        found = gallery.search(asked, out)
        np.testing.assert_array_equal(found.candidates, whole.candidates)
        for name in ("scores", "probabilities", "unknown"):
            np.testing.assert_allclose(getattr(found, name), getattr(whole, name), atol=1e-5)


@settings(max_examples=30)
@given(st.integers(2, 12), st.integers(0, 9), SEEDS)
def test_a_search_is_the_highest_scores_in_order_and_their_probabilities(people, count, seed):
    gallery, asked = made([2] * people, seed), faces(count, seed)
    found, scores = gallery.search(asked), gallery.scores(asked)
    kept = min(5, people)
    assert len(found) == count
    assert found.candidates.shape == found.scores.shape == (count, kept)
    order = np.argsort(-scores, axis=1, kind="stable")[:, :kept]
    np.testing.assert_array_equal(found.candidates, order)
    np.testing.assert_array_equal(found.scores, np.take_along_axis(scores, order, 1))
    every = gallery.probabilities(asked)
    np.testing.assert_array_equal(found.probabilities, np.take_along_axis(every, order, 1))
    np.testing.assert_array_equal(found.unknown, every[:, -1])


def test_of_people_with_one_score_the_first_comes_first(monkeypatch):
    # Everybody's photographs are the same: so are all vectors, offsets and scores, but for the last
    # bit that some processors give a product by where it stands in a matrix.
    exact = Gallery.scores
    monkeypatch.setattr(Gallery, "scores", lambda *given: exact(*given).round(4))
    data = photographs([2] * 9)
    gallery = fit(replace(data, vectors=np.repeat(faces(1), 18, axis=0)), load_settings())
    assert gallery.search(faces(4)).candidates.tolist() == [[0, 1, 2, 3, 4]] * 4
    left_out = gallery.search(faces(2), np.array([0, 3]))
    assert left_out.candidates.tolist() == [[1, 2, 3, 4, 5], [0, 1, 2, 4, 5]]


@settings(max_examples=30)
@given(
    st.integers(2, 8),
    SEEDS,
    st.floats(-1.5, 1.5, width=32),
    st.floats(2, 4000),
)
def test_probabilities_of_everybody_and_unknown_sum_to_one(people, seed, threshold, scale):
    gallery = replace(made([2] * people, seed), threshold=threshold, scale=scale)
    found = gallery.probabilities(faces(20, seed))
    assert found.shape == (20, people + 1)
    assert found.dtype == np.float32
    assert (found >= 0).all()
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-5)


@settings(max_examples=10)
@given(st.integers(2, 8), SEEDS, st.sampled_from([2.0, 60.0, 600.0, 4000.0]))
def test_unknown_is_the_most_probable_exactly_where_no_score_reaches_the_threshold(
    people, seed, scale
):
    gallery, asked = replace(made([2] * people, seed), scale=scale), faces(5, seed)
    for score in gallery.scores(asked).max(axis=1).tolist():
        for threshold in (score - 1e-4, score, score + 1e-4):
            found = replace(gallery, threshold=threshold).search(asked)
            unknown = found.unknown > found.probabilities[:, 0]
            np.testing.assert_array_equal(unknown, found.scores[:, 0] < np.float32(threshold))
            np.testing.assert_array_equal(unknown, is_unknown(found, threshold))


def test_who_is_resembled_by_another_is_named_less_easily():
    data = photographs([4, 4, 4])
    vectors = data.vectors.copy()
    vectors[4:8] = unit(vectors[:4] + 0.5 * vectors[4:8])  # as a sister does
    gallery = fit(replace(data, vectors=vectors), load_settings())
    assert gallery.offsets[2] < min(gallery.offsets[:2])
    plain = replace(gallery, cohort_weight=0.0)
    np.testing.assert_allclose(
        plain.scores(vectors) - gallery.scores(vectors),
        np.tile(gallery.offsets, (12, 1)),
        atol=1e-6,
    )
