"""Which face a photograph is of."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elenco.faces.select import SAME_PERSON, Choice, choose, choose_by_agreement
from elenco.types import Detections


def faces(*boxes: tuple[float, float, float, float]) -> Detections:
    n = len(boxes)
    return Detections(
        np.array(boxes, np.float32).reshape(n, 4),
        np.linspace(0.99, 0.9, n, dtype=np.float32),
        np.zeros((n, 5, 2), np.float32),
    )


def test_the_only_face():
    assert choose(faces((0, 0, 5, 5)), 100, 100) == 0


def test_the_larger_of_two_as_central():
    assert choose(faces((10, 40, 30, 60), (60, 35, 90, 65)), 100, 100) == 1


def test_the_central_of_two_as_large():
    assert choose(faces((0, 0, 30, 30), (35, 35, 65, 65)), 100, 100) == 1


def test_a_much_larger_face_beats_the_centre():
    assert choose(faces((45, 45, 55, 55), (0, 20, 60, 80)), 100, 100) == 1


def test_area_minus_twice_the_squared_offset():
    # 40 x 40 = 1600, 20 pixels from the middle: 1600 - 800 = 800, against 28 x 28 = 784 there.
    assert choose(faces((30, 50, 70, 90), (36, 36, 64, 64)), 100, 100) == 0
    # One pixel further: 1600 - 882 = 718.
    assert choose(faces((30, 51, 70, 91), (36, 36, 64, 64)), 100, 100) == 1


def test_the_better_score_wins_a_tie():
    assert choose(faces((0, 0, 10, 10), (90, 90, 100, 100)), 100, 100) == 0


def test_no_face_is_an_error():
    with pytest.raises(ValueError, match="no face"):
        choose(faces(), 100, 100)


def embedding(person: int, photograph: int) -> np.ndarray:
    """A unit vector: cosines of about 0.95 between photographs of one person, 0.85 between two."""

    def direction(*seed: int) -> np.ndarray:
        vector = np.random.default_rng(seed).standard_normal(128)
        return vector / np.linalg.norm(vector)

    parts = (0.85, direction(0)), (0.1, direction(1, person)), (0.05, direction(2, photograph))
    vector = sum(math.sqrt(share) * of for share, of in parts)
    return (vector / np.linalg.norm(vector)).astype(np.float32)


def photographs(*people: tuple[int, ...]) -> list[np.ndarray]:
    """The embeddings of the faces of photographs: who is in each."""
    number = iter(range(1000))
    return [np.stack([embedding(who, next(number)) for who in shown]) for shown in people]


def chosen(people: list[tuple[int, ...]], fallback: list[int]) -> list[tuple[int, str]]:
    """Who is chosen in each photograph, and by what."""
    choices = choose_by_agreement(photographs(*people), fallback)
    return [(shown[c.index], c.by) for shown, c in zip(people, choices, strict=True)]


THEM, PARTNER, A, B, C = range(1, 6)


def test_no_photographs_no_choices():
    assert choose_by_agreement([], []) == []


def test_a_single_photograph_has_nothing_to_agree_with():
    (only,) = choose_by_agreement(photographs((THEM,)), [0])
    assert (only.index, only.by) == (0, "only")
    assert math.isnan(only.agreement)
    (several,) = choose_by_agreement(photographs((A, B, C)), [2])
    assert (several.index, several.by) == (2, "size")
    assert math.isnan(several.agreement)


def test_the_face_that_is_in_the_other_photographs_beats_the_larger_one():
    people = [(THEM,), (A, THEM), (THEM,), (B, C, THEM)]
    assert chosen(people, [0, 0, 0, 1]) == [
        (THEM, "only"),
        (THEM, "agreement"),
        (THEM, "only"),
        (THEM, "agreement"),
    ]


def test_photographs_of_several_people_agree_without_any_of_one():
    people = [(A, THEM), (THEM, B), (C, THEM)]
    assert chosen(people, [0, 1, 0]) == [(THEM, "agreement")] * 3


def test_agreement_is_the_mean_cosine_with_the_other_photographs():
    faces = photographs((THEM,), (THEM,), (A, THEM))
    found = choose_by_agreement(faces, [0, 0, 0])[2]
    assert found.index == 1
    first, second = sorted(float(faces[2][1] @ one[0]) for one in faces[:2])
    # Two photographs of one weight, of which the lower counts by the third that is not left out.
    assert found.agreement == pytest.approx((second + first / 3) / (4 / 3), abs=1e-6)


@pytest.mark.parametrize("together", [1, 2, 4])
def test_of_a_couple_the_one_who_is_seen_alone_is_chosen(together):
    people = [(PARTNER, THEM)] * together + [(THEM,), (THEM,)]
    fallback = [0] * len(people)
    expected = [(THEM, "agreement")] * together + [(THEM, "only")] * 2
    assert chosen(people, fallback) == expected


def test_of_a_couple_always_together_the_larger_face_is_taken():
    people = [(PARTNER, THEM), (THEM, PARTNER), (PARTNER, THEM)]
    assert chosen(people, [0, 0, 1]) == [(PARTNER, "size"), (THEM, "size"), (THEM, "size")]


def test_where_nobody_is_in_the_other_photographs_the_larger_face_is_taken():
    people = [(THEM,), (THEM,), (A, B)]
    assert chosen(people, [0, 0, 1])[2] == (B, "size")
    found = choose_by_agreement(photographs(*people), [0, 0, 1])[2]
    assert found.agreement < SAME_PERSON


def test_a_photograph_of_somebody_else_has_low_agreement_and_does_no_harm():
    people = [(THEM,), (THEM,), (THEM,), (A,), (B, THEM)]
    assert chosen(people, [0] * 5)[4] == (THEM, "agreement")
    found = choose_by_agreement(photographs(*people), [0] * 5)
    assert found[3].by == "only"
    assert found[3].agreement < SAME_PERSON
    assert min(found[n].agreement for n in (0, 1, 2, 4)) >= SAME_PERSON


def test_equal_faces_are_chosen_from_by_size():
    twin = np.repeat(photographs((THEM,))[0], 2, axis=0)
    found = choose_by_agreement([twin, *photographs((THEM,))], [1, 0])
    assert (found[0].index, found[0].by) == (1, "size")


@st.composite
def albums(draw) -> tuple[list[np.ndarray], list[int]]:
    people = draw(
        st.lists(st.lists(st.integers(1, 4), min_size=1, max_size=4), min_size=1, max_size=6)
    )
    fallback = [draw(st.integers(0, len(shown) - 1)) for shown in people]
    return photographs(*map(tuple, people)), fallback


@given(albums(), st.randoms(use_true_random=False))
@settings(max_examples=100)
def test_the_order_of_photographs_and_faces_does_not_matter(album, random):
    faces, fallback = album
    order = random.sample(range(len(faces)), len(faces))
    inner = [random.sample(range(len(own)), len(own)) for own in faces]
    found = choose_by_agreement(faces, fallback)
    permuted = choose_by_agreement(
        [faces[i][inner[i]] for i in order], [inner[i].index(fallback[i]) for i in order]
    )
    expected = [
        Choice(inner[i].index(found[i].index), found[i].by, found[i].agreement) for i in order
    ]
    for one, other in zip(permuted, expected, strict=True):
        assert (one.index, one.by) == (other.index, other.by)
        assert one.agreement == other.agreement or math.isnan(one.agreement + other.agreement)


@given(albums())
@settings(max_examples=50)
def test_a_face_is_chosen_for_a_reason(album):
    faces, fallback = album
    for own, face, choice in zip(faces, fallback, choose_by_agreement(*album), strict=True):
        assert (choice.by == "only") == (len(own) == 1)
        assert choice.by == "agreement" or choice.index == face
        assert choice.by != "agreement" or choice.agreement >= SAME_PERSON
        assert math.isnan(choice.agreement) == (len(faces) == 1)


@pytest.mark.parametrize(
    ("faces", "fallback", "message"),
    [
        (photographs((A, B)), [2], "face 2 of a photograph of 2"),
        (photographs((A, B)), [-1], "face -1"),
        ([np.empty((0, 128), np.float32)], [0], "of 0 faces"),
        (photographs((A,), (B,)), [0], "2 photographs, but 1"),
    ],
)
def test_what_can_not_be_chosen_from_is_an_error(faces, fallback, message):
    with pytest.raises(ValueError, match=message):
        choose_by_agreement(faces, fallback)
