from dataclasses import replace

import numpy as np
import pytest

from elenco.evaluation.population import SAMPLED, fit_population, like_people, shrunk
from elenco.evaluation.scale import _measured, scale
from elenco.evaluation.trial import Trial, indices, only
from elenco.recognition.dataset import class_means
from elenco.settings import load_settings
from elenco.vectors import unit
from tests.evaluation_data import DIM, NearestMean, photographs


@pytest.fixture
def settings():
    return load_settings(evaluation={"bootstrap": 50})


def trial(people=40, strangers=100):
    """Known people and others, six photographs each, of the known half in the gallery."""
    data = photographs([6] * people, spread=0.3)
    half = np.arange(len(data)) % 2 == 0
    gallery = NearestMean.fit(only(data, half))
    others = photographs([2] * strangers, seed=1, spread=0.3, prefix="s")
    out = indices(gallery, others)
    return Trial(gallery, only(data, half), only(data, ~half), others, out)


def measured(asked, sizes, settings, larger):
    figures = _measured(asked, settings)
    return scale(asked, figures, sizes, NearestMean.fit, settings, larger)


def test_smaller_galleries_are_of_the_first_people_in_a_stable_order(settings):
    asked = trial()
    found = measured(asked, [10, 20], settings, larger=False)
    assert [(p.people, p.others, p.sampled) for p in found.points] == [
        (10, 0, 0),
        (20, 0, 0),
        (40, 0, 0),
    ]
    assert [p.photographs for p in found.points] == [30, 60, 120]
    assert found.stranger_people == 100
    assert found.spread is None
    tops = [p.top1.value for p in found.points]
    assert tops == sorted(tops, reverse=True)


def test_sizes_beyond_the_gallery_are_left_out_where_they_are_not_asked_for(settings):
    found = measured(trial(), [10, 1000], settings, larger=False)
    assert found.left_out == [1000]
    assert [p.people for p in found.points] == [10, 40]


def test_then_come_half_of_the_strangers_and_then_people_who_do_not_exist(settings):
    found = measured(trial(), [20, 60, 200], settings, larger=True)
    assert [(p.people, p.others, p.sampled) for p in found.points] == [
        (20, 0, 0),
        (40, 0, 0),
        (60, 20, 0),
        (200, 50, 110),
    ]
    assert (found.stranger_people, found.stranger_photographs) == (50, 100)
    assert all(p.photographs == 120 for p in found.points[1:])
    assert found.spread is not None
    assert [p.named_right is None for p in found.points] == [False, False, False, True]
    assert found == measured(trial(), [20, 60, 200], settings, larger=True)


def test_of_too_few_people_nobody_is_sampled_after(settings):
    found = measured(trial(people=10), [10_000], settings, larger=True)
    assert found.left_out == [10_000]
    assert [p.people for p in found.points] == [10]


def test_people_left_out_in_turn_stay_strangers_at_every_size(settings):
    asked = trial()
    in_turn = Trial(
        asked.gallery,
        asked.made_from,
        asked.probes,
        asked.probes,
        indices(asked.gallery, asked.probes),
    )
    found = measured(in_turn, [10, 100], settings, larger=True)
    assert found.stranger_photographs == 120
    assert [(p.people, p.sampled) for p in found.points] == [(10, 0), (40, 0), (100, 60)]
    # Were they found with themselves, strangers would score as high as known people do.
    assert found.points[0].dir_at_fpir[0].found.value > 0.5


def test_sampled_people_are_spread_like_real_ones():
    data = photographs([8] * 300, spread=0.3)
    population = fit_population(data)
    sampled = population.sample(300, seed=0)
    assert np.bincount(sampled.labels).tolist() == [8] * 300
    assert sampled.person_ids[0].startswith(SAMPLED)
    np.testing.assert_allclose(np.linalg.norm(sampled.vectors, axis=1), 1, rtol=1e-5)

    def spreads(found):
        means = class_means(found.vectors, found.labels, 300)
        own = (found.vectors * means[found.labels]).sum(axis=1)
        others = (means @ means.T)[np.triu_indices(300, 1)]
        return own.mean(), others.mean(), others.std()

    assert spreads(sampled) == pytest.approx(spreads(data), abs=0.04)
    again = population.sample(300, seed=0)
    np.testing.assert_array_equal(sampled.vectors, again.vectors)
    assert (population.sample(300, seed=1).vectors != sampled.vectors).any()


def gaussian(people, seed, prefix="p"):
    """Photographs of people whose means are drawn from a Gaussian, not too far apart."""
    rng = np.random.default_rng(seed)
    data = photographs([4] * people, prefix=prefix)
    centres = rng.normal(size=(people, DIM)) * np.linspace(0.1, 0.5, DIM) + 1
    noise = 0.1 * rng.normal(size=(len(data), DIM))
    return replace(data, vectors=unit((centres[data.labels] + noise).astype(np.float32)))


def test_gaussian_people_need_no_bringing_nearer():
    known, strangers = gaussian(400, seed=1), gaussian(1000, seed=2, prefix="s")
    gallery = NearestMean.fit(known)
    asked = Trial(gallery, known, known, strangers, indices(gallery, strangers))
    population = like_people(asked, seed=0)
    assert population.spread >= 0.9
    assert population.sampled_fpir == pytest.approx(0.01, abs=0.005)


def test_of_too_few_strangers_nobody_is_sampled_after():
    assert like_people(trial(strangers=20), seed=0) is None  # they can't tell an FPIR of 1 %


def test_a_covariance_of_few_is_shrunk_more_than_one_of_many():
    rng = np.random.default_rng(0)
    true = np.diag(np.linspace(1, 5, 10))
    for n, least in ((12, 0.4), (10_000, 0.95)):
        rows = rng.multivariate_normal(np.zeros(10), true, n)
        covariance = rows.T @ rows / n
        found = shrunk(covariance, n)
        assert np.trace(found) == pytest.approx(np.trace(covariance))
        error = np.linalg.norm(found - true)
        assert error <= np.linalg.norm(covariance - true) * 1.01
        # What is left of the spread of the eigenvalues.
        kept = np.linalg.eigvalsh(found).std() / np.linalg.eigvalsh(covariance).std()
        assert (kept > least) == (n > 12)
