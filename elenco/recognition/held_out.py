"""What versions say of held-out photographs: with their person in the gallery, and left out."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int64, Shaped, UInt64

from elenco.evaluation.open_set import is_unknown
from elenco.evaluation.trial import Searchable
from elenco.integrity import verify_digests
from elenco.recognition.dataset import Dataset
from elenco.recognition.drift import PHOTOGRAPHS
from elenco.recognition.paired import Said
from elenco.recognition.search import Search
from elenco.recognition.statistics import stable_digest
from elenco.storage import read_npz

Rows = Int64[np.ndarray, " n"]
Digests = UInt64[np.ndarray, " m"]


@dataclass(frozen=True)
class HeldOut:
    """Photographs of people whom a version knows.

    Attributes:
        version: who is asked.
        data: their data set.
        rows: (n,) of it.
    """

    version: Searchable
    data: Dataset
    rows: Rows

    @staticmethod
    def of(version: Searchable, data: Dataset) -> "HeldOut":
        """Those of a data set of the version's space."""
        known = [person.id for person in version.people]
        return HeldOut(version, data, np.flatnonzero(np.isin(data.person_ids, known)))

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def person_ids(self) -> Shaped[np.ndarray, " n"]:
        """Whose each photograph is."""
        return self.data.person_ids[self.rows]

    def photographs(self) -> list[str]:
        """`person_id/key` of each."""
        every = self.data.photographs()
        return [every[row] for row in self.rows.tolist()]

    def only(self, mask: np.ndarray) -> "HeldOut":
        """Some of them, by mask or index."""
        return HeldOut(self.version, self.data, self.rows[mask])

    def without(self, digests: Digests) -> "HeldOut":
        """Those whose `stable_digest` of `person_id/key` is not among these."""
        own = np.array([stable_digest(name) for name in self.photographs()], np.uint64)
        return self.only(~np.isin(own, digests))

    def said(self) -> Said:
        """Answers where everybody is in the gallery."""
        found = self.version.search(self.data.vectors[self.rows])
        unknown = is_unknown(found, self.version.threshold)
        right = ~unknown & (found.candidates[:, 0] == self._whose())
        return Said(_confidence(found, unknown), right)

    def said_of_strangers(self) -> Said:
        """Answers where the person of each photograph is left out: unknown alone is right."""
        found = self.version.search(self.data.vectors[self.rows], leave_out=self._whose())
        unknown = is_unknown(found, self.version.threshold)
        return Said(_confidence(found, unknown), unknown)

    def _whose(self) -> Rows:
        """The version's index of the person of each."""
        places = {person.id: place for place, person in enumerate(self.version.people)}
        return np.array([places[person] for person in self.person_ids.tolist()], np.int64)


def in_common(a: HeldOut, b: HeldOut) -> tuple[HeldOut, HeldOut]:
    """The photographs that both have, in the same order; there may be none."""
    where = {name: place for place, name in enumerate(b.photographs())}
    pairs = [(i, where[name]) for i, name in enumerate(a.photographs()) if name in where]
    places = np.array(pairs, np.int64).reshape(-1, 2)
    return a.only(places[:, 0]), b.only(places[:, 1])


def trained_on(directory: Path) -> Digests:
    """Which photographs a version was trained on, or was given by hand.

    They may be held out today all the same: see `elenco.recognition.split`.

    Args:
        directory: of the version or candidate.

    Returns:
        (m,) the `stable_digest` of each `person_id/key`; none where it does not say so.

    Raises:
        RegistryError: the file that says so is not what was written.
    """
    path = directory / PHOTOGRAPHS
    if not path.exists():
        return np.empty(0, np.uint64)
    verify_digests(directory, path.name)
    return read_npz(path)["train"]


def _confidence(found: Search, unknown: np.ndarray) -> np.ndarray:
    return np.where(unknown, found.unknown, found.probabilities[:, 0]).astype(np.float64)
