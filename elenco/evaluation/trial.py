"""What is measured: a recogniser, photographs of those it knows, and photographs of strangers."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from jaxtyping import Float32, Int64

from elenco.evaluation.bootstrap import People, StrangerPeople
from elenco.evaluation.open_set import Truth
from elenco.recognition.dataset import Dataset
from elenco.recognition.search import Search
from elenco.types import EmbeddingSpace, Person


class Searchable(Protocol):
    """A recogniser that can be measured: `elenco.recognition.gallery.Gallery`.

    Attributes:
        people: those whom it knows.
        space: of the vectors that it takes.
        counts: (c,) photographs that each of them was learned from.
        threshold: a face whose best score is lower is unknown.
        false_positive_rate: share of strangers that the threshold was set for.
    """

    @property
    def people(self) -> Sequence[Person]: ...
    @property
    def space(self) -> EmbeddingSpace: ...
    @property
    def counts(self) -> Int64[np.ndarray, " c"]: ...
    @property
    def threshold(self) -> float: ...
    @property
    def false_positive_rate(self) -> float: ...

    def search(
        self, vectors: Float32[np.ndarray, "n d"], leave_out: Int64[np.ndarray, " n"] | None = None
    ) -> Search:
        """Search for any number of unit-length vectors.

        Args:
            vectors: one a face.
            leave_out: the index of a person who is not in the gallery for a face; -1 for nobody.
        """
        ...


@dataclass(frozen=True)
class Trial:
    """A recogniser and the photographs that it is measured on.

    Attributes:
        gallery: the recogniser.
        made_from: the photographs that it was made from.
        probes: photographs of the gallery's people that it was not made from.
        strangers: photographs of people who are not in the gallery that they are searched in.
        leave_out: (m,) of each stranger the index in the gallery of the person to be left out of
            it; -1 where they are in it at no time.
    """

    gallery: Searchable
    made_from: Dataset
    probes: Dataset
    strangers: Dataset
    leave_out: Int64[np.ndarray, " m"]

    @cached_property
    def truth(self) -> Truth:
        """Index into the gallery's people of each probe."""
        return indices(self.gallery, self.probes)

    @cached_property
    def _people(self) -> np.ndarray:
        return np.unique(np.concatenate([self.probes.person_ids, self.strangers.person_ids]))

    @property
    def people(self) -> People:
        """A number for the person of each probe; for a stranger who is the same, the same."""
        return np.searchsorted(self._people, self.probes.person_ids)

    @property
    def stranger_people(self) -> StrangerPeople:
        """A number for the person of each stranger, as in `people`."""
        return np.searchsorted(self._people, self.strangers.person_ids)

    @property
    def strata(self) -> Int64[np.ndarray, " p"]:
        """Of each number: 1 for people who are only strangers, 0 for the others."""
        return (~np.isin(self._people, self.probes.person_ids)).astype(np.int64)


def indices(gallery: Searchable, data: Dataset) -> Int64[np.ndarray, " n"]:
    """Whom of the gallery's people each photograph shows; -1 for somebody else."""
    index = {person.id: place for place, person in enumerate(gallery.people)}
    return np.array([index.get(person, -1) for person in data.person_ids.tolist()], np.int64)


def only(data: Dataset, rows: np.ndarray) -> Dataset:
    """Some of the photographs, by index or mask."""
    columns = {
        name: value[rows]
        for name, value in vars(data).items()
        if isinstance(value, np.ndarray) and name != "people"
    }
    return Dataset(**columns, people=data.people, space=data.space)


def compact(data: Dataset) -> Dataset:
    """The same photographs with labels that count the people there are, from 0."""
    people, labels = np.unique(data.person_ids, return_inverse=True)
    return Dataset(**(vars(data) | {"people": people, "labels": labels.astype(np.int64)}))


def joined(data: Dataset, more: Dataset) -> Dataset:
    """Both data sets in one, labelled anew."""
    columns = {
        name: np.concatenate([value, getattr(more, name)])
        for name, value in vars(data).items()
        if isinstance(value, np.ndarray) and name != "people"
    }
    return compact(Dataset(**columns, people=data.people, space=data.space))
