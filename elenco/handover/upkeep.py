"""What goes from the store and from workers: done at the beginning of a run, while nobody works."""

import os
import re
from collections.abc import Iterator
from dataclasses import replace

from elenco.errors import ConfigError, NotEnoughData
from elenco.handover.exchange import GIVEN, OFFERS, Exchange
from elenco.handover.shard_files import File, Files
from elenco.handover.worker import clear, open_worker

SIGN = "sign"


def prune(home: Exchange) -> int:
    """At home: offer anew what changed, and delete what no shard needs; how many blobs.

    It looks once at what is stored; what is lost there is stored again.

    Raises:
        ElencoError: the place can't be used.
    """
    store = home.store
    store.prepare(OFFERS, GIVEN)
    home.stored = store.blobs()
    needed, current = set[str](), dict[str, str]()
    for own, shard in _documents(home, OFFERS):
        try:
            offered = own.offer(shard)
        except NotEnoughData:  # collected no more
            store.remove_document(own.name(OFFERS, shard))
            continue
        current[own.name(GIVEN, shard)] = offered.photographs
        needed |= {file.sha256 for file in offered.files.values()}
    for own, shard in _documents(home, GIVEN):
        files = _pending(own, shard, current.get(own.name(GIVEN, shard)))
        if files:
            needed |= {file.sha256 for file in files.values()}
        else:
            store.remove_document(own.name(GIVEN, shard))
    gone = home.stored.keys() - needed
    store.delete(gone)
    for sha256 in gone:
        del home.stored[sha256]
    return len(gone)


def sign(home: Exchange) -> str:
    """At home: leave a word in the store, by which a worker sees that it is the same."""
    word = os.urandom(16).hex()
    home.store.write_document(SIGN, word.encode())
    return word


def tidy(worker: Exchange, word: str) -> int:
    """At a worker: delete what no shard has, as it is here; how many files.

    Args:
        worker: its side.
        word: what `sign` left.

    Raises:
        ConfigError: the store is another, or the directory is somebody's data.
        ElencoError: the store can't be used.
    """
    if worker.store.read_document(SIGN) != word.encode():
        raise ConfigError(
            f"{worker.store.place} is not the store that the flow uses: give every machine the "
            "same address of the service (AWS_ENDPOINT_URL) or folder"
        )
    open_worker(worker.layout)
    needed: dict[str, File] = {}
    for own, shard in _documents(worker, OFFERS):
        offered = own.offered(shard)
        given = own.given(shard, offered.photographs)
        needed |= offered.files | (given.files if given else {})
    return clear(worker.layout.data, needed)


def _documents(side: Exchange, kind: str) -> Iterator[tuple[Exchange, int]]:
    """The side of each document's source, and its shard; other documents are passed over."""
    for name in side.store.documents(kind):
        if match := re.fullmatch(r"([^/]+)/(\d{3,})\.json", name):
            layout = replace(side.layout, source_id=match[1])
            own = Exchange(side.store, layout, side.embedder)
            own.stored = side.stored
            yield own, int(match[2])


def _pending(home: Exchange, shard: int, photographs: str | None) -> Files | None:
    """What was given for these photographs, is whole in the store, and is not all at home."""
    given = None if photographs is None else home.given(shard, photographs)
    if given is None or any(home.stored.get(f.sha256) != f.size for f in given.files.values()):
        return None
    at_home = all(file.is_there(home.layout.data) for file in given.files.values())
    return None if at_home else given.files
