import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elenco.recognition import scoring
from elenco.recognition.dataset import class_means
from elenco.recognition.scoring import (
    Cohort,
    find_cohort,
    highest,
    parts,
    projected,
    within_class_projection,
)
from elenco.vectors import unit

DIM = 8


def photographs(counts, seed=0, dim=DIM, spread=None):
    """Unit vectors about a direction of each person, and whose they are."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(counts)), counts)
    centres = unit(rng.normal(size=(len(counts), dim)).astype(np.float32))
    noise = rng.normal(size=(len(labels), dim)) @ (0.2 * np.eye(dim) if spread is None else spread)
    return unit((centres[labels] + noise).astype(np.float32)), labels


def within(vectors, labels):
    """Covariance of photographs about the mean of their person."""
    classes = labels.max() + 1
    means = np.stack([vectors[labels == c].mean(axis=0) for c in range(classes)])
    residuals = (vectors - means[labels]).astype(np.float64)
    return residuals.T @ residuals / (len(labels) - classes)


def test_without_two_photographs_of_anybody_vectors_are_compared_as_they_are():
    vectors, labels = photographs([1] * 30)
    np.testing.assert_array_equal(within_class_projection(vectors, labels, 30), np.eye(DIM))


def test_where_photographs_of_a_person_are_all_one_they_are_compared_as_they_are():
    vectors, labels = photographs([1] * 30)
    twice = np.repeat(vectors, 2, axis=0)
    found = within_class_projection(twice, np.repeat(labels, 2), 30)
    np.testing.assert_allclose(found, np.eye(DIM), atol=1e-6)


def test_many_photographs_decorrelate_what_varies_within_people(monkeypatch):
    turned = np.linalg.qr(np.random.default_rng(1).normal(size=(DIM, DIM)))[0]
    vectors, labels = photographs([40] * 60, spread=np.diag(np.geomspace(0.5, 0.05, DIM)) @ turned)
    before = within(vectors, labels)
    monkeypatch.setattr(scoring, "IDENTITY", 0.0)
    whole = within_class_projection(vectors, labels, 60)
    after = whole.T @ before @ whole
    np.testing.assert_allclose(after / np.trace(after) * DIM, np.eye(DIM), atol=0.02)


def test_the_identity_has_its_share_and_more_where_there_are_few_photographs():
    spread = np.diag(np.geomspace(0.5, 0.02, DIM))
    vectors, labels = photographs([100] * 50, spread=spread)
    condition = []
    for photos in (2, 5, 20, 100):
        few = np.concatenate([np.flatnonzero(labels == c)[:photos] for c in range(50)])
        found = within_class_projection(vectors[few], labels[few], 50)
        condition.append(np.linalg.cond(found))
        inverse = np.linalg.inv(found @ found.T)
        covariance = within(vectors[few], labels[few])
        freedom = len(few) - 50
        own = (1 - scoring.IDENTITY) * freedom / (freedom + DIM)
        mixed = own * covariance / np.trace(covariance) * DIM + (1 - own) * np.eye(DIM)
        np.testing.assert_allclose(inverse, mixed, atol=1e-3)
    assert condition == sorted(condition)
    assert condition[0] > 1.05


def test_projected_vectors_are_of_unit_length():
    vectors, labels = photographs([6] * 10, spread=np.diag(np.geomspace(0.5, 0.02, DIM)))
    found = projected(vectors, within_class_projection(vectors, labels, 10))
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, rtol=1e-6)


def brute_force(vectors, labels, class_vectors):
    """(people, scores) of everybody's rivals, best first; of equals the first."""
    found = []
    for person, vector in enumerate(class_vectors):
        others = [p for p in range(len(class_vectors)) if p != person]
        best = {p: (vectors[labels == p] @ vector).max() for p in others}
        ranked = sorted(others, key=lambda p: (-best[p], p))[: scoring.COHORT + 1]
        found.append((ranked, [best[p] for p in ranked]))
    return found


