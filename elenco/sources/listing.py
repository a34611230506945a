"""Who is collected today: the source's people in order, less those who may not or need not be."""

import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from elenco.errors import NotEnoughData, SourceUnreachable, UnexpectedAnswer
from elenco.layout import Layout
from elenco.progress import track
from elenco.rights.denylist import Denylist, denied
from elenco.settings import Settings
from elenco.sources.answers import Answers, find_stale
from elenco.sources.base import EXPORT_UNAVAILABLE, Candidate, Source, open_source
from elenco.sources.concurrent import run_all
from elenco.sources.people import (
    delete_lists_before,
    newest_list,
    people_before,
    read_people,
    write_people,
)
from elenco.sources.shards import reshard, shard_of, shards_of
from elenco.sources.wanted import read_cast
from elenco.types import Listing, Person, Skipped, StageReport

ASKED_AT_ONCE = 64
# More who are not answered, one after another, and the listing ends: the source is away, or
# has changed.
MOST_SILENT = 64


async def list_people(settings: Settings, layout: Layout) -> Listing:
    """List the people of the day, write the list, and mark whose stored answers are out of date.

    Who acts is known of the popular; of those who are added from further down, and of an explicit
    list, each is asked about once, and the answer is stored for the collect stage too. A failure
    that may pass throws nobody out: who was in the list before stays in it.

    Raises:
        NotEnoughData: fewer than two.
        SourceError, ConfigError: the source can't be asked.
    """
    started = time.monotonic()
    reshard(layout, settings.collect.shards)
    today = datetime.now(UTC).date()
    async with open_source(settings) as source:
        work = _Listing(source, settings, layout)
        collect = settings.collect
        changed = await find_stale(
            source, layout, collect.shards, collect.image_size, today, settings.retention
        )
        await work.run()
    if len(work.people) < 2:
        raise NotEnoughData(
            f"the source has {len(work.people)} people with photographs: "
            "a recogniser needs 2 or more"
        )
    people = [replace(one.person, name=one.person.name.strip()) for one in work.people]
    before = people_before(layout, today)
    path = write_people(layout, today, people, work.skipped, settings.collect.people)
    if layout.source_id == "tmdb":
        delete_lists_before(layout, today - timedelta(days=settings.retention.max_days))
    report = StageReport.of(len(people), work.skipped, 0, time.monotonic() - started)
    return Listing(
        path=layout.relative(path),
        shards=shards_of(people, settings.collect.shards),
        came=_missing(people, before),
        left=_missing(before or [], people),
        changed=changed,
        report=report,
        stayed=sum(one.person.id in work.untold for one in work.people),
    )


