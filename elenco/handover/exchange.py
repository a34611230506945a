"""Shards through a store: a folder, or any place that fsspec has a URL for (`s3://bucket/elenco`).

    offers/{source_id}/NNN.json    what the machine of the flow has of a shard
    given/{source_id}/NNN.json     what came of that offer: faces, their record, embeddings
    blobs/ab/abcdef…               their content, by its sha256

The machine of the flow holds the data directory, and collects. It offers a shard; a worker takes
that to a directory of its own, works there, and gives; the machine of the flow brings home what
was given. What was given for another offer counts for nobody: what was deleted at home since does
not come back.

Of one data directory: two that use the same place would take one another's.
"""

import os
import threading
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from elenco.blobs import THREADS, Blobs, Damaged
from elenco.errors import ElencoError, NotEnoughData
from elenco.fingerprint import bytes_sha256
from elenco.handover.shard_files import (
    File,
    Files,
    check_outputs,
    decode,
    encode,
    inputs,
    listed,
    outputs,
)
from elenco.handover.worker import clear, open_worker
from elenco.layout import Layout
from elenco.storage import TEMPORARY

OFFERS, GIVEN = "offers", "given"


@dataclass(frozen=True)
class Moved:
    """How many files there are, and of how many the content had to be moved; bytes of these."""

    files: int
    moved: int
    bytes: int


