"""How many photographs and API requests a second the collect stage takes from a server beside it.

    python benchmarks/collect.py [--photos ../shared/lfw/images] [--people 100] [--rounds 3]

The server is a process of its own on this machine, serves the folder as TMDB would, and has served
every photograph once before the clock runs. API requests are not paced here. The same is measured
with files that are not synced to disk, and for a second run, which finds everything stored.
"""

import argparse
import asyncio
import logging
import multiprocessing
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

from elenco.demo.folder_cast import FolderCast
from elenco.demo.serve import running
from elenco.layout import Layout
from elenco.settings import Settings, Tmdb, load_settings
from elenco.sources.stage import collect_shard, list_people
from elenco.types import ShardRef

TOKEN = "demo"
RATE = 1000  # requests a second, the most that settings allow


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--photos", type=Path, default=Path("../shared/lfw/images"))
    parser.add_argument("--people", type=int, default=100)
    parser.add_argument("--connections", type=int, nargs="+", default=[16])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--data", type=Path, help="where to write (default: the temporary folder)")
    options = parser.parse_args()
    logging.disable()
    with serving(options.photos) as api_url:
        print(f"{os.cpu_count()} cores, best of {options.rounds}")
        print(f"{'':24} {'images':>7} {'requests':>8} {'s':>7} {'images/s':>9} {'requests/s':>11}")
        for connections in options.connections:
            measure(api_url, options, connections)


def measure(api_url: str, options: argparse.Namespace, connections: int) -> None:
    """One table of lines for a number of connections."""
    name = f"{connections} connections"
    best: dict[str, tuple[int, int, float]] = {}
    for number in range(options.rounds + 1):
        with tempfile.TemporaryDirectory(dir=options.data) as folder:
            settings = settings_for(api_url, Path(folder), options.people, connections)
            took = {f"{name}, synced": run(settings), "  again": run(settings)}
        with tempfile.TemporaryDirectory(dir=options.data) as folder, no_sync():
            settings = settings_for(api_url, Path(folder), options.people, connections)
            took["  not synced"] = run(settings)
        for what, figures in took.items():
            if number:  # the first round fills the server's cache
                best[what] = min(best.get(what, figures), figures, key=lambda f: f[2])
    for what, (images, requests, seconds) in best.items():
        rates = f"{images / seconds:9.0f} {requests / seconds:11.0f}"
        print(f"{what:24} {images:7,} {requests:8,} {seconds:7.2f} {rates}", flush=True)


def run(settings: Settings) -> tuple[int, int, float]:
    """Photographs kept, API requests asked, and seconds, of one shard with everybody."""
    layout = Layout.of(settings)

    async def work() -> tuple[ShardRef, int, float]:
        people = await list_people(settings, layout)
        started = time.perf_counter()
        ref = await collect_shard(people, 0, settings, layout)
        return ref, len(people) + 1, time.perf_counter() - started

    ref, requests, seconds = asyncio.run(work())
    return ref.report.kept, requests, seconds


def settings_for(api_url: str, folder: Path, people: int, connections: int) -> Settings:
    settings = load_settings(
        paths={"data": folder, "models": folder / "models"},
        collect={"source": "tmdb", "people": people, "connections": connections},
    )
    values = {"api_url": api_url, "token": TOKEN, "terms_accepted": True, "rate_per_second": RATE}
    return settings.model_copy(update={"tmdb": Tmdb.model_validate(values)})


@contextmanager
def no_sync() -> Iterator[None]:
    """Files are written without waiting for the disk."""
    fsync = os.fsync
    os.fsync = lambda fd: None
    try:
        yield
    finally:
        os.fsync = fsync


@contextmanager
def serving(photos: Path) -> Iterator[str]:
    """The address of a server in another process; it ends with the block."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=serve, args=(photos, there))
    process.start()
    there.close()
    try:
        yield here.recv()
    except EOFError:
        raise SystemExit("the server did not start: see above") from None
    finally:
        here.close()
        process.join(20)


def serve(photos: Path, pipe: Connection) -> None:
    """Serve until the other end of the pipe closes."""
    with running(FolderCast(photos), TOKEN, rate_per_second=None) as server:
        pipe.send(server.api_url)
        pipe.poll(None)


if __name__ == "__main__":
    main()
