"""One run over one shard: ask, keep what is there, fetch the rest, retire what is not listed."""

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import Any, BinaryIO, cast

from elenco.errors import ImageError, SourceUnreachable, UnexpectedAnswer
from elenco.fingerprint import digest
from elenco.layout import Layout
from elenco.progress import track
from elenco.recognition.split import split_of
from elenco.records import PASSING, Record, image_id
from elenco.rights.retention import expire
from elenco.settings import Settings
from elenco.sources.answers import Answers
from elenco.sources.away import Away
from elenco.sources.base import Source, Told
from elenco.sources.concurrent import run_all
from elenco.sources.network import shared_bounds
from elenco.sources.photograph import Entry, entry_of, facts_of, said_of, store
from elenco.sources.places import bring, set_aside
from elenco.types import ImageRef, Person, Skipped, Split

# Raise it when the same photographs would be stored otherwise.
COLLECT_VERSION = "2"
PEOPLE_AT_ONCE = 32
PEOPLE_BETWEEN_SAVES = 50
IN_MEMORY = 256 << 10  # bytes
# What a server that breaks answers now and then may send whole the next time.
BROKEN = frozenset({"empty", "not_an_image", "truncated"})


@dataclass
class _Wanted:
    """A photograph that is listed and has to be fetched.

    Attributes:
        known: its entry, where an earlier version of it is there.
    """

    ref: ImageRef
    split: Split
    path: Path
    known: Entry | None
    tries: int = 0

    @property
    def name(self) -> str:
        return image_id(self.ref.person_id, self.ref.key)