class Exchange:
    """One data directory's side of a store. For several threads.

    Args:
        store: the place.
        layout: at home the data directory, at a worker a directory of its own.
        embedder: whose embeddings are handed over.
    """

    def __init__(self, store: Blobs, layout: Layout, embedder: str) -> None:
        self._store, self._layout, self._embedder = store, layout, embedder
        self._turns: defaultdict[int, threading.Lock] = defaultdict(threading.Lock)
        self._stored = set[str]()  # content that is known to be there

    def offer(self, shard: int) -> Moved:
        """At home, after `prune`: store what is on disk of a shard.

        Raises:
            NotEnoughData: it is not collected.
            ElencoError: the place can't be used.
            OSError: the disk of the place is full.
        """
        layout, name = self._layout, self._name(OFFERS, shard)
        paths = inputs(layout, shard)
        if not paths:
            raise NotEnoughData(f"shard {shard} is not collected: run `elenco refresh`")
        told = self._store.read_document(name)
        known = decode(told, name)[0] if told is not None else {}
        files = listed(layout, [*paths, *outputs(layout, shard, self._embedder)], known)
        moved = self._put(files)
        data = encode(files)
        if data != told:
            self._store.write_document(name, data)
        return moved

    def take(self, shard: int) -> Moved:
        """At a worker: bring the directory to what is offered of a shard, and given for that.

        Raises:
            Damaged: the store lacks content; the next offer stores it again.
            ElencoError: nothing was offered, or the place can't be used.
            ConfigError: the directory is somebody's data.
            OSError: the disk is full.
        """
        open_worker(self._layout)
        return self._get(self._known(shard))

    def give(self, shard: int) -> Moved:
        """At a worker: store what came of what was taken.

        Raises:
            ElencoError: the place can't be used.
        """
        paths, known = outputs(self._layout, shard, self._embedder), self._known(shard)
        self._stored |= {file.sha256 for file in known.values()}
        files = listed(self._layout, paths, known)
        moved = self._put(files)
        name = self._name(GIVEN, shard)
        self._store.write_document(name, encode(files, offer=self._offer(shard)[1]))
        return moved

    def bring_home(self, shard: int) -> Moved:
        """At home: write what was given of a shard; nothing else is changed or deleted.

        Raises:
            ElencoError: nothing was given for what is offered, or it is none of the shard's.
            OSError: the disk is full; what was there is kept.
        """
        with self._turns[shard]:  # of two answers the older must not be written last
            files = self._given(shard)
            if files is None:
                raise ElencoError(
                    f"nothing came back of shard {shard} through {self._store.place}: run the "
                    "same command again"
                )
            check_outputs(files, self._layout, shard, self._embedder)
            return self._get(files)

    def prune(self) -> int:
        """At home, while nobody works: offer anew what changed, and delete what no shard needs.

        It looks once at what is stored.

        Returns:
            How many blobs were deleted.
        """
        self._store.prepare(OFFERS, GIVEN)
        self._stored = set(self._store.blobs())
        needed = set[str]()
        for document in self._store.documents(OFFERS):
            own, shard = self._of(document)
            if inputs(own._layout, shard):
                own._stored = self._stored  # what is lost there is stored again
                own.offer(shard)
                needed |= {file.sha256 for file in own._known(shard).values()}
            else:  # collected no more
                self._store.remove_document(f"{OFFERS}/{document}")
        for document in self._store.documents(GIVEN):
            own, shard = self._of(document)
            if own._given(shard) is None:  # for another offer
                self._store.remove_document(f"{GIVEN}/{document}")
        gone = self._stored - needed
        self._store.delete(gone)
        self._stored -= gone
        return len(gone)

    def tidy(self) -> int:
        """At a worker, while nobody works: delete what no shard has, as it is here; how many files.

        Raises:
            ConfigError: the directory is somebody's data.
            ElencoError: the place can't be used.
        """
        open_worker(self._layout)
        needed: dict[str, File] = {}
        for document in self._store.documents(OFFERS):
            own, shard = self._of(document)
            needed |= own._known(shard)
        return clear(self._layout.data, needed)

    def _of(self, document: str) -> "tuple[Exchange, int]":
        """The exchange of a document's source, and its shard."""
        source, _, number = document.removesuffix(".json").partition("/")
        layout = replace(self._layout, source_id=source)
        return Exchange(self._store, layout, self._embedder), int(number)

    def _offer(self, shard: int) -> tuple[dict[str, File], str]:
        """The files of the offer, and its digest."""
        name = self._name(OFFERS, shard)
        told = self._store.read_document(name)
        if told is None:
            raise ElencoError(f"{self._store.place} has no {name}: run the same command again")
        return decode(told, name)[0], bytes_sha256(told)

    def _given(self, shard: int) -> dict[str, File] | None:
        """What was given for the offer as it is; None if nothing was."""
        name = self._name(GIVEN, shard)
        told = self._store.read_document(name)
        if told is None:
            return None
        files, more = decode(told, name)
        offer = self._store.read_document(self._name(OFFERS, shard))
        same = offer is not None and more.get("offer") == bytes_sha256(offer)
        return files if same else None

    def _known(self, shard: int) -> dict[str, File]:
        return {**self._offer(shard)[0], **(self._given(shard) or {})}

    def _put(self, files: Files) -> Moved:
        missing = {f.sha256: f for f in files.values() if f.sha256 not in self._stored}

        def put(file: File) -> None:
            self._store.put(self._layout.data / file.path, file.sha256)

        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(put, missing.values()))
        self._stored |= missing.keys()
        return Moved(len(files), len(missing), sum(file.size for file in missing.values()))

    def _get(self, files: Files) -> Moved:
        root = self._layout.data
        root.mkdir(parents=True, exist_ok=True)
        missing = [file for file in files.values() if not file.is_there(root)]
        with TemporaryDirectory(prefix=f"{TEMPORARY}handover-", dir=root) as name:
            stage = Path(name)

            def get(file: File) -> None:
                try:
                    self._store.get(file.sha256, stage / _staged(file))
                except Damaged as error:
                    raise Damaged(
                        f"{file.path} can't be had from {self._store.place} ({error}): run the "
                        "same command again"
                    ) from None

            with ThreadPoolExecutor(THREADS) as pool:
                list(pool.map(get, missing))
            if missing:
                os.sync()  # all of them at once, before any is seen
            for file in missing:
                path = root / file.path
                os.utime(stage / _staged(file), ns=(file.mtime_ns, file.mtime_ns))
                path.parent.mkdir(parents=True, exist_ok=True)
                os.replace(stage / _staged(file), path)
        return Moved(len(files), len(missing), sum(file.size for file in missing))

    def _name(self, kind: str, shard: int) -> str:
        return f"{kind}/{self._layout.source_id}/{shard:03d}.json"


def _staged(file: File) -> str:
    return bytes_sha256(file.path.encode())
