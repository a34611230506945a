"""The collect stage: who, and their photographs on disk."""

import asyncio
import contextlib
import os
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from elenco.errors import ImageError, NotEnoughData, SourceUnreachable
from elenco.faces.images import decode, encode_jpeg, probe
from elenco.fingerprint import bytes_sha256, digest, unit_interval
from elenco.layout import Layout
from elenco.progress import track
from elenco.recognition.split import split_of
from elenco.records import Record, image_id
from elenco.settings import Settings
from elenco.sources.base import Source, open_source
from elenco.sources.concurrent import run_all
from elenco.storage import read_json, write_bytes, write_json
from elenco.types import ImageRef, Person, ShardRef, Skipped, Split, StageReport

# Raise it when the same photographs would be stored otherwise.
COLLECT_VERSION = "1"
PEOPLE_AT_ONCE = 8
PEOPLE_BETWEEN_SAVES = 50
# These may pass by themselves: the photograph is asked for again at the next run.
PASSING = frozenset({"unreachable", "refused", "unreadable"})
# More of these than photographs that were had, and the run ends: it is the source that is away.
FEW_PASSING = 5

Entry = dict[str, Any]


async def list_people(settings: Settings, layout: Layout) -> list[Person]:
    """Ask the source for the people of the day and write them to `layout.people`.

    Raises:
        NotEnoughData: fewer than two.
        SourceError, ConfigError: the source can't be asked.
    """
    async with open_source(settings) as source:
        people = await source.people(settings.collect.people)
    if len(people) < 2:
        raise NotEnoughData(
            f"the source has {len(people)} people with photographs: a recogniser needs 2 or more"
        )
    write_json(layout.people, [vars(person) for person in people])
    return people


def read_people(layout: Layout) -> list[Person]:
    """The people that were listed last.

    Raises:
        NotEnoughData: nobody was listed yet.
    """
    try:
        return [Person(**entry) for entry in read_json(layout.people)]
    except FileNotFoundError:
        raise NotEnoughData(f"no people were listed in {layout.data}: collect first") from None


def shards_of(people: list[Person], shards: int) -> list[list[Person]]:
    """Cut people into shards by a stable hash of their id; a shard may be empty.

    A person stays in their shard whoever else is there.
    """
    parts: list[list[Person]] = [[] for _ in range(shards)]
    for person in people:
        parts[int(unit_interval(person.id) * shards)].append(person)
    return parts


async def collect_shard(
    people: list[Person], shard: int, settings: Settings, layout: Layout
) -> ShardRef:
    """Bring the photographs of a shard's people to `data/images`.

    A photograph whose file is there is never fetched again, whether a record tells of it or a
    killed run left it. One that could not be used is not asked for again for
    `collect.retry_skipped_days`. One that changed, and can't be had as it is now, stays as it was.

    Returns:
        The reference; kept + skipped == photographs listed + people who have none.

    Raises:
        SourceError: the source can't be asked, or most of what was asked for can't be had.
        OSError: the disk is full or not writable; what was stored before is kept.
    """
    started = time.monotonic()
    work = _Shard(people, shard, settings, layout)
    async with open_source(settings) as source:
        await work.run(source)
    record = work.record
    report = StageReport.of(
        len(record.kept), record.skipped, work.reused, time.monotonic() - started
    )
    path = layout.record("collect", shard)
    return ShardRef("collect", shard, layout.relative(path), record.digest(), report)


