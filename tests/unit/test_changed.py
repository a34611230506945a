from dataclasses import replace

import numpy as np
import pytest

from elenco.recognition.changed import with_person, without_person
from elenco.recognition.dataset import class_means
from elenco.recognition.gallery import Gallery
from elenco.recognition.scoring import COHORT, find_cohort, projected
from elenco.types import EmbeddingSpace, Person
from elenco.vectors import unit

DIM = 8
SPACE = EmbeddingSpace("fake", "00", DIM, "none")


def photographs(person: int, count: int = 4) -> np.ndarray:
    centre = np.random.default_rng(person).normal(size=DIM)
    noise = np.random.default_rng([person, 1]).normal(size=(count, DIM))
    return unit((centre + 0.5 * noise).astype(np.float32))


def gallery(numbers: list[int], weight: float = 0.3) -> Gallery:
    """As `fit` makes it, with a projection that is the same whoever is in it."""
    numbers = sorted(numbers)
    vectors = np.concatenate([photographs(n) for n in numbers])
    labels = np.repeat(np.arange(len(numbers)), 4)
    projection = np.linalg.qr(np.random.default_rng(9).normal(size=(DIM, DIM)))[0]
    projection = (projection * np.linspace(0.5, 1.5, DIM)).astype(np.float32)
    known = projected(vectors, projection)
    means = class_means(known, labels, len(numbers))
    return Gallery(
        space=SPACE,
        people=tuple(Person(f"p{n:03d}", f"Person {n}") for n in numbers),
        counts=np.full(len(numbers), 4),
        means=class_means(vectors, labels, len(numbers)),
        projection=projection,
        vectors=means,
        cohort=find_cohort(known, labels, means),
        cohort_weight=weight,
        threshold=0.4,
        scale=20.0,
        false_positive_rate=0.01,
    )


@pytest.mark.parametrize("person", [0, 17, 39])
def test_with_a_person_more_others_are_as_if_they_had_been_there(person):
    everybody = gallery(list(range(40)))
    base = gallery([n for n in range(40) if n != person])
    new = with_person(base, everybody.people[person], photographs(person))
    assert new.people == everybody.people
    for name in ("counts", "means", "vectors"):
        np.testing.assert_allclose(getattr(new, name), getattr(everybody, name), atol=1e-6)
    others = np.arange(40) != person
    np.testing.assert_array_equal(new.cohort.people[others], everybody.cohort.people[others])
    np.testing.assert_allclose(
        new.cohort.scores[others], everybody.cohort.scores[others], atol=1e-6
    )
    # Their own is estimated.
    assert new.offsets[person] == pytest.approx(everybody.offsets[person], abs=0.06)
    found = new.search(photographs(person))
    assert (found.candidates[:, 0] == person).all()
    assert (new.threshold, new.scale) == (base.threshold, base.scale)


def test_removing_who_was_added_gives_the_same_answers():
    base = gallery(list(range(30)))
    for person in (-1, 12, 40):
        added = with_person(base, Person(f"p{person:03d}x", "More"), photographs(100 + person))
        back = without_person(added, f"p{person:03d}x")
        assert back.people == base.people
        np.testing.assert_array_equal(back.vectors, base.vectors)
        np.testing.assert_allclose(back.offsets, base.offsets, atol=1e-6)


@pytest.mark.parametrize("person", [0, 17, 39])
def test_without_a_person_others_keep_who_is_left_of_their_cohorts(person):
    everybody = gallery(list(range(40)))
    less = without_person(everybody, f"p{person:03d}")
    expected = gallery([n for n in range(40) if n != person])
    assert less.people == expected.people
    # Projected among fewer rows, a row's last bit is another on some processors.
    np.testing.assert_allclose(less.vectors, expected.vectors, atol=1e-6)
    assert less.cohort.people.shape == (39, COHORT + 1)
    # Those beyond the cohort that was kept are estimated; three of four count.
    np.testing.assert_allclose(less.offsets, expected.offsets, atol=1e-6)
    own = np.arange(39)[:, None]
    assert (less.cohort.people != own).all()
    assert all(len(set(row)) == COHORT + 1 for row in less.cohort.people.tolist())
    assert (np.diff(less.cohort.scores, axis=1) <= 0).all()


@pytest.mark.parametrize("count", [2, 3, 4, 5, 6])
def test_few_people(count):
    base = gallery(list(range(count)))
    more = with_person(base, Person("z", "Z"), photographs(99))
    width = min(COHORT + 1, count)
    assert more.cohort.people.shape == (count + 1, width)
    assert all(len(set(row)) == width for row in more.cohort.people.tolist())
    back = without_person(more, "z")
    assert back.cohort.people.shape == base.cohort.people.shape
    np.testing.assert_allclose(back.offsets, base.offsets, atol=1e-6)
    found = more.search(photographs(99), leave_out=np.full(4, count))
    assert (found.candidates[:, 0] != count).all()


def test_one_photograph_is_enough_and_no_cohort_no_obstacle():
    base = replace(gallery(list(range(5))), cohort_weight=0.0)
    more = with_person(base, Person("z", "Z"), photographs(99, 1))
    assert more.counts[-1] == 1
    np.testing.assert_allclose(more.means[-1], photographs(99, 1)[0], atol=1e-6)
    assert more.search(photographs(99, 1)).candidates[0, 0] == 5


def test_nobody_is_removed_who_is_not_there():
    with pytest.raises(ValueError, match="is not in list"):
        without_person(gallery([1, 2, 3]), "p009")
