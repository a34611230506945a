"""Shards for workers that share no disk with the flow: taken before the work, given after it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from elenco.blobs import Blobs
from elenco.errors import ElencoError
from elenco.handover.exchange import Exchange
from elenco.layout import Layout
from elenco.progress import say
from elenco.settings import Settings
from elenco.types import ShardRef

# How many of a worker's stages a shard has been through, by what it was left by last.
_FINISHED = {"collect": 0, "detect": 1}


@contextmanager
def handed_over(ref: ShardRef, settings: Settings) -> Iterator[Layout]:
    """Where a task finds its shard: the data directory, or with `scale.store` a worker's own.

    What was done is given also when the work fails: whoever tries again goes on from there.

    Raises:
        ElencoError: the store can't be used.
    """
    if not settings.scale.store:
        yield Layout.of(settings)
        return
    layout = at_worker(settings)
    exchange = exchange_of(settings, layout)
    before = _FINISHED[ref.stage]
    exchange.take(ref.shard)
    try:
        yield layout
    except BaseException:
        try:
            exchange.give_part(ref.shard, before)
        except (ElencoError, OSError) as error:  # the first one says why
            say(f"what was done of shard {ref.shard + 1} is lost: {error}")
        raise
    exchange.give(ref.shard, before + 1)


def at_worker(settings: Settings) -> Layout:
    """The directories of a worker that shares no disk; networks' weights are where they are."""
    return replace(Layout.of(settings), data=settings.scale.worker_data.resolve())


def exchange_of(settings: Settings, layout: Layout) -> Exchange:
    """A directory's side of `scale.store`. Raises ConfigError: what reads it is not installed."""
    return Exchange(Blobs(settings.scale.store), layout, settings.embedding.embedder)
