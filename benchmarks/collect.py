"""Collecting over real HTTP: a cold day, one without change, one with 2 % changed; and two peers.

    python benchmarks/collect.py                 # 10,000 people x 10 photographs, some 6 minutes
    python benchmarks/collect.py --people 1000   # quicker

The server is a process of its own on this machine and serves photographs of about 50 kB as TMDB
would. For each day it prints API requests and photographs, photographs a second, the share of the
configured API rate that was held between the first and the last request, the most requests that
were sent in any one second and that the server, busy on the same cores, saw in one, and the peak
memory of the process that collects. Then a part of
the work is done here, by a scraper that asks one thing after another with `requests`, and by one
that starts everything at once with `asyncio.gather`; nobody is paced for that.
"""

import argparse
import asyncio
import json
import logging
import multiprocessing
import os
import resource
import tempfile
import time
import urllib.request
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import aiohttp
import requests

from elenco.demo.serve import running
from elenco.demo.stock import StockCast
from elenco.layout import Layout
from elenco.settings import Settings, Tmdb, load_settings
from elenco.sources.bucket import TokenBucket
from elenco.sources.listing import list_people
from elenco.sources.network import run
from elenco.sources.stage import collect_shard
from elenco.types import StageReport

TOKEN = "demo"
SHARDS_AT_ONCE = 3  # as in the daily flow, whose eight workers are busy with other stages too
UNPACED = 1000.0  # requests a second, the most that settings allow
Figures = dict[str, Any]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--people", type=int, default=10_000)
    parser.add_argument("--photos", type=int, default=10)
    parser.add_argument("--rate", type=float, default=40.0, help="API requests a second")
    parser.add_argument("--peers", type=int, default=300, help="people that peers collect; 0: none")
    parser.add_argument("--data", type=Path, help="where to write (default: the temporary folder)")
    options = parser.parse_args()
    logging.disable()
    with tempfile.TemporaryDirectory(dir=options.data) as folder:
        days(Path(folder), options)
    if options.peers:
        peers(options)


def days(folder: Path, options: argparse.Namespace) -> None:
    """Three days of the same people."""
    print(
        f"{options.people:,} people x {options.photos} photographs, API at {options.rate:g}/s, "
        f"{os.cpu_count()} cores\n"
        f"{'':12} {'API':>8} {'images':>8} {'s':>7} {'images/s':>9} {'rate held':>10} "
        f"{'sent in 1 s':>12} {'seen':>5} {'MiB':>6}"
    )
    port = 0
    for name, day in (("cold", 0), ("unchanged", 0), ("2 % changed", 1)):
        with serving(options.people, options.photos, day, port) as url:
            port = int(url.rsplit(":", 1)[1].split("/")[0])
            took = in_a_process(elenco, url, folder, options.people, options.rate)
            seen = stats(url)
        held = seen["api"]["requests"] / max(seen["api"]["seconds"], 1e-9) / options.rate
        images = seen["requests"].get("image", 0)
        print(
            f"{name:12} {seen['api']['requests']:8,} {images:8,} {took['seconds']:7.1f} "
            f"{images / took['seconds']:9,.0f} {held:10.1%} "
            f"{took['sent']:12,} {seen['api']['highest_in_a_second']:5,} {took['mebibytes']:6,.0f}",
            flush=True,
        )
        print(f"{'':12} requests by kind: {kinds(seen)}; kept {took['kept']:,}", flush=True)


def peers(options: argparse.Namespace) -> None:
    """A part of the work by each, in turn, from a server that limits nobody."""
    rows: list[tuple[str, Figures, Figures]] = []
    works: dict[str, Callable[..., Figures]] = {
        "elenco": elenco,
        "requests, one by one": one_by_one,
        "asyncio.gather": all_at_once,
    }
    with serving(options.peers, options.photos, 0, 0) as url:
        for warm in (True, False):  # the first round renders the server's pictures
            for name, work in works.items():
                before = stats(url)
                with tempfile.TemporaryDirectory(dir=options.data) as folder:
                    took = in_a_process(work, url, Path(folder), options.peers, UNPACED)
                if not warm:
                    rows.append((name, took, before))
    mine = rows[0][1]
    print(f"\n{options.peers:,} people, unpaced: images/s, elenco's as a multiple, peak MiB")
    for name, took, _ in rows:
        speed = took["kept"] / took["seconds"]
        ratio = mine["kept"] / mine["seconds"] / speed
        print(f"{name:22} {speed:8,.0f} {ratio:7.2f}x {took['mebibytes']:7,.0f}")


def elenco(url: str, folder: Path, people: int, rate: float) -> Figures:
    """The list of the day and every shard, as the daily flow does it."""
    settings = settings_for(url, folder, people, rate)
    layout = Layout.of(settings)

    sent = sending()

    async def work() -> StageReport:
        listing = await list_people(settings, layout)
        limit = asyncio.Semaphore(SHARDS_AT_ONCE)

        async def one(shard: int) -> StageReport:
            async with limit:
                ref = await collect_shard(listing.shards[shard], shard, settings, layout)
                return ref.report

        reports = await asyncio.gather(*map(one, range(len(listing.shards))))
        return sum(reports, StageReport(0, 0))

    kept = run(work()).kept
    return {"kept": kept, "sent": max_in_a_second(sent)}


