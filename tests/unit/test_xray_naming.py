import numpy as np
import pytest

from elenco.recognition.scoring import projected
from elenco.vectors import unit
from elenco.xray.assignment import assign
from elenco.xray.bars import Bars, bars_of, highest_of_strangers, same_stranger
from elenco.xray.clusters import cluster, together
from elenco.xray.naming import name_tracks
from tests.xray_help import directions, face_track, make_gallery, photographs

PEOPLE = 30


@pytest.fixture(scope="module")
def people():
    return directions(PEOPLE)


@pytest.fixture
def gallery(people, settings):
    return make_gallery(people, settings)


def everyone(gallery) -> np.ndarray:
    return np.arange(len(gallery.people))


def name(tracks, gallery, candidates=None, denied=(), shots=None):
    shots = np.arange(len(tracks)) if shots is None else np.array(shots)
    candidates = everyone(gallery) if candidates is None else np.array(candidates)
    return name_tracks(tracks, shots, gallery, candidates, denied)[0]


def tracks_of(people, *numbers, strangers=()):
    """One track each, one after another; its faces are as alike as those of one moment are."""
    whose = [people[n] for n in numbers] + list(strangers)
    moments = [photographs(vector, 1, 100 + n)[0] for n, vector in enumerate(whose)]
    vectors = [photographs(moment, 4, n, 0.1) for n, moment in enumerate(moments)]
    return [face_track(2.0 * i, 2.0 * i + 1.5, v) for i, v in enumerate(vectors)]


def test_people_are_named_and_strangers_are_not(people, gallery):
    strangers = directions(10, seed=99)
    named = name(tracks_of(people, 3, 7, 3, strangers=strangers), gallery)
    assert [one.person for one in named[:3]] == [3, 7, 3]
    assert sum(one.person is not None for one in named[3:]) <= 1
    assert named[0].group == named[2].group != named[1].group
    assert all(0 <= one.confidence <= 1 for one in named)


def test_only_the_cast_is_named(people, gallery):
    named = name(tracks_of(people, 3, 7), gallery, candidates=[7, 9])
    assert [one.person for one in named] == [None, 7]


def test_a_denied_person_is_nobody_and_nobody_else(people, gallery):
    candidates = [n for n in range(PEOPLE) if n != 3]
    named = name(tracks_of(people, 3, 7), gallery, candidates, denied=[3])
    assert [one.person for one in named] == [None, 7]
    assert all(person != 3 for one in named for person, _ in one.candidates)


def test_nobody_is_twice_on_screen_at_a_time(people, gallery):
    good, bad = photographs(people[3], 6, 1, 0.3), photographs(people[3], 2, 2, 0.6)
    tracks = [face_track(0, 5, good), face_track(1, 4, bad), face_track(6, 9, bad)]
    named = name(tracks, gallery, shots=[0, 0, 1])
    assert named[0].person == 3
    assert named[1].person != 3
    assert named[2].person == 3


def test_candidates_are_told_with_probabilities(people, gallery):
    [one] = name(tracks_of(people, 3), gallery)
    assert one.candidates[0][0] == 3
    assert one.candidates[0][1] == pytest.approx(one.confidence)
    probabilities = [p for _, p in one.candidates]
    assert probabilities == sorted(probabilities, reverse=True)


def test_no_track_needs_no_name(gallery):
    named, bars = name_tracks([], np.zeros(0, np.int64), gallery, everyone(gallery), [])
    assert named == []
    assert bars.pooled >= bars.single


def test_order_plays_no_part(people, gallery):
    tracks = tracks_of(people, 3, 7, 3, 11, strangers=directions(3, seed=98))
    forwards = name(tracks, gallery)
    backwards = name(tracks[::-1], gallery)[::-1]
    assert [one.person for one in forwards] == [one.person for one in backwards]


def test_the_bar_of_everybody_is_the_gallerys_threshold(gallery):
    assert bars_of(gallery, everyone(gallery)).single == gallery.threshold


