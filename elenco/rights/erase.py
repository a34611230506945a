"""Deletes photographs with all that was made of them.

What holds content goes before the records that lead to it: a killed run, run again, finds the rest.
What is gone already is passed over.
"""

import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from elenco.layout import Layout
from elenco.records import Record
from elenco.rights.answers import erase_answers
from elenco.rights.curated import erase_curation
from elenco.rights.embeddings import remove_rows
from elenco.rights.places import (
    Photograph,
    files,
    person_folders,
    records,
    remove_if_empty,
)
from elenco.rights.removed import Removed

EVERYWHERE = ("photographs", "crops", "retired")


@dataclass(frozen=True)
class Chosen:
    """Which photographs: `(person_id, key) in chosen`.

    Attributes:
        people: everything of theirs.
        photographs: single ones.
        spared: not these: another kind of source has somebody of the same id.
    """

    people: frozenset[str] = frozenset()
    photographs: frozenset[Photograph] = frozenset()
    spared: frozenset[Photograph] = frozenset()

    def __contains__(self, photograph: Photograph) -> bool:
        return photograph not in self.spared and (
            photograph[0] in self.people or photograph in self.photographs
        )


def erase(sources: Sequence[Layout], chosen: Chosen) -> Removed:
    """Delete what was chosen: files, embeddings, answers, and what the records say of it.

    Call it while holding the data directory.

    Args:
        sources: one data directory, seen from each source whose records may know of it; at least
            one.
        chosen: what.

    Returns:
        What was there.

    Raises:
        ElencoError: a record or an answer can't be read; the message says what to do.
    """
    removed = erase_files(sources[0], chosen)
    removed += Removed(entries=erase_curation(sources[0], chosen))
    removed += Removed(embeddings=remove_rows(sources[0], chosen))
    for source in sources:
        entries = erase_answers(source, lambda person, _: person in chosen.people)
        entries += erase_entries("detect", source, chosen)
        # The manifest last: it alone says which photographs there were.
        entries += erase_entries("collect", source, chosen)
        removed += Removed(entries=entries)
    return removed


def erase_files(layout: Layout, chosen: Chosen) -> Removed:
    """Delete photographs, faces and what is kept aside of them, and folders left empty."""
    removed = Removed()
    for person in sorted(chosen.people):
        for name, folders in person_folders(layout, person).items():
            for folder in folders:
                found = sorted(folder.iterdir()) if folder.is_dir() else []
                gone = [p for p in found if (person, p.stem) not in chosen.spared]
                removed += Removed(**{name: unlink(gone)})
                remove_if_empty(folder)
    for person, key in sorted(chosen.photographs - chosen.spared):
        removed += erase_photograph(layout, person, key, EVERYWHERE)
    return removed


def erase_photograph(layout: Layout, person_id: str, key: str, names: Iterable[str]) -> Removed:
    """Delete the files of one photograph: of `photographs`, `crops` and `retired`, those named."""
    removed = Removed()
    for name, paths in files(layout, person_id, key).items():
        if name in names:
            removed += Removed(**{name: unlink(paths)})
            for path in paths:
                remove_if_empty(path.parent)
    return removed


def unlink(paths: Iterable[Path]) -> int:
    """Delete what may be gone already, folders with all that is in them; how many there were."""
    there = [path for path in paths if path.exists() or path.is_symlink()]
    for path in there:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    return len(there)


def erase_entries(stage: str, source: Layout, chosen: Chosen) -> int:
    """Take what was chosen out of a stage's records; how many entries."""
    count = 0
    for path, record in records(stage, source):
        less = _without(record, chosen)
        gone = _size(record) - _size(less)
        if gone:
            less.save(path)
        count += gone
    return count


def _without(record: Record, chosen: Chosen) -> Record:
    return replace(
        record,
        kept=[e for e in record.kept if (e["person_id"], e["key"]) not in chosen],
        retired=[e for e in record.retired if (e["person_id"], e["key"]) not in chosen],
        skipped=[s for s in record.skipped if _photograph(s.id) not in chosen],
        notes={name: n for name, n in record.notes.items() if _photograph(name) not in chosen},
    )


def _size(record: Record) -> int:
    return len(record.kept) + len(record.retired) + len(record.skipped) + len(record.notes)


def _photograph(name: str) -> Photograph:
    """What `image_id` was made of; a person alone has no key."""
    person, _, key = name.partition("/")
    return person, key