class Collecting:
    """A shard being collected; `run` once.

    Attributes:
        record: the manifest of the shard, complete after `run`.
        reused: how many of the kept photographs were there before.
    """

    def __init__(
        self, people: Sequence[Person], shard: int, settings: Settings, layout: Layout
    ) -> None:
        self._people, self._settings, self._layout = people, settings, layout
        self._path = layout.record("collect", shard)
        self._name = f"collect shard {shard + 1}"
        version = digest(COLLECT_VERSION)
        before = Record.load(self._path, "collect", version)
        self._known = {image_id(e["person_id"], e["key"]): e for e in before.kept}
        self._retired = {image_id(e["person_id"], e["key"]): e for e in before.retired}
        self._notes = before.notes
        self._answers = Answers(layout, shard, settings.collect.image_size)
        self._again: list[_Wanted] = []
        self._why: dict[str, str] = {}  # person -> why their photographs are listed no more
        self._away = Away()
        self._done = 0
        self._now = datetime.now(UTC)
        inputs = digest(sorted(person.id for person in people))
        self.record = Record("collect", version, inputs)
        self.reused = 0

    async def run(self, source: Source) -> None:
        limit = asyncio.Semaphore(PEOPLE_AT_ONCE)
        self._bounds = shared_bounds(self._settings)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with track(self._name, len(self._people)) as advance:

            async def one(person: Person) -> None:
                async with limit:
                    await self._person(source, person)
                    advance(1)
                    self._done += 1
                    if self._done % PEOPLE_BETWEEN_SAVES == 0:
                        await self._save()

            try:
                await run_all(one(person) for person in self._people)
                while self._again:
                    again, self._again = self._again, []
                    await run_all(self._fetch(source, wanted) for wanted in again)
            except BaseException:
                with contextlib.suppress(OSError):  # a full disk: the first error says so
                    await self._save()
                raise
        await asyncio.to_thread(self._finish)

    def _finish(self) -> None:
        """Retire what is listed no more, delete what is too old, and write the manifest."""
        record = self.record
        listed = {image_id(e["person_id"], e["key"]) for e in record.kept}
        gone = {n: e for n, e in self._known.items() if n not in listed}
        if gone:  # first the record that tells of them, in case of a kill between the two
            self._write()
        for name, entry in gone.items():
            why = self._why.get(entry["person_id"], "left")
            self._retired[name] = entry | {"retired_at": self._now.date().isoformat(), "why": why}
            set_aside(self._layout, entry)
        record.retired = list(self._retired.values())
        record.complete = True
        self._sort(record)
        kept = len(record.kept)
        expire(record, self._layout, self._settings, self._now)
        self.reused -= kept - len(record.kept)
        record.save(self._path)
        self._answers.forget_all_but(person.id for person in self._people)
        self._answers.save()

    async def _save(self) -> None:
        await asyncio.to_thread(self._write)

    def _write(self) -> None:
        """Write the record as it is now, with what the one before knew of the others."""
        record = self.record
        kept = list(record.kept)
        seen = {image_id(e["person_id"], e["key"]) for e in kept}
        rest = [entry for name, entry in self._known.items() if name not in seen]
        partial = Record(
            record.stage,
            record.version,
            record.inputs,
            kept=kept + rest,
            skipped=list(record.skipped),
            notes=self._notes | record.notes,
            retired=list(self._retired.values()),
        )
        self._sort(partial)
        partial.save(self._path)
        self._answers.save()

    async def _person(self, source: Source, person: Person) -> None:
        told = await self._told(source, person)
        if told is None:
            return
        limit = self._settings.collect.photos_per_person
        refs = () if told.adult else told.images[:limit]
        if not refs:
            reason = "adult" if told.adult else "no_photograph"
            self._why[person.id] = reason if told.adult else "dropped"
            self.record.skipped.append(Skipped(person.id, reason))
            return
        self._why[person.id] = "dropped" if len(refs) == len(told.images) else "over_limit"
        splits = split_of(person.id, (r.key for r in refs), self._settings.collect.test_fraction)
        left_behind, wanted = await asyncio.to_thread(self._sort_out, refs, splits)
        for one in left_behind:
            if not (source.remembers and await self._adopt(source, one)):
                wanted.append(one)
        await run_all(self._fetch(source, one) for one in wanted)

    async def _told(self, source: Source, person: Person) -> Told | None:
        """What is known of a person, asked for where that is not fresh; None if it can't be had."""
        told = self._answers.fresh(person.id)
        if told is not None:
            return told
        try:
            told = await source.ask(person.id)
        except LookupError as error:
            self._why[person.id] = "gone"
            self.record.skipped.append(Skipped(person.id, "gone", str(error)))
            return None
        except (SourceUnreachable, UnexpectedAnswer) as error:  # what is there of them stays
            self._away.failed(error)
            silent = isinstance(error, SourceUnreachable)
            reason = "unreachable" if silent else "unexpected_answer"
            self.record.skipped.append(Skipped(person.id, reason, str(error)))
            mine = [e for e in self._known.values() if e["person_id"] == person.id]
            self.record.kept += mine
            self.reused += len(mine)
            return None
        self._answers.put(person.id, told)
        return told

    def _sort_out(
        self, refs: Sequence[ImageRef], splits: dict[str, Split]
    ) -> tuple[list[_Wanted], list[_Wanted]]:
        """Keep or skip what can be without asking.

        Returns:
            Photographs of which the file is there and nothing is known, and those to be fetched.
        """
        left_behind, wanted = [], []
        for ref in refs:
            name, split = image_id(ref.person_id, ref.key), splits[ref.key]
            path = self._layout.image(split, ref.person_id, ref.key)
            there = bring(self._layout, ref, split)
            known = self._known.get(name) or (self._retired.get(name) if there else None)
            self._retired.pop(name, None)
            if known is not None:
                known = {k: v for k, v in known.items() if k not in ("retired_at", "why")}
            if there and known is not None and known["origin"]["version"] == ref.version:
                known = known | {"split": split, "origin": known["origin"] | said_of(ref)}
                if not self._due(known):
                    self._keep(known, reused=True)
                    continue
            one = _Wanted(ref, split, path, known if there else None)
            note = self._notes.get(name)
            if there and known is None:
                left_behind.append(one)
            elif note is not None and self._still_holds(note, ref):
                self._give_up(one, note)
            else:
                wanted.append(one)
        return left_behind, wanted

    async def _adopt(self, source: Source, one: _Wanted) -> bool:
        """Keep the file of a killed run; False if it is not the whole of a picture."""
        megapixels = self._settings.collect.max_megapixels
        try:
            facts = await asyncio.to_thread(facts_of, one.path, megapixels)
        except ImageError:
            return False
        fetched_at = datetime.fromtimestamp(one.path.stat().st_mtime, UTC)
        url = await source.address(one.ref)
        self._keep(entry_of(one.ref, one.split, facts, url, fetched_at), reused=True)
        return True

    async def _fetch(self, source: Source, wanted: _Wanted) -> None:
        wanted.tries += 1
        megapixels = self._settings.collect.max_megapixels
        try:
            async with self._bounds.files:
                # In memory as a rule; a large one goes to disk as it arrives.
                aside = str(self._path.parent)
                with SpooledTemporaryFile(IN_MEMORY, dir=aside) as spool:
                    file = cast(BinaryIO, spool)
                    await source.fetch(wanted.ref, file)
                    facts = await asyncio.to_thread(store, file, wanted.path, megapixels)
        except ImageError as error:
            self._failed(source, wanted, error)
            return
        self._away.had()
        url = await source.address(wanted.ref)
        self._keep(entry_of(wanted.ref, wanted.split, facts, url, self._now), reused=False)

    def _failed(self, source: Source, wanted: _Wanted, error: ImageError) -> None:
        """Try again at the end what may be whole then; else remember that it is not."""
        if error.reason in PASSING:
            if wanted.tries == 1:
                self._away.failed(error)
            most = 2
        else:
            self._away.had()
            most = source.tries if error.reason in BROKEN else 1
        if wanted.tries < min(most, source.tries):
            self._again.append(wanted)
            return
        note: dict[str, Any] = {
            "reason": error.reason,
            "detail": str(error),
            "date": self._now.date().isoformat(),
            "version": wanted.ref.version,
        }
        if error.reason == "too_large":
            note["limits"] = self._limits()
        self._give_up(wanted, note)

    def _give_up(self, wanted: _Wanted, note: dict[str, Any]) -> None:
        if note["reason"] not in PASSING:
            self.record.notes[wanted.name] = note
        if wanted.known is not None:  # it changed, and can't be had as it is now
            self._keep(wanted.known | {"split": wanted.split}, reused=True)
        else:
            self.record.skipped.append(Skipped(wanted.name, note["reason"], note["detail"]))

    def _keep(self, entry: Entry, *, reused: bool) -> None:
        self.reused += reused
        self.record.kept.append(entry)

    def _due(self, known: Entry) -> bool:
        """Whether a photograph has to be fetched anew although it has not changed."""
        if self._layout.source_id != "tmdb":
            return False
        age = self._now - datetime.fromisoformat(known["origin"]["fetched_at"])
        return age >= timedelta(days=self._settings.retention.refresh_days)

    def _still_holds(self, note: dict[str, Any], ref: ImageRef) -> bool:
        age = self._now.date() - date.fromisoformat(note["date"])
        days = timedelta(days=self._settings.collect.retry_skipped_days)
        limits = note.get("limits", {})  # what was too large for them may not be for higher ones
        raised = any(now > limits.get(name, now) for name, now in self._limits().items())
        return note["version"] == ref.version and age < days and not raised

    def _limits(self) -> dict[str, float]:
        collect = self._settings.collect
        return {"megabytes": collect.max_megabytes, "megapixels": collect.max_megapixels}

    @staticmethod
    def _sort(record: Record) -> None:
        record.kept.sort(key=lambda e: (e["person_id"], e["key"]))
        record.skipped.sort(key=lambda s: s.id)
        record.retired.sort(key=lambda e: (e["person_id"], e["key"]))
        record.notes = dict(sorted(record.notes.items()))
