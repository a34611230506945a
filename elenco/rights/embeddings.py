"""Rows of `data/processed` that are not to stay: the files are written again without them.

What is left is, array by array, what `elenco.embedding.stage` would write of the rest, so that a
data set without a person is the same whether they were removed or never there.
"""

import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

import numpy as np

from elenco.layout import Layout
from elenco.progress import say
from elenco.rights.places import Photograph
from elenco.storage import read_npz, write_npz
from elenco.types import SPLITS

Arrays = dict[str, np.ndarray]
TEXT = ("person_ids", "names", "keys", "splits", "crop_sha256")


class Photographs(Protocol):
    """Some photographs, by person id and key: a set, or whatever can say it."""

    def __contains__(self, photograph: Photograph, /) -> bool: ...


def remove_rows(layout: Layout, chosen: Photographs) -> int:
    """Remove the embeddings of some photographs, of every embedder.

    A file that can't be read is deleted whole: nobody can say who is in it, and its crops are
    embedded again.

    Returns:
        How many rows; one that stands in a shard and in the data set counts once.
    """
    count = 0
    for folder in sorted(layout.processed("x").parent.glob("*/")):
        shards = sum(_of_shard(path, chosen) for path in sorted(folder.glob("shard-*.npz")))
        joined = _of_joined([layout.joined(folder.name, split) for split in SPLITS], chosen)
        count += max(shards, joined)
    return count


def _of_shard(path: Path, chosen: Photographs) -> int:
    arrays = _read(path)
    if arrays is None:
        return 0
    kept = _kept(arrays, chosen)
    gone = len(kept) - int(kept.sum())
    if gone:
        write_npz(path, **_shrunk(_rows(arrays, kept), ()))
    return gone


def _of_joined(paths: list[Path], chosen: Photographs) -> int:
    """Both splits together: they have the list of people, and its numbers, in common."""
    before = {path: arrays for path in paths if (arrays := _read(path)) is not None}
    kept = {path: _kept(arrays, chosen) for path, arrays in before.items()}
    after = {path: _rows(arrays, kept[path]) for path, arrays in before.items()}
    after = {path: _shrunk(arrays, after.values()) for path, arrays in after.items()}
    if not after:
        return 0
    people = np.unique(np.concatenate([arrays["person_ids"] for arrays in after.values()]))
    for path, arrays in after.items():
        labels = np.searchsorted(people, arrays["person_ids"]).astype(np.int64)
        arrays |= {"labels": labels, "people": people}
        # A killed run may have left one split with people whom the other has no more.
        if not kept[path].all() or before[path]["people"].tolist() != people.tolist():
            write_npz(path, **arrays)
    return sum(len(rows) - int(rows.sum()) for rows in kept.values())


def _read(path: Path) -> Arrays | None:
    """The arrays of a file; None if it is not there, or was deleted as not readable."""
    try:
        arrays = read_npz(path)
        rows = len(arrays["vectors"])
        if any(len(arrays[name]) != rows for name in ("person_ids", "keys")):
            raise ValueError("its arrays are not of one length")
        return arrays
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        say(f"{path} can't be read ({error}) and is deleted: its crops are embedded again")
        path.unlink()
        return None


def _kept(arrays: Arrays, chosen: Photographs) -> np.ndarray:
    pairs = zip(arrays["person_ids"].tolist(), arrays["keys"].tolist(), strict=True)
    return np.array([pair not in chosen for pair in pairs], bool)


def _rows(arrays: Arrays, kept: np.ndarray) -> Arrays:
    """The kept rows of every array that has a row a photograph."""
    fixed = ("meta", "people")
    return {name: a if name in fixed else a[kept] for name, a in arrays.items()}


def _shrunk(arrays: Arrays, others: Iterable[Arrays]) -> Arrays:
    """With texts as wide as the longest there is, in these arrays and `others`."""
    beside = list(others)
    widths = {
        name: np.concatenate([np.array(a[name].tolist(), str) for a in (arrays, *beside)]).dtype
        for name in TEXT
        if name in arrays
    }
    return {name: a.astype(widths[name]) if name in widths else a for name, a in arrays.items()}
