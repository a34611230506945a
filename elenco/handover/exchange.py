"""Shards through a store: a folder, or any place that fsspec has a URL for (`s3://bucket/elenco`).

    offers/{source_id}/NNN.json    what the machine of the flow has of a shard
    given/{source_id}/NNN.json     what came of it: faces, their record, embeddings
    blobs/ab/abcdef…               their content, by its sha256

The machine of the flow holds the data directory, and collects. It offers a shard; a worker takes
that to a directory of its own, works there, and gives; the machine of the flow brings home what
was given. A gift names the photographs that it was made of. Made of others than are offered now, it
counts for nobody: what was deleted at home since does not come back.

Of one data directory: two that use the same place would take one another's.
"""

import os
import threading
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from elenco.blobs import Blobs, Damaged
from elenco.errors import ElencoError, NotEnoughData
from elenco.fingerprint import bytes_sha256, digest
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
from elenco.handover.worker import open_worker
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

    Attributes:
        stored: sha256 -> size of content that is known to be in the store.
    """

    def __init__(self, store: Blobs, layout: Layout, embedder: str) -> None:
        self.store, self.layout, self.embedder = store, layout, embedder
        self._turns: defaultdict[int, threading.Lock] = defaultdict(threading.Lock)
        self.stored: dict[str, int] = {}
        self._taken: dict[int, tuple[dict[str, File], str]] = {}

    def offer(self, shard: int) -> Moved:
        """At home, after `prune`: store what is on disk of a shard.

        Raises:
            NotEnoughData: it is not collected.
            ElencoError: the place can't be used.
            OSError: the disk of the place is full.
        """
        layout, name = self.layout, self.name(OFFERS, shard)
        paths = inputs(layout, shard)
        if not paths:
            raise NotEnoughData(f"shard {shard} is not collected: run `elenco refresh`")
        told = self.store.read_document(name)
        known = decode(told, name)[0] if told is not None else {}
        given = listed(layout, paths, known)
        files = given | listed(layout, outputs(layout, shard, self.embedder), known)
        moved = self._put(files)
        data = encode(files, photographs=digest([(f.path, f.sha256) for f in given.values()]))
        if data != told:
            self.store.write_document(name, data)
        return moved

    def take(self, shard: int) -> Moved:
        """At a worker: bring the directory to what is offered of a shard, and given for that.

        What is there of it beside that is deleted: nobody may know of whom it is.

        Raises:
            Damaged: the store lacks content; the next offer stores it again.
            ElencoError: nothing was offered, or the place can't be used.
            ConfigError: the directory is somebody's data.
            OSError: the disk is full.
        """
        open_worker(self.layout)
        files, photographs = self.offered(shard)
        files |= self.given(shard, photographs) or {}
        moved = self._get(files)
        for path in outputs(self.layout, shard, self.embedder):
            if self.layout.relative(path) not in files:
                path.unlink(missing_ok=True)
        self._taken[shard] = files, photographs
        return moved

    def give(self, shard: int) -> Moved:
        """At a worker: store what came of what was taken.

        Raises:
            ElencoError: the place can't be used.
        """
        taken, photographs = self._taken[shard]
        self.stored |= {file.sha256: file.size for file in taken.values()}
        files = listed(self.layout, outputs(self.layout, shard, self.embedder), taken)
        moved = self._put(files)
        self.store.write_document(self.name(GIVEN, shard), encode(files, photographs=photographs))
        return moved

    def bring_home(self, shard: int) -> Moved:
        """At home: write what was given of a shard; nothing else is changed or deleted.

        Raises:
            ElencoError: nothing was given for what is offered, or it is none of the shard's.
            OSError: the disk is full; what was there is kept.
        """
        with self._turns[shard]:  # of two answers the older must not be written last
            files = self.given(shard, self.offered(shard)[1])
            if files is None:
                raise ElencoError(
                    f"nothing came back of shard {shard} through {self.store.place}: run the "
                    "same command again"
                )
            check_outputs(files, self.layout, shard, self.embedder)
            return self._get(files)

    def offered(self, shard: int) -> tuple[dict[str, File], str]:
        """The files of the offer, and the digest of its photographs."""
        name = self.name(OFFERS, shard)
        told = self.store.read_document(name)
        if told is None:
            raise ElencoError(f"{self.store.place} has no {name}: run the same command again")
        files, more = decode(told, name)
        return files, str(more.get("photographs"))

    def given(self, shard: int, photographs: str) -> dict[str, File] | None:
        """What was given for these photographs; None if nothing was."""
        name = self.name(GIVEN, shard)
        told = self.store.read_document(name)
        if told is None:
            return None
        files, more = decode(told, name)
        return files if more.get("photographs") == photographs else None

    def _put(self, files: Files) -> Moved:
        stored = self.stored
        missing = {f.sha256: f for f in files.values() if stored.get(f.sha256) != f.size}

        def put(file: File) -> None:
            self.store.put(self.layout.data / file.path, file.sha256)

        with self.store.threads() as pool:
            list(pool.map(put, missing.values()))
        self.stored |= {file.sha256: file.size for file in missing.values()}
        return Moved(len(files), len(missing), sum(file.size for file in missing.values()))

    def _get(self, files: Files) -> Moved:
        root = self.layout.data
        root.mkdir(parents=True, exist_ok=True)
        missing = [file for file in files.values() if not file.is_there(root)]
        with TemporaryDirectory(prefix=f"{TEMPORARY}handover-", dir=root) as name:
            stage = Path(name)

            def get(file: File) -> None:
                try:
                    self.store.get(file.sha256, stage / _staged(file))
                except Damaged as error:
                    self.store.delete([file.sha256])  # so that it is stored again
                    raise Damaged(
                        f"{file.path} can't be had from {self.store.place} ({error}): run the "
                        "same command again"
                    ) from None

            with self.store.threads() as pool:
                list(pool.map(get, missing))
            if missing:
                os.sync()  # all of them at once, before any is seen
            for file in missing:
                path = root / file.path
                os.utime(stage / _staged(file), ns=(file.mtime_ns, file.mtime_ns))
                path.parent.mkdir(parents=True, exist_ok=True)
                os.replace(stage / _staged(file), path)
        return Moved(len(files), len(missing), sum(file.size for file in missing))

    def name(self, kind: str, shard: int) -> str:
        """The document of a shard of this source."""
        return f"{kind}/{self.layout.source_id}/{shard:03d}.json"


def _staged(file: File) -> str:
    return bytes_sha256(file.path.encode())
