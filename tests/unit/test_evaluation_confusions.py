import numpy as np

from elenco.evaluation.confusions import MOST_LISTED, confusions
from elenco.evaluation.trial import Trial, indices, only
from tests.evaluation_data import NearestMean, answers, photographs


def trial(counts, stranger_counts=()):
    data = photographs(counts)
    gallery = NearestMean.fit(data)
    strangers = photographs(list(stranger_counts), seed=9, prefix="s")
    return Trial(gallery, data, data, strangers, indices(gallery, strangers))


def test_the_worst_are_those_least_often_named_right():
    asked = trial([2, 4, 1, 3])
    # The first person is never right, the second half, the third has one photograph only.
    best = np.array([1, 1, 1, 1, 0, 0, 2, 3, 3, 3])
    scores = [0.9, 0.2, 0.9, 0.9, 0.1, 0.9, 0.9, 0.9, 0.9, 0.9]
    found = confusions(asked, answers(best, scores), answers([], []))
    assert [(p.person_id, p.photographs, p.named_right) for p in found.worst] == [
        ("p0000", 2, 0),
        ("p0001", 4, 2),
    ]
    assert [(p.called_unknown, p.named_wrong) for p in found.worst] == [(1, 1), (1, 1)]
    assert [p.person_id for p in found.most_unknown] == ["p0000", "p0001"]
    assert found.people == 3
    for person in found.worst:
        assert person.named_right + person.called_unknown + person.named_wrong == person.photographs
        assert person.face.startswith(person.person_id)
        assert person.gallery_face.startswith(person.person_id)


def test_a_pair_is_confused_in_either_direction():
    asked = trial([2, 2], [2])
    known = answers([1, 0, 0, 1], [0.8, 0.9, 0.95, 0.9])
    found = confusions(asked, known, answers([1, 1], [0.9, 0.1]))
    first, second = found.pairs
    assert (first.named_wrong, first.best_but_unknown, first.strangers_named) == (2, 0, 0)
    assert (first.person_id, first.other_id) == ("p0001", "p0000")
    assert first.name == "Name of p0001"
    assert first.face == "p0001/k00002"  # the likest of both directions
    assert (second.person_id, second.other_id, second.strangers_named) == ("s0000", "p0001", 1)
    assert found.pairs_in_all == 2


def test_a_wrong_best_candidate_that_is_called_unknown_is_counted_by_itself():
    found = confusions(trial([2, 2]), answers([1, 0, 1, 1], [0.1, 0.9, 0.9, 0.9]), answers([], []))
    (pair,) = found.pairs
    assert (pair.named_wrong, pair.best_but_unknown) == (0, 1)


def test_lists_are_short_and_say_how_many_there_are():
    counts = [2] * 30
    wrong = (np.repeat(np.arange(30), 2) + 1) % 30
    found = confusions(trial(counts), answers(wrong, np.ones(60)), answers([], []))
    assert len(found.worst) == len(found.pairs) == MOST_LISTED
    assert found.pairs_in_all == 30
    assert found.most_unknown == []


def test_people_left_out_in_turn_are_confused_as_strangers():
    data = photographs([3, 3, 3])
    gallery = NearestMean.fit(data)
    asked = Trial(gallery, data, data, data, indices(gallery, data))
    known = gallery.search(data.vectors)
    strangers = gallery.search(data.vectors, asked.leave_out)
    assert (strangers.candidates[:, 0] != asked.truth).all()
    low = NearestMean(gallery.people, gallery.means, gallery.counts, threshold=-1)
    found = confusions(Trial(low, data, data, data, asked.leave_out), known, strangers)
    assert sum(pair.strangers_named for pair in found.pairs) == 9
    assert only(data, np.arange(2)).keys.tolist() == ["k00000", "k00001"]
