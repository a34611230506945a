from dataclasses import replace

import numpy as np
import pytest

from elenco.errors import NotEnoughData, SpaceMismatch
from elenco.evaluation.protocol import folder_trial, protocol_of, version_trial
from elenco.evaluation.trial import joined, only
from elenco.settings import load_settings
from tests.evaluation_data import SPACE, NearestMean, photographs


def split(data, prefix=""):
    return only(data, np.arange(len(data)) % 2 == 0), only(data, np.arange(len(data)) % 2 == 1)


def test_a_versions_people_are_asked_about_and_are_strangers_in_turn():
    train, test = split(photographs([4, 4, 4]))
    trial = version_trial(NearestMean.fit(train), train, test)
    assert trial.truth.tolist() == [0, 0, 1, 1, 2, 2]
    assert trial.leave_out.tolist() == trial.truth.tolist()
    assert trial.people.tolist() == trial.stranger_people.tolist()
    assert trial.strata.tolist() == [0, 0, 0]
    protocol = protocol_of(trial, 7)
    assert protocol.strangers == "left out in turn"
    assert (protocol.gallery_people, protocol.gallery_photographs) == (3, 6)
    assert (protocol.without_probe, protocol.left_out, protocol.min_photos) == (0, 7, None)


def test_people_whom_a_version_does_not_know_are_strangers_too():
    train, test = split(photographs([4, 4]))
    unknown = photographs([3], seed=5, prefix="u")
    trial = version_trial(NearestMean.fit(train), joined(train, unknown), joined(test, unknown))
    assert len(trial.made_from) == 4
    assert len(trial.probes) == 4
    assert trial.leave_out.tolist() == [0, 0, 1, 1, -1, -1, -1]
    assert trial.strata.tolist() == [0, 0, 1]
    assert protocol_of(trial, 0).strangers == "others, and left out in turn"


def test_people_without_a_held_out_photograph_are_counted():
    train, test = split(photographs([4, 1, 1]))
    trial = version_trial(NearestMean.fit(train), train, test)
    assert (len(trial.gallery.people), protocol_of(trial, 0).without_probe) == (2, 1)


def test_a_version_needs_held_out_photographs_of_its_space():
    train, test = split(photographs([4, 4]))
    gallery = NearestMean.fit(train)
    with pytest.raises(NotEnoughData, match="no held-out photograph"):
        version_trial(gallery, train, only(test, np.zeros(len(test), bool)))
    with pytest.raises(SpaceMismatch, match="refresh"):
        version_trial(gallery, train, replace(test, space=replace(SPACE, weights_sha256="cd")))


def test_half_of_the_photographs_of_those_who_have_enough_make_the_gallery():
    data = photographs([5, 6, 2, 1, 4])
    trial = folder_trial(data, 5, NearestMean.fit, load_settings())
    assert [person.id for person in trial.gallery.people] == ["p0000", "p0001"]
    assert trial.gallery.counts.tolist() == [3, 3]
    assert len(trial.probes) == 5
    assert sorted(set(trial.strangers.person_ids.tolist())) == ["p0002", "p0003", "p0004"]
    assert (trial.leave_out == -1).all()
    used = [*trial.made_from.photographs(), *trial.probes.photographs()]
    assert len(set(used)) == 11
    assert protocol_of(trial, 0, 5).strangers == "others"


def test_a_photograph_stays_in_its_half_whoever_else_is_in_the_folder():
    few = folder_trial(photographs([6, 6]), 5, NearestMean.fit, load_settings())
    many = photographs([6, 6, 6, 2])
    more = folder_trial(many, 5, NearestMean.fit, load_settings())
    assert set(few.made_from.photographs()) <= set(more.made_from.photographs())


def test_where_everybody_is_known_they_are_strangers_in_turn():
    trial = folder_trial(photographs([6, 6, 6]), 5, NearestMean.fit, load_settings())
    assert trial.strangers.photographs() == trial.probes.photographs()
    assert trial.leave_out.tolist() == trial.truth.tolist()
    assert protocol_of(trial, 0, 5).strangers == "left out in turn"


def test_two_people_must_have_photographs_enough():
    with pytest.raises(NotEnoughData, match="1 of 3 people have 5 photographs with a face"):
        folder_trial(photographs([6, 4, 3]), 5, NearestMean.fit, load_settings())