def sending() -> list[float]:
    """The moments at which API requests begin from now on."""
    moments: list[float] = []
    begin = TokenBucket._begin

    def noted(bucket: TokenBucket) -> float:
        wait = begin(bucket)
        if not wait:
            moments.append(time.monotonic())
        return wait

    TokenBucket._begin = noted
    return moments


def max_in_a_second(moments: list[float]) -> int:
    """The largest number of moments in any window [t, t+1)."""
    recent: deque[float] = deque()
    most = 0
    for moment in sorted(moments):
        recent.append(moment)
        while moment - recent[0] >= 1:
            recent.popleft()
        most = max(most, len(recent))
    return most


def one_by_one(url: str, folder: Path, people: int, _rate: float) -> Figures:
    """What a scraper looks like at first: one thing after another, over one connection."""
    kept, found, page = 0, 0, 1
    with requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {TOKEN}"
        base = session.get(f"{url}/configuration").json()["images"]["secure_base_url"]
        while found < people:
            for entry in session.get(f"{url}/person/popular?page={page}").json()["results"]:
                if entry["known_for_department"] != "Acting" or found == people:
                    continue
                found += 1
                answer = session.get(f"{url}/person/{entry['id']}?append_to_response=images")
                for profile in answer.json()["images"]["profiles"]:
                    data = session.get(f"{base}h632{profile['file_path']}").content
                    store(folder, entry["id"], profile["file_path"], data)
                    kept += 1
            page += 1
    return {"kept": kept}


def all_at_once(url: str, folder: Path, people: int, _rate: float) -> Figures:
    """Everything as a coroutine of its own, started at once; nothing is checked."""

    async def work() -> int:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with aiohttp.ClientSession(headers=headers) as session:

            async def ask(path: str) -> Any:
                async with session.get(f"{url}{path}") as response:
                    return await response.json()

            base = (await ask("/configuration"))["images"]["secure_base_url"]
            pages = range(1, 2 + people * 10 // 9 // 20)
            lists = await asyncio.gather(*(ask(f"/person/popular?page={p}") for p in pages))
            acting = [
                entry["id"]
                for page in lists
                for entry in page["results"]
                if entry["known_for_department"] == "Acting"
            ][:people]

            async def image(person: int, path: str) -> None:
                async with session.get(f"{base}h632{path}") as response:
                    store(folder, person, path, await response.read())

            async def one(person: int) -> int:
                answer = await ask(f"/person/{person}?append_to_response=images")
                paths = [profile["file_path"] for profile in answer["images"]["profiles"]]
                await asyncio.gather(*(image(person, path) for path in paths))
                return len(paths)

            return sum(await asyncio.gather(*map(one, acting)))

    return {"kept": asyncio.run(work())}


def store(folder: Path, person: int, path: str, data: bytes) -> None:
    target = folder / str(person) / path.strip("/")
    target.parent.mkdir(exist_ok=True)
    target.write_bytes(data)


def settings_for(url: str, folder: Path, people: int, rate: float) -> Settings:
    settings = load_settings(
        paths={"data": folder, "models": folder / "models"},
        collect={"source": "tmdb", "people": people},
    )
    values = {"api_url": url, "token": TOKEN, "terms_accepted": True, "rate_per_second": rate}
    return settings.model_copy(update={"tmdb": Tmdb.model_validate(values)})


def stats(url: str) -> Figures:
    with urllib.request.urlopen(f"{url.removesuffix('/3')}/stats") as answer:
        return json.load(answer)


def kinds(seen: Figures) -> str:
    names = ("configuration", "popular", "changes", "export", "person", "image")
    return ", ".join(f"{name} {seen['requests'].get(name, 0):,}" for name in names)


def in_a_process(work: Callable[..., Figures], *arguments: Any) -> Figures:
    """Run in a process of its own; adds its wall seconds and peak memory."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=measured, args=(work, there, *arguments))
    process.start()
    there.close()
    try:
        return here.recv()
    except EOFError:
        raise SystemExit(f"{work.__name__} failed: see above") from None
    finally:
        process.join()


def measured(work: Callable[..., Figures], pipe: Connection, *arguments: Any) -> None:
    started = time.perf_counter()
    figures = work(*arguments)
    figures["seconds"] = time.perf_counter() - started
    figures["mebibytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    pipe.send(figures)


@contextmanager
def serving(people: int, photos: int, day: int, port: int, pool: int = 48) -> Iterator[str]:
    """The API's address of a server in another process; it ends with the block.

    The photographs are made from `pool` portraits.
    """
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=serve, args=(people, photos, day, port, pool, there))
    process.start()
    there.close()
    try:
        yield here.recv()
    except EOFError:
        raise SystemExit("the server did not start: see above") from None
    finally:
        here.close()
        process.join(20)


def serve(people: int, photos: int, day: int, port: int, pool: int, pipe: Connection) -> None:
    """Serve until the other end of the pipe closes."""
    cast = StockCast(people, photos, day=day, pool=pool)
    for photo in cast.photos(cast.people[0]):
        cast.body(photo.path)  # renders what others are made from
    with running(cast, TOKEN, port, rate_per_second=None) as server:
        pipe.send(server.api_url)
        pipe.poll(None)


if __name__ == "__main__":
    main()
