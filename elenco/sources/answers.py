"""What the source said of each person, kept so that nobody is asked about who has not changed.

data/state/{source_id}/answers/NNN.json     a shard's people
data/state/{source_id}/changes.json         until which day they are known to hold

An answer is fresh if it was stored in the current epoch and not marked stale since. Each listing
asks once what changed, and marks those, and whom nobody asked about for long; where what changed
can't be told, a new epoch begins and all are stale.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from elenco.fingerprint import unit_interval
from elenco.layout import Layout
from elenco.rights.answers import over_age
from elenco.settings import Retention
from elenco.sources.base import Source, Told
from elenco.storage import read_json, write_json
from elenco.types import ImageRef

# Raise it when the same answer of a source would be stored otherwise.
ANSWERS_VERSION = "2"
STALE = 0  # no epoch


@dataclass(frozen=True)
class Changes:
    """Until which day answers are known to hold. `epoch` counts from 1."""

    until: date
    epoch: int


class Answers:
    """The stored answers of one shard.

    Args:
        layout: where.
        shard: its number.
        size: of the photographs; answers for another one are not used.
    """

    def __init__(self, layout: Layout, shard: int, size: str) -> None:
        self._path = layout.answers(shard)
        self._version = f"{ANSWERS_VERSION} {size}"
        changes = read_changes(layout)
        self._epoch = changes.epoch if changes else None
        self._people: dict[str, dict[str, Any]] = _read(self._path, self._version)

    def fresh(self, person_id: str) -> Told | None:
        """What was said of a person, None if they have to be asked about."""
        entry = self._people.get(person_id)
        if entry is None or entry["epoch"] != self._epoch:
            return None
        images = tuple(ImageRef(**{"person_id": person_id, **image}) for image in entry["images"])
        return Told(entry["name"], entry["actor"], entry["adult"], images)

    def put(self, person_id: str, told: Told) -> None:
        """Remember an answer until `save`; of a source that can't tell what changed, nothing."""
        if self._epoch is None:
            return
        images = [{k: v for k, v in vars(ref).items() if k != "person_id"} for ref in told.images]
        asked = datetime.now(UTC).date().isoformat()
        entry = {"images": images, "epoch": self._epoch, "asked": asked}
        self._people[person_id] = vars(told) | entry

    def mark_stale(self, ids: Iterable[str]) -> bool:
        """Let these people be asked about again; whether any of them was fresh."""
        found = [i for i in ids if i in self._people and self._people[i]["epoch"] != STALE]
        for person_id in found:
            self._people[person_id]["epoch"] = STALE
        return bool(found)

    def old(self, today: date, retention: Retention) -> list[str]:
        """Whom it is time to ask about again although nothing is known to have changed.

        After `retention.refresh_days`, or up to a fifth earlier by their id: who was asked about
        on one day is not for ever.
        """
        days = min(retention.refresh_days, retention.max_days)
        ages = {
            i: (today - date.fromisoformat(entry["asked"])).days
            for i, entry in self._people.items()
        }
        # Not of the id alone, which chose the shard.
        return [i for i in ages if ages[i] >= days - int(unit_interval(f"asked {i}") * days / 5)]

    def forget_over_age(self, today: date, retention: Retention) -> bool:
        """Drop what may be kept no longer, of whomever; whether there was any."""
        there = self._people
        self._people = {i: e for i, e in there.items() if not over_age(e, today, retention)}
        return len(self._people) < len(there)

    def stale(self, ids: Iterable[str]) -> list[str]:
        """Who of these was marked, sorted."""
        return sorted(i for i in ids if i in self._people and self._people[i]["epoch"] == STALE)

    def forget_all_but(self, ids: Iterable[str]) -> None:
        """Drop what is out of date of everybody else: nobody will ask for it."""
        keep = set(ids)
        self._people = {
            person_id: entry
            for person_id, entry in self._people.items()
            if person_id in keep or entry["epoch"] == self._epoch
        }

    def save(self) -> None:
        """Replace the shard's file."""
        if self._epoch is not None:
            people = dict(sorted(self._people.items()))
            write_json(self._path, {"version": self._version, "people": people})


async def find_stale(
    source: Source, layout: Layout, shards: int, size: str, today: date, retention: Retention
) -> int:
    """Ask what changed since the last time and mark it; the number of people who changed.

    Answers that are old are marked too, and not counted; what is over age is dropped.

    Safe to be killed at any moment: what was marked is asked about again, no harm done.

    Args:
        source: opened.
        layout: where.
        shards: how many there are.
        size: of the photographs.
        today: UTC.
        retention: how old an answer may be.
    """
    if not source.remembers:
        return 0
    before = read_changes(layout)
    changed = await source.changed(min(before.until, today), today) if before else None
    if before is None or changed is None:
        _write_changes(layout, Changes(today, before.epoch + 1 if before else 1))
        return 0
    for shard in range(shards):
        answers = Answers(layout, shard, size)
        dropped = answers.forget_over_age(today, retention)
        if answers.mark_stale(changed.union(answers.old(today, retention))) or dropped:
            answers.save()
    _write_changes(layout, Changes(today, before.epoch))
    return len(changed)


def read_changes(layout: Layout) -> Changes | None:
    """Until when answers hold; None if none were ever stored."""
    try:
        raw = read_json(layout.changes)
    except FileNotFoundError:
        return None
    return Changes(date.fromisoformat(raw["until"]), raw["epoch"])


def _write_changes(layout: Layout, changes: Changes) -> None:
    write_json(layout.changes, {"until": changes.until.isoformat(), "epoch": changes.epoch})


def _read(path: Path, version: str) -> dict[str, dict[str, Any]]:
    try:
        raw = read_json(path)
    except FileNotFoundError:
        return {}
    return raw["people"] if raw["version"] == version else {}
