"""What is found in data sets whose wrong photographs are known: people are drawn at random."""

from dataclasses import replace

import numpy as np
import pytest

from elenco.curation.find import find
from elenco.curation.verdicts import NONE, REASONS, Faces
from elenco.settings import Curation
from elenco.vectors import unit

DIM = 32
RULES = Curation()


def gallery(people=30, photographs=6, spread=0.6, seed=0, dim=DIM):
    """Photographs about their people, hashes of their own, the last of each person held out."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(people), photographs)
    middles = unit(rng.standard_normal((people, dim)).astype(np.float32))
    noise = rng.standard_normal((len(labels), dim)).astype(np.float32) * spread / dim**0.5
    none = np.zeros(len(labels), bool)
    return Faces(
        unit(middles[labels] + noise),
        labels,
        np.full(len(labels), 0.95, np.float32),
        rng.integers(0, 2**64, len(labels), np.uint64),
        np.tile(np.arange(photographs) == photographs - 1, people),
        none,
        none.copy(),
    )


def swapped(faces, share=0.1, seed=1):
    """Some photographs given to somebody else, and which."""
    rng = np.random.default_rng(seed)
    rows = rng.permutation(len(faces.labels))[: round(share * len(faces.labels))]
    labels = faces.labels.copy()
    people = int(labels.max()) + 1
    labels[rows] = (labels[rows] + rng.integers(1, people, len(rows))) % people
    wrong = labels != faces.labels
    return replace(faces, labels=labels), wrong


def with_rows(faces, **columns):
    return replace(
        faces, **{name: values_set(getattr(faces, name), v) for name, v in columns.items()}
    )


def values_set(column, values):
    column = column.copy()
    for row, value in values.items():
        column[row] = value
    return column


def people_of(faces):
    return int(faces.labels.max()) + 1


def names(found, rows):
    return [REASONS[n] if n != NONE else "" for n in found.reason[list(rows)]]


@pytest.mark.parametrize("photographs", [3, 6, 20])
@pytest.mark.parametrize("share", [0.05, 0.1, 0.2])
def test_wrong_photographs_are_found_and_right_ones_stay(photographs, share):
    faces, wrong = swapped(gallery(40, photographs), share)
    found = find(faces, people_of(faces), RULES)
    left_out = found.quarantined | found.spared
    assert left_out[wrong].mean() >= 0.9
    assert left_out[~wrong].mean() <= 0.02


def test_a_clean_gallery_stays_as_it_is():
    found = find(gallery(), 30, RULES)
    assert not found.quarantined.any()
    assert (found.undecided, found.without, found.twins) == ([], [], [])


def test_nothing_depends_on_how_far_an_embedder_spreads_its_vectors():
    faces, _ = swapped(gallery(40, 8))
    offset = np.zeros(DIM, np.float32)
    offset[0] = 3.0  # all cosines are over 0.8 then
    near = replace(faces, vectors=unit(faces.vectors + offset))
    assert (near.vectors @ near.vectors.T).min() > 0.7
    apart, close = find(faces, 40, RULES), find(near, 40, RULES)
    assert (apart.quarantined != close.quarantined).mean() < 0.01


def test_who_is_swapped_among_the_people_is_told():
    faces, wrong = swapped(gallery(40, 10))
    true = gallery(40, 10).labels
    found = find(faces, 40, RULES)
    told = wrong & (found.reason == REASONS.index("looks_like_another"))
    assert told.sum() >= 0.9 * wrong.sum()
    assert (found.other[told] == true[told]).all()


def test_a_stranger_is_somebody_else_but_nobody_here():
    faces = gallery()
    rng = np.random.default_rng(5)
    stranger = unit(rng.standard_normal((1, DIM)).astype(np.float32))[0]
    found = find(with_rows(faces, vectors={7: stranger}), 30, RULES)
    assert names(found, [7]) == ["wrong_person"]
    assert found.other[7] == NONE
    assert found.score[7] > 0.5
    assert found.quarantined.sum() == 1


def test_of_two_that_disagree_neither_goes_without_other_evidence():
    faces = gallery(30, 2)
    rng = np.random.default_rng(5)
    stranger = unit(rng.standard_normal((1, DIM)).astype(np.float32))[0]
    found = find(with_rows(faces, vectors={6: stranger}), 30, RULES)
    assert not found.quarantined.any()
    assert found.undecided == [3]


def test_of_two_that_disagree_the_one_that_is_known_elsewhere_goes():
    faces = gallery(30, 6)
    few = np.isin(faces.labels, range(25)) | (np.arange(180) % 6 < 2)
    faces = only(faces, few)
    row = int(np.flatnonzero(faces.labels == 27)[1])
    other = int(np.flatnonzero(faces.labels == 3)[0])
    middle = unit(faces.vectors[faces.labels == 3].mean(axis=0))
    moved = with_rows(faces, vectors={row: unit(faces.vectors[other] + middle)})
    found = find(moved, 30, RULES)
    assert names(found, [row]) == ["looks_like_another"]
    assert found.other[row] == 3
    assert found.quarantined.sum() == 1


def only(faces, rows):
    return Faces(**{name: column[rows] for name, column in vars(faces).items()})


def test_a_blurred_face_goes_less_easily_than_a_sharp_one():
    faces = gallery(40, 6)
    away = unit(np.random.default_rng(3).standard_normal((1, DIM)).astype(np.float32))[0]
    sharp = find(with_rows(faces, vectors={9: away}), 40, RULES)
    blurred = find(with_rows(faces, vectors={9: away}, quality={9: 0.3}), 40, RULES)
    assert sharp.quarantined[9]
    assert not blurred.quarantined[9]


def test_an_embedder_that_knows_nobody_puts_nobody_out():
    rng = np.random.default_rng(0)
    faces = gallery()
    noise = unit(rng.standard_normal(faces.vectors.shape).astype(np.float32))
    found = find(replace(faces, vectors=noise), 30, RULES)
    assert not found.quarantined.any()
    assert found.twins == []


@pytest.mark.parametrize(("people", "photographs"), [(1, 5), (5, 1), (1, 1), (2, 2)])
def test_few_photographs_are_no_reason(people, photographs):
    found = find(gallery(people, photographs), people, RULES)
    assert not found.quarantined.any()


def test_a_data_set_of_nobody():
    found = find(only(gallery(), np.zeros(180, bool)), 0, RULES)
    assert len(found.reason) == 0


def test_unusable_faces_go_and_the_best_of_none_stays():
    faces = gallery()
    quality = {row: 0.1 for row in (2, *range(12, 18))} | {14: 0.15, 17: 0.19}
    found = find(with_rows(faces, quality=quality), 30, RULES)
    assert names(found, [2, *range(12, 18)]) == ["unusable"] * 7
    # 17 is the best, but held out: nobody can be trained on it.
    assert np.flatnonzero(found.spared).tolist() == [14]
    assert found.quarantined.sum() == 6
    assert found.without == []


def test_who_keeps_only_held_out_photographs_is_said():
    faces = gallery()
    dropped = {row: True for row in range(6, 11)}
    found = find(with_rows(faces, dropped=dropped), 30, RULES)
    assert names(found, range(6, 11)) == ["operator"] * 5
    assert found.quarantined.sum() == 5
    assert found.without == [1]
    assert not found.spared.any()


def test_a_wrong_training_photograph_is_not_spared_where_the_rest_speaks_against_it():
    faces = only(gallery(30, 6), np.arange(180) % 6 < 4)
    held_out = faces.held_out.copy()
    held_out[1:4] = True  # the first person has one photograph to train on
    rng = np.random.default_rng(8)
    stranger = unit(rng.standard_normal((1, DIM)).astype(np.float32))[0]
    faces = with_rows(replace(faces, held_out=held_out), vectors={0: stranger})
    found = find(faces, 30, RULES)
    assert found.quarantined[0]
    assert found.without == [0]


def test_an_operator_has_the_last_word():
    faces, wrong = swapped(gallery(40, 8))
    rows = np.flatnonzero(wrong)[:3]
    kept = with_rows(faces, kept=dict.fromkeys(rows, True), dropped={int(rows[-1]) + 1: True})
    found = find(kept, 40, RULES)
    assert (found.reason[rows] != NONE).all()
    assert not found.quarantined[rows].any()
    assert names(found, [rows[-1] + 1]) == ["operator"]


def test_what_an_operator_keeps_decides_between_two_and_two():
    faces = gallery(30, 4)
    pair = unit(faces.vectors[12:14] - 2 * faces.vectors[12:14].mean(axis=0))
    faces = with_rows(faces, vectors={12: pair[0], 13: pair[1]})
    found = find(faces, 30, RULES)
    assert found.undecided == [3]
    assert not found.quarantined.any()
    found = find(with_rows(faces, kept={14: True}), 30, RULES)
    assert found.undecided == []
    assert np.flatnonzero(found.quarantined).tolist() == [12, 13]
    assert found.without == []


def test_switched_off_only_the_operator_decides():
    faces, _ = swapped(gallery())
    found = find(with_rows(faces, dropped={4: True}), 30, Curation(enabled=False))
    assert np.flatnonzero(found.quarantined).tolist() == [4]


def test_one_person_under_two_ids_is_reported_and_stays():
    faces = gallery(40, 12)
    labels = faces.labels.copy()
    labels[6:12] = 40
    held_out = faces.held_out.copy()
    held_out[5] = True
    found = find(replace(faces, labels=labels, held_out=held_out), 41, RULES)
    assert [(pair.one, pair.other) for pair in found.twins] == [(0, 40)]
    assert not found.quarantined.any()


def test_the_same_is_found_again_and_in_another_order_of_people():
    faces, _ = swapped(gallery(40, 8))
    found, again = find(faces, 40, RULES), find(faces, 40, RULES)
    for name, value in vars(found).items():
        assert np.array_equal(value, getattr(again, name)), name
    order = np.random.default_rng(2).permutation(40)
    renamed = find(replace(faces, labels=order[faces.labels]), 40, RULES)
    assert (renamed.quarantined != found.quarantined).mean() < 0.01
