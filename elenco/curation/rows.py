"""Both splits of a data set as one, a row a photograph: what curating reads."""

import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Int64, UInt64

from elenco.curation.decisions import Decision
from elenco.curation.verdicts import Faces
from elenco.errors import NotEnoughData
from elenco.layout import Layout
from elenco.records import image_id
from elenco.storage import read_npz
from elenco.types import SPLITS, DatasetRef, Split


@dataclass(frozen=True)
class DatasetRows:
    """The training rows, then those held out; each by person and key.

    Attributes:
        vectors: (n, d) f32, unit length.
        labels: (n,) index into `people`.
        quality: (n,) 0..1.
        phashes: (n,) u64.
        held_out: (n,) of the test split.
        keys: of each row.
        people: ids, sorted.
        names: of the people.
    """

    vectors: Float32[np.ndarray, "n d"]
    labels: Int64[np.ndarray, " n"]
    quality: Float32[np.ndarray, " n"]
    phashes: UInt64[np.ndarray, " n"]
    held_out: Bool[np.ndarray, " n"]
    keys: list[str]
    people: list[str]
    names: list[str]

    def person(self, row: int) -> str:
        """Whose a row is, by id."""
        return self.people[self.labels[row]]

    def id(self, row: int) -> str:
        """`person_id/key` of a row."""
        return image_id(self.person(row), self.keys[row])

    def split(self, row: int) -> Split:
        """Which split a row is of."""
        return "test" if self.held_out[row] else "train"

    def crop(self, layout: Layout) -> Callable[[str], bytes | None]:
        """How a face is read by its `person_id/key`; None where its file is gone."""
        split: dict[str, Split] = {self.id(row): self.split(row) for row in range(len(self.keys))}

        def read(photograph: str) -> bytes | None:
            if photograph not in split:
                return None
            person, _, key = photograph.partition("/")
            path = layout.crop(split[photograph], person, key)
            return path.read_bytes() if path.exists() else None

        return read


def read_rows(dataset: DatasetRef, layout: Layout) -> DatasetRows:
    """Read both splits.

    Raises:
        NotEnoughData: a file is gone, can't be read, or was written by an earlier version.
    """
    parts = [_read(layout, path) for path in (dataset.train, dataset.test)]
    people = parts[0]["people"].tolist()
    if parts[1]["people"].tolist() != people:  # a run was killed between writing the two
        raise NotEnoughData(
            f"{dataset.train} and {dataset.test} are not of the same people: refresh again"
        )
    names = dict.fromkeys(people, "")
    for part in parts:
        names |= dict(zip(part["person_ids"].tolist(), part["names"].tolist(), strict=True))
    training = len(parts[0]["labels"])
    columns = {
        # The greatest array first, and each given back as soon as both halves are one.
        name: np.concatenate([part.pop(name) for part in parts])
        for name in ("vectors", "labels", "quality", "phashes", "keys")
    }
    keys = columns.pop("keys").tolist()
    held_out = np.arange(len(keys)) >= training
    return DatasetRows(
        **columns, held_out=held_out, keys=keys, people=people, names=[names[p] for p in people]
    )


def faces_of(rows: DatasetRows, decisions: Mapping[str, Decision]) -> Faces:
    """What is curated of the rows; decisions on photographs that are not here count for nothing."""
    kept, dropped = np.zeros(len(rows.keys), bool), np.zeros(len(rows.keys), bool)
    if decisions:
        for row in range(len(rows.keys)):
            decision = decisions.get(rows.id(row))
            if decision is not None:
                (kept if decision.word == "keep" else dropped)[row] = True
    return Faces(
        rows.vectors, rows.labels, rows.quality, rows.phashes, rows.held_out, kept, dropped
    )


def _read(layout: Layout, path: str) -> dict[str, np.ndarray]:
    file = layout.data / path
    try:
        arrays = read_npz(file)
        names = ("vectors", "labels", "quality", "phashes", "keys", "person_ids", "names", "people")
        return {name: arrays[name] for name in names}
    except FileNotFoundError:
        raise NotEnoughData(f"there are no embeddings in {file}: refresh first") from None
    except KeyError as error:
        raise NotEnoughData(
            f"{file} has no {error.args[0]}: it is of an earlier version, refresh to embed again"
        ) from None
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        message = f"{file} can't be read ({error}): delete it and refresh again"
        raise NotEnoughData(message) from None


def photograph_ids(layout: Layout, embedder: str) -> frozenset[str]:
    """`person_id/key` of everything that was embedded.

    Raises:
        NotEnoughData: nothing was joined yet.
    """
    ids: set[str] = set()
    for split in SPLITS:
        path = layout.joined(embedder, split)
        try:
            # Not `read_npz`: the vectors, which are most of the file, are not wanted.
            with np.load(path, allow_pickle=False) as arrays:
                pairs = zip(arrays["person_ids"].tolist(), arrays["keys"].tolist(), strict=True)
                ids |= {image_id(person, key) for person, key in pairs}
        except FileNotFoundError:
            raise NotEnoughData(
                f"there are no embeddings of {embedder} in {layout.data}: refresh first"
            ) from None
    return frozenset(ids)
