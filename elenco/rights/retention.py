"""How long photographs are kept: TMDB's terms allow six months.

What is deleted for its age takes its face and its embedding with it. A refresh asks for TMDB's
photographs anew long before (`retention.refresh_days`): only what could not be had again comes
here, and what is listed no more (`retention.retired_days`). What TMDB said of people goes too.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from elenco.layout import Layout
from elenco.records import Record, image_id
from elenco.rights import audit, clock
from elenco.rights.answers import expire_answers
from elenco.rights.curated import erase_curation
from elenco.rights.denylist import kind_of
from elenco.rights.embeddings import remove_rows
from elenco.rights.erase import EVERYWHERE, Chosen, erase_entries, erase_photograph
from elenco.rights.places import Photograph, records
from elenco.rights.removed import Removed
from elenco.settings import Retention, Settings
from elenco.types import Skipped

Entry = dict[str, Any]
REASON = "expired"  # a `Skipped.reason`


def expire(record: Record, layout: Layout, settings: Settings, now: datetime) -> Removed:
    """Delete what a collect record has for too long, and note it in the audit.

    Kept photographs go `retention.max_days` after they were fetched (TMDB's alone), retired ones
    then or `retention.retired_days` after they were retired; their faces go too. A kept one becomes
    a `Skipped` with the reason `expired`, so that kept + skipped stays what was given. Where an
    entry does not say when it was fetched, its file's date does.

    Call it while holding the data directory; several threads may, for one shard each.

    Args:
        record: of one shard; what is deleted is taken out of it. Save it afterwards: a process
            that is killed before does the same again.
        layout: of the source whose record it is.
        settings: `retention` is used.
        now: with its time zone.

    Returns:
        What was there.
    """
    removed = _expire(record, layout, settings.retention, now)
    if removed:
        audit.note(layout, "expire", removed)
    return removed


def enforce_retention(
    settings: Settings, layout: Layout, now: datetime | None = None, clock_is_right: bool = False
) -> Removed:
    """`expire` for what every source has on disk, the embeddings of what is deleted, and answers.

    Call it while holding the data directory. A run that was killed, run again, finishes.

    Args:
        settings: `retention` is used.
        layout: the directories, seen from any source.
        now: with its time zone; by default the time it is.
        clock_is_right: a person says so; otherwise it is looked at before TMDB's photographs go.

    Raises:
        ClockWrong: something is too old by a clock that can't be believed; nothing was deleted.
        ElencoError: a record or an answer can't be read; the message says what to do.
    """
    moment = now or datetime.now(UTC)
    due = {source: _due(source, settings.retention, moment) for source in layout.sources()}
    for source in due:
        if kind_of(source.source_id) == "tmdb":
            clock.look(source, moment, due=bool(due[source]), is_right=clock_is_right)
    return sum((_enforce(s, due[s], settings.retention, moment) for s in due), Removed())


def _due(source: Layout, retention: Retention, now: datetime) -> frozenset[Photograph]:
    return frozenset(
        photograph
        for _, record in records("collect", source)
        for photograph in _Due.of(record, source, retention, now).photographs()
    )


def _enforce(
    source: Layout, due: frozenset[Photograph], retention: Retention, now: datetime
) -> Removed:
    """One source: embeddings, then faces and photographs, and the manifest at last."""
    removed = Removed()
    if due:
        chosen = Chosen(photographs=due)
        removed += Removed(entries=erase_curation(source, chosen))
        removed += Removed(embeddings=remove_rows(source, chosen))
        removed += Removed(entries=erase_entries("detect", source, chosen))
    for path, record in records("collect", source):
        gone = _expire(record, source, retention, now)
        if gone:
            record.save(path)
            removed += gone
    if kind_of(source.source_id) == "tmdb":  # one that goes by a wrong clock is asked for again
        removed += Removed(entries=expire_answers(source, retention, now))
    if removed:
        audit.note(source, "expire", removed)
    return removed


@dataclass(frozen=True)
class _Due:
    """The entries of a record that are too old."""

    kept: Sequence[Entry]
    retired: Sequence[Entry]
    staying: frozenset[Photograph]

    @staticmethod
    def of(record: Record, layout: Layout, retention: Retention, now: datetime) -> "_Due":
        clock = _Clock(layout, retention, now)
        kept = [entry for entry in record.kept if clock.too_old(entry)]
        retired = [e for e in record.retired if clock.too_long_aside(e)]
        left = {_photograph(entry) for entry in record.kept} - {_photograph(e) for e in kept}
        return _Due(kept, retired, frozenset(left))

    def photographs(self) -> Iterator[Photograph]:
        """Those of which nothing is to stay; a retired one may have been listed again since."""
        for entry in (*self.kept, *self.retired):
            if _photograph(entry) not in self.staying:
                yield _photograph(entry)


@dataclass(frozen=True)
class _Clock:
    """What time it is for the photographs of a source."""

    layout: Layout
    retention: Retention
    now: datetime

    def too_old(self, entry: Entry) -> bool:
        """Whether TMDB's terms don't allow it any longer."""
        if kind_of(self.layout.source_id) != "tmdb":
            return False
        fetched = self._fetched(entry)
        return fetched is None or self.now - fetched >= timedelta(days=self.retention.max_days)

    def too_long_aside(self, entry: Entry) -> bool:
        """Whether a retired one is not to be kept any longer."""
        days = (self.now.astimezone(UTC).date() - date.fromisoformat(entry["retired_at"])).days
        return days >= self.retention.retired_days or self.too_old(entry)

    def _fetched(self, entry: Entry) -> datetime | None:
        """When it was fetched; None for an entry without date or file."""
        if told := (entry.get("origin") or {}).get("fetched_at"):
            fetched = datetime.fromisoformat(told)
            return fetched if fetched.tzinfo else fetched.replace(tzinfo=UTC)
        aside, (person, key) = "retired_at" in entry, _photograph(entry)
        kept = self.layout.image(entry["split"], person, key)
        path = self.layout.retired(person, key) if aside else kept
        return datetime.fromtimestamp(path.stat().st_mtime, UTC) if path.exists() else None


def _expire(record: Record, layout: Layout, retention: Retention, now: datetime) -> Removed:
    due = _Due.of(record, layout, retention, now)
    removed = Removed(entries=len(due.kept) + len(due.retired))
    # A killed refresh may have moved a file without saying so: it goes wherever it is.
    for entry in due.kept:
        removed += erase_photograph(layout, *_photograph(entry), EVERYWHERE)
    for entry in due.retired:
        listed_again = _photograph(entry) in due.staying
        places = ("retired",) if listed_again else EVERYWHERE
        removed += erase_photograph(layout, *_photograph(entry), places)
    detail = f"kept for at most {retention.max_days} days and not to be had again"
    skipped = [Skipped(image_id(*_photograph(entry)), REASON, detail) for entry in due.kept]
    gone = {id(entry) for entry in (*due.kept, *due.retired)}
    record.kept = [entry for entry in record.kept if id(entry) not in gone]
    record.retired = [entry for entry in record.retired if id(entry) not in gone]
    record.skipped = sorted([*record.skipped, *skipped], key=lambda skip: skip.id)
    return removed


def _photograph(entry: Entry) -> Photograph:
    return entry["person_id"], entry["key"]
