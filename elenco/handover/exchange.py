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
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from elenco.blobs import Blobs, Damaged
from elenco.errors import ElencoError, NotEnoughData
from elenco.fingerprint import bytes_sha256
from elenco.handover.shard_files import (
    Collected,
    File,
    Files,
    ShardList,
    decode,
    encode,
    listed,
)
from elenco.handover.worker import open_worker
from elenco.layout import Layout
from elenco.storage import TEMPORARY

OFFERS, GIVEN = "offers", "given"


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
        self._taken: dict[int, ShardList] = {}

    def offer(self, shard: int) -> ShardList:
        """At home, after `prune`: store what is on disk of a shard.

        Raises:
            NotEnoughData: it is not collected.
            ElencoError: the place can't be used.
            OSError: the disk of the place is full.
        """
        layout, name = self.layout, self.name(OFFERS, shard)
        collected = Collected.read(layout, shard)
        if collected is None:
            raise NotEnoughData(f"shard {shard} is not collected: run `elenco refresh`")
        told = self.store.read_document(name)
        known = decode(told, name).files if told is not None else {}
        inputs = collected.inputs(known)
        made = listed(layout, collected.outputs(self.embedder), known)
        offered = ShardList(inputs | made, collected.photographs(inputs))
        self._put(offered.files)
        data = encode(offered)
        if data != told:
            self.store.write_document(name, data)
        return offered

    def take(self, shard: int) -> None:
        """At a worker: bring the directory to what is offered of a shard, and given for that.

        What there is of its outputs and in neither list is deleted, so that the work goes on from
        what is listed. What is of nobody any more `elenco.handover.upkeep.tidy` deletes.

        Raises:
            Damaged: the store lacks content; the next offer stores it again.
            ElencoError: nothing was offered, or the place can't be used.
            ConfigError: the directory is somebody's data.
            OSError: the disk is full.
        """
        open_worker(self.layout)
        offered = self.offered(shard)
        given = self.given(shard, offered.photographs)
        files = offered.files | (given.files if given else {})
        self._get(files)
        for path in self._outputs(shard):
            if self.layout.relative(path) not in files:
                path.unlink(missing_ok=True)
        finished = given.finished if given else 0
        self._taken[shard] = ShardList(files, offered.photographs, finished)

    def give(self, shard: int, finished: int) -> None:
        """At a worker: store what came of what was taken.

        Args:
            shard: its number.
            finished: as `ShardList` has it.

        Raises:
            ElencoError: the place can't be used.
        """
        self._write(shard, self._put_outputs(shard, finished))

    def give_part(self, shard: int, finished: int) -> None:
        """At a worker whose work failed: store what was done, for whoever tries again.

        Not where another has come further meanwhile with the same photographs. A worker that is
        late would take away what the next stage is at work with.

        Args:
            shard: its number.
            finished: as of `give`, by what the work was to go on from.

        Raises:
            ElencoError: the place can't be used.
        """
        part = self._put_outputs(shard, min(finished, self._taken[shard].finished))
        there = self.given(shard, part.photographs)
        if there is None or there.finished <= part.finished:
            self._write(shard, part)

    def bring_home(self, shard: int) -> None:
        """At home: write what was given of a shard; nothing else is changed or deleted.

        Raises:
            ElencoError: nothing was given for what is offered, it is none of the shard's, or what
                is collected of it is another by now.
            OSError: the disk is full; what was there is kept.
        """
        with self._turns[shard]:  # of two answers the older must not be written last
            offered = self.offered(shard)
            given = self.given(shard, offered.photographs)
            if given is None:
                raise ElencoError(
                    f"nothing came back of shard {shard} through {self.store.place}: run the "
                    "same command again"
                )

            def check() -> None:
                # Somebody may have been forgotten since the offer, or while content came.
                collected = Collected.read(self.layout, shard)
                now = collected and collected.photographs(collected.inputs(offered.files))
                if collected is None or now != given.photographs:
                    raise ElencoError(
                        f"the photographs of shard {shard} changed here while it was worked on "
                        "elsewhere: run the same command again"
                    )
                collected.check_outputs(given.files, self.embedder)

            self._get(given.files, check)

    def offered(self, shard: int) -> ShardList:
        """The offer."""
        name = self.name(OFFERS, shard)
        told = self.store.read_document(name)
        if told is None:
            raise ElencoError(f"{self.store.place} has no {name}: run the same command again")
        return decode(told, name)

    def given(self, shard: int, photographs: str) -> ShardList | None:
        """What was given for these photographs; None if nothing was."""
        name = self.name(GIVEN, shard)
        told = self.store.read_document(name)
        given = decode(told, name) if told is not None else None
        return given if given is not None and given.photographs == photographs else None

    def _outputs(self, shard: int) -> list[Path]:
        collected = Collected.read(self.layout, shard)
        return collected.outputs(self.embedder) if collected else []

    def _put_outputs(self, shard: int, finished: int) -> ShardList:
        taken = self._taken[shard]
        self.stored |= {file.sha256: file.size for file in taken.files.values()}
        made = listed(self.layout, self._outputs(shard), taken.files)
        self._put(made)
        return ShardList(made, taken.photographs, finished)

    def _write(self, shard: int, made: ShardList) -> None:
        self.store.write_document(self.name(GIVEN, shard), encode(made))

    def _put(self, files: Files) -> None:
        stored = self.stored
        missing = {f.sha256: f for f in files.values() if stored.get(f.sha256) != f.size}

        def put(file: File) -> None:
            self.store.put(self.layout.data / file.path, file.sha256)

        with self.store.threads() as pool:
            list(pool.map(put, missing.values()))
        self.stored |= {file.sha256: file.size for file in missing.values()}

    def _get(self, files: Files, check: Callable[[], None] = lambda: None) -> None:
        """Write files when the content of all is here, and `check` does not refuse."""
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
            check()
            for file in missing:
                path = root / file.path
                os.utime(stage / _staged(file), ns=(file.mtime_ns, file.mtime_ns))
                path.parent.mkdir(parents=True, exist_ok=True)
                os.replace(stage / _staged(file), path)

    def name(self, kind: str, shard: int) -> str:
        """The document of a shard of this source."""
        return f"{kind}/{self.layout.source_id}/{shard:03d}.json"


def _staged(file: File) -> str:
    return bytes_sha256(file.path.encode())
