"""What handing a shard over through a store takes, beside the work that is done on it.

    python benchmarks/handover.py [--photographs 2000] [--far 10]

A shard's photographs (50 kB each) are offered, taken by a worker, and what comes of them (a crop of
20 kB each, the record, the embeddings) is given and brought home: through a folder, and through a
server that speaks S3 (moto, in a process of its own on this machine, so that its time counts too),
there and behind a proxy that holds back all that passes for `--far` milliseconds each way. Each
once more with nothing new, as on a day without change. The contents are noise.
"""

import argparse
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import fsspec
import numpy as np
from s3fs import S3FileSystem

from elenco.blobs import Blobs
from elenco.fingerprint import bytes_sha256
from elenco.handover.exchange import Exchange
from elenco.handover.upkeep import prune
from elenco.layout import Layout
from elenco.records import Record
from elenco.storage import write_bytes

PHOTOGRAPH, CROP, ROW = 50_000, 20_000, 4_096  # bytes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photographs", type=int, default=2000)
    parser.add_argument("--far", type=float, default=10, help="milliseconds, each way")
    given = parser.parse_args()
    count = given.photographs
    print(f"{count} photographs in a shard, {os.cpu_count()} cores: seconds (files moved)")
    print(f"{'':20}{'offer':>16}{'take':>16}{'give':>16}{'home':>16}")
    with tempfile.TemporaryDirectory() as folder:
        measure("folder", str(Path(folder) / "store"), Path(folder) / "1", count)
        with s3_server():
            measure("S3", "s3://bucket/work", Path(folder) / "2", count)
        with s3_server(given.far):
            measure(f"S3, {given.far:g} ms", "s3://bucket/work", Path(folder) / "3", count)


def measure(name: str, place: str, folder: Path, count: int) -> None:
    home = Layout(folder / "home", folder / "models", "tmdb")
    worker = replace(home, data=folder / "worker")
    entries = collect(home, count)
    show(name, handed(place, home, worker, lambda: work(worker, entries)))
    show(f"{name}, no change", handed(place, home, worker, lambda: None))


class Counting(Blobs):
    """Counts the files that it puts and gets."""

    moved = 0

    def put(self, file: Path, sha256: str) -> None:
        super().put(file, sha256)
        self.moved += 1

    def get(self, sha256: str, target: Path) -> None:
        super().get(sha256, target)
        self.moved += 1


def handed(
    place: str, home: Layout, worker: Layout, work: Callable[[], None]
) -> list[tuple[float, int]]:
    """Seconds and files of each step, by processes that know nothing of the day before."""
    store = Counting(place)
    here, there = (Exchange(store, layout, "facenet") for layout in (home, worker))

    def timed(step: Callable[[], object]) -> tuple[float, int]:
        start, before = time.perf_counter(), store.moved
        step()
        return time.perf_counter() - start, store.moved - before

    prune(here)
    taken = [timed(lambda: here.offer(0)), timed(lambda: there.take(0))]
    work()
    return [*taken, timed(lambda: there.give(0, 2)), timed(lambda: here.bring_home(0))]


def show(name: str, steps: list[tuple[float, int]]) -> None:
    cells = (f"{seconds:.2f} ({moved})" for seconds, moved in steps)
    print(f"{name:20}" + "".join(f"{cell:>16}" for cell in cells), flush=True)


def collect(layout: Layout, count: int) -> list[dict[str, str]]:
    rng = np.random.default_rng(0)
    entries = []
    for number in range(count):
        entry = {"split": "train", "person_id": str(number // 10), "key": str(number)}
        data = rng.bytes(PHOTOGRAPH)
        write_bytes(layout.image("train", entry["person_id"], entry["key"]), data)
        entries.append(entry | {"sha256": bytes_sha256(data)})
    Record("collect", "1", "", True, entries).save(layout.record("collect", 0))
    return entries


def work(layout: Layout, entries: list[dict[str, str]]) -> None:
    rng = np.random.default_rng(1)
    for entry in entries:
        write_bytes(layout.crop("train", entry["person_id"], entry["key"]), rng.bytes(CROP))
    Record("detect", "1", "", True, entries).save(layout.record("detect", 0))
    write_bytes(layout.shard_npz("facenet", 0), rng.bytes(ROW * len(entries)))


@contextmanager
def s3_server(far: float = 0) -> Iterator[None]:
    """A server that speaks S3, that many milliseconds away."""
    with ExitStack() as stack:
        port = free_port()
        moto = str(Path(sys.executable).parent / "moto_server")
        stack.enter_context(serving(port, moto, "-H", "127.0.0.1", "-p", str(port)))
        if far:
            server_port, port = port, free_port()
            program = str(Path(__file__).with_name("far.py"))
            command = (sys.executable, program, str(port), str(server_port), str(far))
            stack.enter_context(serving(port, *command))
        os.environ |= {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_DEFAULT_REGION": "us-east-1",
        }
        fsspec.filesystem("s3", skip_instance_cache=True).mkdir("bucket")
        S3FileSystem.clear_instance_cache()  # the next one is at another port
        yield


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def serving(port: int, *command: str) -> Iterator[None]:
    quiet = subprocess.DEVNULL
    with subprocess.Popen(command, stdout=quiet, stderr=quiet) as server:
        try:
            for _ in range(300):
                with suppress(ConnectionRefusedError):
                    socket.create_connection(("127.0.0.1", port)).close()
                    break
                time.sleep(0.1)
            yield
        finally:
            server.terminate()


if __name__ == "__main__":
    main()
