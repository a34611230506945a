"""Which shard a person is in, and moving what is known when there are to be more or fewer."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from elenco.fingerprint import unit_interval
from elenco.layout import Layout
from elenco.records import Record, image_id
from elenco.storage import read_json, write_json
from elenco.types import Person

STAGES = ("collect", "detect")
MOVING = 0  # noted as the number of shards until all is moved
Pieces = dict[tuple[str, str], Any]  # part of the file, `person_id` or `person_id/key` -> entry


def shards_of(people: Sequence[Person], shards: int) -> list[list[Person]]:
    """Cut people into shards by a stable hash of their id; a shard may be empty.

    A person stays in their shard whoever else is there.
    """
    parts: list[list[Person]] = [[] for _ in range(shards)]
    for person in people:
        parts[shard_of(person.id, shards)].append(person)
    return parts


def shard_of(person_id: str, shards: int) -> int:
    """A person's shard, 0..shards-1."""
    return int(unit_interval(person_id) * shards)


def reshard(layout: Layout, shards: int) -> bool:
    """Bring the records and answers to as many shards as there are to be; whether there was work.

    Safe to be killed at any moment: what is moved stands in two files for a while, and the next
    call ends the work.
    """
    marker = layout.state / "shards.json"
    there = read_json(marker)["shards"] if marker.exists() else None
    if there == shards:
        return False
    if there is not None:
        write_json(marker, {"shards": MOVING})
        for stage in STAGES:
            _move_records(layout, stage, shards)
        _move_answers(layout, shards)
    write_json(marker, {"shards": shards})
    return there is not None


def _move_records(layout: Layout, stage: str, shards: int) -> None:
    found = {path: Record.read(path) for path in _files(layout.record(stage, 0))}
    old = {path: (record.version, _pieces(record)) for path, record in found.items() if record}

    def write(path: Path, version: str, pieces: Pieces) -> None:
        record = Record(stage, version)
        for (part, name), piece in pieces.items():
            if part == "notes":
                record.notes[name] = piece
            else:
                getattr(record, part).append(piece)
        record.save(path)

    _move(old, lambda shard: layout.record(stage, shard), shards, write)


def _pieces(record: Record) -> Pieces:
    pieces: Pieces = {("skipped", skip.id): skip for skip in record.skipped}
    pieces |= {("notes", name): note for name, note in record.notes.items()}
    for part, entries in (("kept", record.kept), ("retired", record.retired)):
        pieces |= {(part, image_id(e["person_id"], e["key"])): e for e in entries}
    return pieces


def _move_answers(layout: Layout, shards: int) -> None:
    found = {path: read_json(path) for path in _files(layout.answers(0))}
    old = {
        path: (raw["version"], {("people", name): entry for name, entry in raw["people"].items()})
        for path, raw in found.items()
    }

    def write(path: Path, version: str, pieces: Pieces) -> None:
        people = {name: entry for (_, name), entry in pieces.items()}
        write_json(path, {"version": version, "people": people})

    _move(old, layout.answers, shards, write)


def _move(
    old: dict[Path, tuple[str, Pieces]],
    place: Callable[[int], Path],
    shards: int,
    write: Callable[[Path, str, Pieces], None],
) -> None:
    """Write everything to its new place and delete the files that are none.

    Args:
        old: file -> version and pieces. Those of another version than the last file's are dropped.
        place: of a shard's file.
        shards: how many there are to be.
        write: makes a file of pieces.
    """
    if not old:
        return
    version = [*old.values()][-1][0]
    before = {path: pieces for path, (of, pieces) in old.items() if of == version}
    everything = {name: piece for pieces in before.values() for name, piece in pieces.items()}
    new: dict[Path, Pieces] = {}
    for (part, name), piece in sorted(everything.items(), key=lambda item: item[0]):
        path = place(shard_of(name.split("/")[0], shards))
        new.setdefault(path, {})[part, name] = piece
    for path, pieces in new.items():  # beside what is not elsewhere yet
        write(path, version, before.get(path, {}) | pieces)
    for path, pieces in new.items():
        write(path, version, pieces)
    for path in old.keys() - new.keys():
        path.unlink()


def _files(one: Path) -> list[Path]:
    """All files beside one, whatever number of shards they are of."""
    return sorted(one.parent.glob("*.json"))
