"""A gallery with a person more or less. Nothing is fitted: projection and threshold stay.

Others' vectors stay too; their cohorts are what they would be with the person's photographs, or
without. Of the others there are no photographs in a gallery: where the highest cosine of somebody's
photographs with a vector is wanted, it is the cosine of their own vector, and as much more as that
is on average in the cohorts there are.
"""

from bisect import bisect_left
from dataclasses import replace

import numpy as np
from jaxtyping import Float32, Int64

from elenco.recognition.dataset import Vectors, class_means
from elenco.recognition.gallery import Gallery
from elenco.recognition.scoring import COHORT, Cohort, projected
from elenco.types import Person
from elenco.vectors import unit

Rows = Float32[np.ndarray, "c m"]


def with_person(gallery: Gallery, person: Person, vectors: Vectors) -> Gallery:
    """The gallery with somebody whom it does not know.

    Args:
        gallery: of people in the order of their ids.
        person: in their place among these afterwards.
        vectors: (n, d) unit length, of their photographs; n is 1 or more.
    """
    photographs = projected(unit(vectors), gallery.projection)
    one = np.zeros(len(vectors), np.int64)
    mean, vector = (class_means(rows, one, 1) for rows in (vectors, photographs))
    place = bisect_left([other.id for other in gallery.people], person.id)
    people = gallery.cohort.people + (gallery.cohort.people >= place)
    seen = (photographs @ gallery.vectors.T).max(axis=0)
    others = _best(
        np.hstack([people, np.full((len(people), 1), place)]),
        np.hstack([gallery.cohort.scores, seen[:, None]]),
        len(gallery.people),
    )
    everybody = np.delete(np.arange(len(gallery.people) + 1), place)[None]
    theirs = (gallery.vectors @ vector[0] + _photographs_over_means(gallery))[None]
    own = _best(everybody, theirs.astype(np.float32), len(gallery.people))
    return replace(
        gallery,
        people=(*gallery.people[:place], person, *gallery.people[place:]),
        counts=np.insert(gallery.counts, place, len(vectors)),
        means=np.insert(gallery.means, place, mean, axis=0),
        vectors=np.insert(gallery.vectors, place, vector, axis=0),
        cohort=Cohort(
            np.insert(others.people, place, own.people, axis=0),
            np.insert(others.scores, place, own.scores, axis=0),
        ),
    )


def without_person(gallery: Gallery, person_id: str) -> Gallery:
    """The gallery without somebody whom it knows.

    Args:
        gallery: of three people or more.
        person_id: theirs.

    Raises:
        ValueError: it does not know them.
    """
    gone = [person.id for person in gallery.people].index(person_id)
    kept = np.delete(np.arange(len(gallery.people)), gone)
    cohort = gallery.cohort
    people, scores = cohort.people[kept], cohort.scores[kept].copy()
    # Whoever had them has somebody else in their place, no more alike than the least of the rest.
    rows, columns = np.nonzero(people == gone)
    if len(rows):
        scores[rows, columns] = -np.inf
        cosines = gallery.vectors[kept[rows]] @ gallery.vectors.T + _photographs_over_means(gallery)
        cosines[:, gone] = cosines[np.arange(len(rows)), kept[rows]] = -np.inf
        np.put_along_axis(cosines, people[rows], -np.inf, axis=1)
        people = people.copy()
        people[rows, columns] = cosines.argmax(axis=1)
        least = np.where(np.isfinite(scores[rows]), scores[rows], np.inf).min(axis=1)
        scores[rows, columns] = np.minimum(cosines.max(axis=1), least)
    found = _best(people - (people > gone), scores, len(kept) - 1)
    return replace(
        gallery,
        people=tuple(gallery.people[place] for place in kept.tolist()),
        counts=gallery.counts[kept],
        means=gallery.means[kept],
        vectors=gallery.vectors[kept],
        cohort=found,
    )


def _best(people: Int64[np.ndarray, "c m"], scores: Rows, others: int) -> Cohort:
    """The cohort of those with the highest scores; never more than there are others."""
    order = np.argsort(-scores, axis=1, kind="stable")[:, : min(COHORT + 1, others)]
    return Cohort(np.take_along_axis(people, order, 1), np.take_along_axis(scores, order, 1))


def _photographs_over_means(gallery: Gallery) -> np.float32:
    """By how much the cosine of the most alike photograph is over that of the mean, on average."""
    people, scores = gallery.cohort.people, gallery.cohort.scores
    if not scores.size:
        return np.float32(0)
    total = sum(
        float((scores[:, j] - (gallery.vectors[people[:, j]] * gallery.vectors).sum(axis=1)).sum())
        for j in range(people.shape[1])
    )
    return np.float32(total / scores.size)