def test_a_small_cast_is_named_more_easily(gallery):
    bars = [bars_of(gallery, np.arange(count)) for count in (2, 8, PEOPLE)]
    assert bars[0].single < bars[2].single
    assert all(one.single <= gallery.threshold for one in bars)
    assert all(one.pooled >= one.single for one in bars)


def test_a_cast_of_one(gallery):
    assert np.isfinite(bars_of(gallery, np.array([4])).single)
    assert len(highest_of_strangers(gallery, np.array([4]))) == PEOPLE - 1


def test_the_more_shots_the_nearer_to_the_pooled_bar():
    bars = Bars(0.5, 0.7)
    assert bars.at(np.array([1, 2, 10**6])) == pytest.approx([0.5, 0.6, 0.7], abs=1e-4)


def spans(*pairs) -> np.ndarray:
    return np.array(pairs, np.float64).reshape(-1, 2)


def test_who_is_together():
    assert together(spans((0, 2), (1, 3), (2.5, 4), (10, 11))) == [(0, 1), (1, 2)]
    assert together(spans((0, 1), (1, 2))) == []
    assert together(spans()) == []


def test_tracks_of_one_stranger_are_one_group(gallery):
    strangers = directions(4, seed=97)
    vectors = np.concatenate([photographs(v, 5, n, 0.3) for n, v in enumerate(strangers)])
    apart = spans(*((2 * n, 2 * n + 1) for n in range(20)))
    compared = projected(vectors, gallery.projection)
    groups = cluster(compared, np.ones(20, np.float32), apart, same_stranger(gallery))
    assert groups.tolist() == np.repeat(np.arange(4), 5).tolist()


def test_two_who_are_together_are_never_one_group():
    [one] = directions(1)
    vectors = np.stack([one] * 3)
    groups = cluster(vectors, np.ones(3, np.float32), spans((0, 1), (0, 1), (5, 6)), 0.5)
    assert groups[0] != groups[1]


def test_tracks_beyond_the_most_join_what_they_are_like(monkeypatch):
    monkeypatch.setattr("elenco.xray.clusters.MOST", 4)
    people = directions(3, seed=96)
    vectors = unit(np.repeat(people, 4, axis=0))
    weights = np.tile(np.array([0.9, 0.8, 0.2, 0.1], np.float32), 3)
    weights[8:] = 0.05  # nobody of the third is among the first four
    apart = spans(*((2 * n, 2 * n + 1) for n in range(12)))
    groups = cluster(vectors, weights, apart, 0.8)
    assert groups.tolist() == np.repeat(np.arange(3), 4).tolist()


def test_one_track():
    groups = cluster(directions(1), np.ones(1, np.float32), spans((0, 1)), 0.5)
    assert groups.tolist() == [0]


def test_the_better_claim_keeps_a_name():
    assert assign([{1: 5.0}, {1: 9.0}], spans((0, 2), (1, 3))) == [None, 1]


def test_who_loses_a_name_takes_the_next():
    assert assign([{1: 5.0, 2: 1.0}, {1: 9.0}], spans((0, 2), (1, 3))) == [2, 1]


def test_the_whole_counts_not_the_greediest():
    """Greedily, the first would take 1, which the second has no substitute for."""
    assert assign([{1: 9.0, 2: 8.5}, {1: 8.0}], spans((0, 2), (0, 2))) == [2, 1]


def test_a_chain_of_tracks():
    """The middle one meets both others, which never meet."""
    wishes = [{1: 4.0}, {1: 6.0}, {1: 4.0}]
    assert assign(wishes, spans((0, 2), (1, 4), (3, 5))) == [1, None, 1]


def test_who_is_never_together_may_have_one_name():
    assert assign([{1: 1.0}, {1: 2.0}, {}], spans((0, 1), (1, 2), (0, 2))) == [1, 1, None]