class _Listing:
    """One listing under way. kept + skipped == everybody who was looked at.

    Attributes:
        people, skipped: those who were looked at.
        untold: ids of who is looked at only because they were in the list before, or could not be
            asked about and were in it.
    """

    def __init__(self, source: Source, settings: Settings, layout: Layout) -> None:
        self._source, self._settings, self._layout = source, settings, layout
        self._denied: Denylist = denied(layout)
        self._answers: dict[int, Answers] = {}
        self._explicit = settings.collect.cast is not None
        self._silent = 0
        before = read_people(layout) if newest_list(layout) else []
        self._before = {person.id: person for person in before}
        self._looked_at: set[str] = set()
        self.untold: set[str] = set()
        self.people: list[Candidate] = []
        self.skipped: list[Skipped] = []

    async def run(self) -> None:
        limit = self._settings.collect.people
        if self._settings.collect.cast is not None:
            cast = read_cast(self._settings.collect.cast)
            parts = _one_part([Candidate(person, actor=None) for person in cast])
            limit = len(cast)
        else:
            parts = self._source.candidates(limit)
        try:
            with track("list people", limit) as advance:
                async with aclosing(parts):  # pyright: ignore[reportArgumentType]
                    async for part in parts:
                        await self._take(part, limit, advance)
                        if len(self.people) == limit:
                            break
                if any(skip.reason == EXPORT_UNAVAILABLE for skip in self.skipped):
                    await self._take(self._not_told_of(), limit, advance)
        finally:
            for answers in self._answers.values():
                answers.save()

    async def _take(
        self, part: Sequence[Candidate | Skipped], limit: int, advance: Callable[[int], None]
    ) -> None:
        """Judge one part, as far as people are missing."""
        while part and (missing := limit - len(self.people)):
            # Half of those who are asked about may not act.
            size = min(ASKED_AT_ONCE, 2 * missing)
            await self._judge(part[:size], limit)
            advance(len(self.people) + missing - limit)
            part = part[size:]

    def _not_told_of(self) -> list[Candidate]:
        """Who was in the list before, and is not in what could be read of the source."""
        rest = [one for one in self._before.values() if one.id not in self._looked_at]
        self.untold |= {one.id for one in rest}
        return [Candidate(one, actor=None) for one in rest]

    async def _judge(self, part: Sequence[Candidate | Skipped], limit: int) -> None:
        """Sort one part into people and skipped."""
        self.skipped += [one for one in part if isinstance(one, Skipped)]
        candidates = [one for one in part if isinstance(one, Candidate)]
        self._looked_at |= {one.person.id for one in candidates}
        unsure = [c for c in candidates if c.actor is None and c.person.id not in self._denied]
        told = dict(
            zip(
                [one.person.id for one in unsure],
                await run_all(self._ask(one) for one in unsure),
                strict=True,
            )
        )
        for candidate in candidates:
            found = told.get(candidate.person.id, candidate)
            if isinstance(found, Skipped):
                self.skipped.append(found)
            elif reason := self._reason(found):
                # The list names nobody who was forgotten.
                name = "somebody" if reason == "denied" else candidate.person.id
                self.skipped.append(Skipped(name, reason))
            elif len(self.people) == limit:
                self.skipped.append(Skipped(candidate.person.id, "over_limit"))
            else:
                self.people.append(found)

    def _reason(self, candidate: Candidate) -> str:
        """Why someone is left out, empty if they are not."""
        if candidate.person.id in self._denied:
            return "denied"
        if candidate.adult:
            return "adult"
        return "" if candidate.actor or self._explicit else "other_department"

    async def _ask(self, candidate: Candidate) -> Candidate | Skipped:
        person = candidate.person
        answers = self._of(person.id)
        told = answers.fresh(person.id)
        if told is None:
            try:
                told = await self._source.ask(person.id)
            except LookupError as error:
                return Skipped(person.id, "gone", str(error))
            except (SourceUnreachable, UnexpectedAnswer) as error:
                self._silent += 1
                if self._silent > MOST_SILENT:
                    raise
                if person.id in self._before:  # nothing is stored: they are asked about again
                    self.untold.add(person.id)
                    return Candidate(self._before[person.id], adult=candidate.adult)
                silent = isinstance(error, SourceUnreachable)
                reason = "unreachable" if silent else "unexpected_answer"
                return Skipped(person.id, reason, str(error))
            self._silent = 0
            answers.put(person.id, told)
        named = replace(person, name=told.name or person.name)
        return Candidate(named, told.actor, told.adult)

    def _of(self, person_id: str) -> Answers:
        shard = shard_of(person_id, self._settings.collect.shards)
        if shard not in self._answers:
            size = self._settings.collect.image_size
            self._answers[shard] = Answers(self._layout, shard, size)
        return self._answers[shard]


async def _one_part(people: list[Candidate]) -> AsyncIterator[list[Candidate | Skipped]]:
    yield [*people]


def _missing(people: Sequence[Person], among: Sequence[Person] | None) -> list[Person]:
    """Who of `people` is not among the others; nobody where there are no others to compare."""
    if among is None:
        return []
    ids = {person.id for person in among}
    return [person for person in people if person.id not in ids]