class _Shard:
    """One run over one shard."""

    def __init__(
        self, people: list[Person], shard: int, settings: Settings, layout: Layout
    ) -> None:
        self._people, self._settings, self._layout = people, settings, layout
        self._path = layout.record("collect", shard)
        self._name = f"collect shard {shard}"
        version = digest(COLLECT_VERSION)
        before = Record.load(self._path, "collect", version)
        self._known = {image_id(e["person_id"], e["key"]): e for e in before.kept}
        self._notes = before.notes
        self._had = self._passing = 0
        # Bounds what is held in memory too: a photograph counts until it is written.
        self._downloads = asyncio.Semaphore(settings.collect.connections)
        self._today = datetime.now(UTC).date()
        self.reused = 0
        inputs = digest(sorted(person.id for person in people))
        self.record = Record("collect", version, inputs)

    async def run(self, source: Source) -> None:
        limit = asyncio.Semaphore(PEOPLE_AT_ONCE)
        with track(self._name, len(self._people)) as advance:

            async def one(person: Person) -> None:
                async with limit:
                    await self._person(source, person)
                advance(1)

            for start in range(0, len(self._people), PEOPLE_BETWEEN_SAVES):
                try:
                    await run_all(
                        one(p) for p in self._people[start : start + PEOPLE_BETWEEN_SAVES]
                    )
                except BaseException:
                    with contextlib.suppress(OSError):  # a full disk: the first error says so
                        self._save(complete=False)
                    raise
                self._save(complete=False)
        self._save(complete=True)

    def _save(self, complete: bool) -> None:
        """Write the record; while incomplete, with what the one before knew of the others."""
        record = self.record
        record.complete = complete
        record.kept.sort(key=lambda e: (e["person_id"], e["key"]))
        record.skipped.sort(key=lambda s: s.id)
        if complete:
            record.save(self._path)
            return
        seen = {image_id(e["person_id"], e["key"]) for e in record.kept}
        rest = [entry for name, entry in self._known.items() if name not in seen]
        notes = self._notes | record.notes
        Record(
            record.stage,
            record.version,
            record.inputs,
            kept=record.kept + rest,
            skipped=record.skipped,
            notes=notes,
        ).save(self._path)

    async def _person(self, source: Source, person: Person) -> None:
        try:
            refs = await source.images(person)
        except LookupError as error:
            self.record.skipped.append(Skipped(person.id, "gone", str(error)))
            return
        if not refs:
            self.record.skipped.append(Skipped(person.id, "no_photograph"))
            return
        splits = split_of(
            person.id, (ref.key for ref in refs), self._settings.collect.test_fraction
        )
        await run_all(self._photograph(source, ref, splits[ref.key]) for ref in refs)

    async def _photograph(self, source: Source, ref: ImageRef, split: Split) -> None:
        name = image_id(ref.person_id, ref.key)
        path = self._layout.image(split, ref.person_id, ref.key)
        known = self._known.get(name)
        there = await asyncio.to_thread(self._bring, ref, split, path)
        if there and known is not None and known["version"] == ref.version:
            self.reused += 1
            self._keep(ref, split, {name: known[name] for name in ("sha256", "width", "height")})
            return
        if there and known is None and "://" in ref.url:  # left by a run that was killed
            with contextlib.suppress(ImageError):  # not a picture: as good as absent
                self._keep(ref, split, await asyncio.to_thread(self._facts, path.read_bytes()))
                self.reused += 1
                return
        note = self._notes.get(name)
        if note is None or not self._still_holds(note, ref):
            try:
                async with self._downloads:
                    data = await source.fetch(ref)
                    self._keep(ref, split, await asyncio.to_thread(self._store, data, path))
                self._had += 1
                return
            except ImageError as error:
                self._count(error)
                note = {
                    "reason": error.reason,
                    "detail": str(error),
                    "date": self._today.isoformat(),
                    "version": ref.version,
                }
        if note["reason"] not in PASSING:
            self.record.notes[name] = note
        if there and known is not None:  # it changed, and can't be had as it is now
            self.reused += 1
            self.record.kept.append(known | {"split": split})
        else:
            self.record.skipped.append(Skipped(name, note["reason"], note["detail"]))

    def _keep(self, ref: ImageRef, split: Split, facts: Entry) -> None:
        told = {"person_id": ref.person_id, "key": ref.key, "split": split}
        self.record.kept.append(told | facts | {"url": ref.url, "version": ref.version})

    def _count(self, error: ImageError) -> None:
        """Raise SourceUnreachable as soon as the source seems to be away."""
        if error.reason not in PASSING:
            self._had += 1
            return
        self._passing += 1
        if self._passing > max(FEW_PASSING, self._had):
            raise SourceUnreachable(
                f"{self._passing} of {self._passing + self._had} photographs could not be had "
                f"({error}): check the source and the network, then run again; what was fetched is "
                "kept"
            )

    def _still_holds(self, note: dict[str, Any], ref: ImageRef) -> bool:
        age = self._today - date.fromisoformat(note["date"])
        days = timedelta(days=self._settings.collect.retry_skipped_days)
        return note["version"] == ref.version and age < days

    def _bring(self, ref: ImageRef, split: Split, path: Path) -> bool:
        """Whether the photograph's file is on disk, in whatever version; brought to its split."""
        if path.exists():
            return True
        other = self._layout.image("train" if split == "test" else "test", ref.person_id, ref.key)
        if not other.exists():
            return False
        path.parent.mkdir(parents=True, exist_ok=True)
        os.replace(other, path)
        return True

    def _store(self, data: bytes, path: Path) -> Entry:
        """Write a photograph as JPEG. Raises ImageError for what is no picture."""
        megapixels = self._settings.collect.max_megapixels
        if probe(data, megapixels)[0] != "JPEG":
            data = encode_jpeg(decode(data, megapixels))
        write_bytes(path, data)
        return self._facts(data)

    def _facts(self, data: bytes) -> Entry:
        """What the record says of the file itself; the source's own sizes are the original's."""
        _, width, height = probe(data, self._settings.collect.max_megapixels)
        return {"sha256": bytes_sha256(data), "width": width, "height": height}
