"""The collect stage: a shard's photographs on disk, and the manifest that says where from."""

import time
from collections.abc import Sequence

from elenco.layout import Layout
from elenco.settings import Settings
from elenco.sources.answers import Answers
from elenco.sources.base import edition, open_source
from elenco.sources.collecting import Collecting
from elenco.types import Person, ShardRef, StageReport


async def collect_shard(
    people: Sequence[Person], shard: int, settings: Settings, layout: Layout
) -> ShardRef:
    """Bring the photographs of a shard's people to `data/images`, and only those.

    Nobody is asked about whose stored answer is fresh. A photograph whose file is there is never
    fetched again, whether the manifest tells of it or a killed run left it, until it is older than
    `retention.refresh_days`. One that could not be used is not asked for again for
    `collect.retry_skipped_days`, one that was too large unless it may be larger now. One that
    changed, and can't be had as it is now, stays as it was. One that is listed no more is retired
    to `data/retired`, and comes back from there.

    Returns:
        The reference; kept + skipped == photographs listed + people without any.

    Raises:
        SourceError: the source can't be asked, or most of what was asked for can't be had.
        OSError: the disk is full or not writable; what was stored before is kept.
    """
    started = time.monotonic()
    work = Collecting(people, shard, settings, layout)
    async with open_source(settings) as source:
        await work.run(source)
    record = work.record
    report = StageReport.of(
        len(record.kept), record.skipped, work.reused, time.monotonic() - started
    )
    path = layout.record("collect", shard)
    return ShardRef("collect", shard, layout.relative(path), record.digest(), report)


def shard_edition(
    people: Sequence[Person], shard: int, settings: Settings, layout: Layout
) -> tuple[str, list[str]]:
    """Names what the source would answer about a shard, as far as it is known without asking."""
    answers = Answers(layout, shard, settings.collect.image_size)
    return edition(settings, people), answers.stale(person.id for person in people)
