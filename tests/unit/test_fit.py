from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elenco.errors import NotEnoughData
from elenco.evaluation.trial import only
from elenco.recognition.fit import SCALES, fit, fit_scale
from elenco.recognition.gallery import NEVER, Gallery
from elenco.settings import load_settings
from tests.evaluation_data import DIM, photographs

SETTINGS = load_settings()


def arrays(gallery: Gallery) -> list[np.ndarray]:
    numbers = gallery.threshold, gallery.scale, gallery.cohort_weight, gallery.false_positive_rate
    own = gallery.counts, gallery.means, gallery.projection, gallery.vectors, gallery.offsets
    return [*own, gallery.cohort.people, gallery.cohort.scores, np.array(numbers)]


def is_sound(gallery: Gallery) -> None:
    """Everything is a number, and it answers."""
    assert all(np.isfinite(array).all() for array in arrays(gallery))
    assert SCALES[0] <= gallery.scale <= SCALES[-1]
    said = gallery.probabilities(gallery.means[:50])
    np.testing.assert_allclose(said.sum(axis=1), 1, atol=1e-5)


def test_people_come_in_order_with_their_names_counts_and_means():
    data = photographs([3, 1, 4])
    mixed = only(data, np.array([7, 0, 3, 2, 5, 1, 6, 4]))  # in any order
    gallery = fit(mixed, SETTINGS)
    assert [person.id for person in gallery.people] == ["p0000", "p0001", "p0002"]
    assert gallery.people[2].name == "Name of p0002"
    assert gallery.counts.tolist() == [3, 1, 4]
    assert gallery.false_positive_rate == SETTINGS.training.false_positive_rate
    for person, mean in enumerate(gallery.means):
        own = data.vectors[data.labels == person].sum(axis=0)
        np.testing.assert_allclose(mean, own / np.linalg.norm(own), atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(gallery.vectors, axis=1), 1, rtol=1e-6)
    is_sound(gallery)


def test_the_same_photographs_give_the_same_bytes():
    data = photographs([5, 1, 7, 2] * 10)
    for one, other in zip(arrays(fit(data, SETTINGS)), arrays(fit(data, SETTINGS)), strict=True):
        assert one.tobytes() == other.tobytes()


@pytest.mark.parametrize("counts", [[1, 1], [1] * 1000, [500, *[1] * 30], [2, 1], [2, 2, 2]])
def test_few_and_uneven_photographs_are_enough(counts):
    gallery = fit(photographs(counts, spread=0.05), SETTINGS)
    assert len(gallery.people) == len(counts)
    is_sound(gallery)
    if max(counts) == 1:
        np.testing.assert_array_equal(gallery.projection, np.eye(DIM))


def test_photographs_that_are_all_the_same_are_no_error():
    data = photographs([3, 1, 2])
    is_sound(fit(replace(data, vectors=np.repeat(data.vectors[:1], 6, axis=0)), SETTINGS))
    twice = replace(data, vectors=data.vectors[[0, 0, 0, 3, 4, 4]])
    gallery = fit(twice, SETTINGS)
    is_sound(gallery)
    assert gallery.search(twice.vectors).candidates[:, 0].tolist() == data.labels.tolist()


@pytest.mark.parametrize("counts", [[], [4]])
def test_fewer_than_two_people_are_refused_with_what_to_do(counts):
    with pytest.raises(NotEnoughData, match=f"{len(counts)} of 2 people.*add people") as caught:
        fit(photographs(counts), SETTINGS)
    assert "\n" not in str(caught.value)


def test_people_are_told_apart_and_strangers_called_unknown_as_often_as_asked():
    everybody = photographs([12] * 400, spread=0.1)
    known = everybody.labels < 200
    first = np.arange(len(known)) % 12 < 6
    data = only(everybody, known & first)
    for rate in (0.1, 0.01):
        wanted = load_settings(training={"false_positive_rate": rate})
        gallery = fit(data, wanted)
        found = gallery.search(everybody.vectors[known & ~first])
        assert (found.candidates[:, 0] == everybody.labels[known & ~first]).mean() > 0.98
        strangers = gallery.search(everybody.vectors[~known])
        named = (strangers.scores[:, 0] >= gallery.threshold).mean()
        assert rate / 2 < named < rate * 2


def simulated(scale, seed, count=20_000, people=6):
    """Scores, and who is right with the probabilities that the scale gives; unknown at 0.5."""
    rng = np.random.default_rng(seed)
    scores = rng.normal(0.4, 2.5 / scale, (count, people)).astype(np.float32)
    threshold = float(np.quantile(scores.max(axis=1), 0.5))
    logits = scale * np.concatenate([scores, np.full((count, 1), threshold)], axis=1)
    # The highest of logits with Gumbel noise is drawn with the probabilities of their softmax.
    right = (logits + rng.gumbel(size=logits.shape)).argmax(axis=1)
    return scores, right, threshold


@pytest.mark.parametrize("scale", [10.0, 100.0, 1000.0])
def test_the_temperature_that_answers_were_drawn_with_is_found(scale):
    scores, right, threshold = simulated(scale, seed=0)
    unknown = np.flatnonzero(right == 6)
    known = np.flatnonzero(right < 6)
    # Both count the same: as many of each.
    known = known[: len(unknown)]
    unknown = unknown[: len(known)]
    found = fit_scale(scores[known], right[known], scores[unknown], threshold)
    step = SCALES[1] / SCALES[0]
    assert scale / step**2 < found < scale * step**2


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1), st.floats(0.01, 0.2), st.floats(-0.5, 0.9))
def test_no_other_temperature_is_better(seed, spread, threshold):
    rng = np.random.default_rng(seed)
    known = rng.normal(0.3, spread, (40, 5)).astype(np.float32)
    labels = rng.integers(0, 5, 40)
    known[np.arange(40), labels] += 2 * spread
    strangers = rng.normal(0.3, spread, (30, 5)).astype(np.float32)

    def loss(scale):
        total = 0.0
        for scores, right in ((known, labels), (strangers, np.full(30, 5))):
            logits = scale * np.concatenate([scores, np.full((len(scores), 1), threshold)], axis=1)
            top = logits.max(axis=1, keepdims=True)
            every = np.log(np.exp(logits - top).sum(axis=1)) + top[:, 0]
            total += (every - logits[np.arange(len(right)), right]).mean()
        return total

    found = loss(fit_scale(known, labels, strangers, threshold))
    assert found <= min(map(loss, SCALES)) + 1e-4


def test_without_a_photograph_of_a_known_person_the_spread_decides():
    rng = np.random.default_rng(0)
    strangers = rng.normal(0.5, 0.04, (50, 6)).astype(np.float32)
    strangers[np.arange(50), rng.integers(0, 6, 50)] = NEVER  # who is left out plays no part
    nobody, none = np.zeros((0, 6), np.float32), np.zeros(0, np.int64)
    assert fit_scale(nobody, none, strangers, 0.6) == pytest.approx(8 / 0.04, rel=0.1)
    same = np.full((4, 6), 0.5, np.float32)
    assert fit_scale(nobody, none, same, 0.6) == SCALES[-1]