@given(
    st.lists(st.integers(1, 7), min_size=2, max_size=12),
    st.integers(0, 2**32 - 1),
    st.sampled_from([1, 2, 4]),
    st.sampled_from([1, 30, 1 << 24]),
)
def test_a_cohort_is_those_who_resemble_a_person_most(counts, seed, size, at_once):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scoring, "COHORT", size)
        patch.setattr(scoring, "SCORES_AT_ONCE", at_once)
        vectors, labels = photographs(counts, seed)
        class_vectors = class_means(vectors, labels, len(counts))
        found = find_cohort(vectors, labels, class_vectors)
        expected = brute_force(vectors, labels, class_vectors)
    assert found.people.shape == (len(counts), min(size + 1, len(counts) - 1))
    np.testing.assert_array_equal(found.people, [people for people, _ in expected])
    np.testing.assert_allclose(found.scores, [scores for _, scores in expected], atol=1e-6)


@given(
    st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=3), min_size=2, max_size=9),
    st.sampled_from([1, 3]),
    st.sampled_from([1, 20, 1 << 24]),
)
def test_of_people_who_resemble_equally_the_first_are_the_cohort(axes, size, at_once):
    # Photographs lie on axes: scores are exact, and mostly equal.
    labels = np.repeat(np.arange(len(axes)), [len(own) for own in axes])
    vectors = np.eye(4, dtype=np.float32)[np.concatenate(axes)]
    class_vectors = np.eye(4, dtype=np.float32)[[own[0] for own in axes]]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scoring, "COHORT", size)
        patch.setattr(scoring, "SCORES_AT_ONCE", at_once)
        found = find_cohort(vectors, labels, class_vectors)
        expected = brute_force(vectors, labels, class_vectors)
    np.testing.assert_array_equal(found.people, [people for people, _ in expected])
    np.testing.assert_array_equal(found.scores, [scores for _, scores in expected])


def test_two_people_are_each_others_cohort_and_one_has_none():
    vectors, labels = photographs([2, 3])
    class_vectors = class_means(vectors, labels, 2)
    found = find_cohort(vectors, labels, class_vectors)
    assert found.people.tolist() == [[1], [0]]
    np.testing.assert_array_equal(found.shifts(), found.scores[:, 0])
    np.testing.assert_array_equal(found.without(), [[0], [0]])
    alone = find_cohort(vectors[:2], labels[:2], class_vectors[:1])
    assert alone.people.shape == alone.without().shape == (1, 0)
    assert alone.shifts().tolist() == [0]


@given(st.integers(2, 7), st.sampled_from([1, 2, 3, 5]), st.integers(0, 2**32 - 1))
def test_a_shift_is_the_mean_of_the_cohort_that_is_left(classes, size, seed):
    width = min(size + 1, classes - 1)
    rng = np.random.default_rng(seed)
    scores = -np.sort(-rng.uniform(0, 1, (classes, width)).astype(np.float32), axis=1)
    people = np.zeros((classes, width), np.int64)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scoring, "COHORT", size)
        shifts, without = Cohort(people, scores).shifts(), Cohort(people, scores).without()
    np.testing.assert_allclose(shifts, scores[:, :size].mean(axis=1), rtol=1e-5)
    for left_out in range(width):
        rest = np.delete(scores, left_out, axis=1)[:, :size]
        expected = rest.mean(axis=1) if rest.shape[1] else np.zeros(classes)
        np.testing.assert_allclose(without[:, left_out], expected, atol=1e-6)


@given(
    st.integers(0, 6),
    st.integers(1, 12),
    st.integers(1, 6),
    st.integers(1, 20),
    st.integers(0, 2**32 - 1),
)
def test_the_highest_come_in_order_and_of_equals_the_first(rows, columns, most, values, seed):
    scores = np.random.default_rng(seed).integers(0, values, (rows, columns)).astype(np.float32)
    expected = np.argsort(-scores, axis=1, kind="stable")[:, :most]
    np.testing.assert_array_equal(highest(scores, most), expected)


@given(st.integers(0, 50), st.integers(0, 30), st.integers(1, 100))
def test_parts_are_all_rows_once_and_small(rows, columns, at_once):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scoring, "SCORES_AT_ONCE", at_once)
        found = parts(rows, columns)
    assert [row for part in found for row in range(part.start, part.stop)] == list(range(rows))
    assert all((p.stop - p.start) * columns <= max(at_once, columns) for p in found)
