"""A day with every fault at once, a server that goes away, a full disk, runs that are killed."""

import asyncio
import errno
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from elenco.demo.faults import Faults
from elenco.demo.serve import running
from elenco.demo.stock import StockCast
from elenco.errors import SourceUnreachable
from elenco.layout import Layout
from elenco.verify import verify
from tests.real_collect import (
    changed,
    collect_day,
    expected,
    records,
    serving,
    stored,
    tree,
)

SHARE = 0.05
EVERYTHING = Faults(
    seed=3,
    too_many=SHARE,
    internal_errors=SHARE,
    unavailable=SHARE,
    reset=SHARE,
    slow=SHARE,
    cut=SHARE,
    wrong_length=SHARE,
    html=SHARE,
    wrong_type=SHARE,
    bad_json=SHARE,
    slow_seconds=0.3,
    shifting_pages=8,
    export_late=True,
)


def images_asked(server) -> Counter[str]:
    return Counter({k: n for k, n in server.counts.items() if k.startswith("image:")})


@pytest.mark.timeout(900)
async def test_with_every_fault_at_once_every_photograph_comes_whole_and_once(settings):
    """1,000 people, a tenth of the listed from other departments, topped up from the id export."""
    cast = StockCast(1000, photos=4)
    settings = changed(settings, "collect", people=1000, shards=4)
    async with serving(cast, settings, faults=EVERYTHING) as (server, settings):
        listing, report = await collect_day(settings)
        struck = {name for name in server.counts if name.startswith("fault:")}
        assert report.skipped == {}
        assert report.kept == report.given == 4000
        assert sum(map(len, listing.shards)) == 1000
        assert stored(settings) == expected(cast, listing)
        assert not list(settings.paths.data.rglob(".tmp-*"))
        assert verify(Layout.of(settings)) == []
        # What is there is not asked for again, whatever the faults.
        asked = images_asked(server)
        _, again = await collect_day(settings)
        assert images_asked(server) == asked
        assert (again.kept, again.reused) == (4000, 4000)
    kinds = {"too_many", "internal_errors", "unavailable", "reset", "slow", "cut", "wrong_length"}
    assert struck == {f"fault:{kind}" for kind in kinds | {"html", "wrong_type", "bad_json"}}


async def test_two_runs_over_the_same_server_give_the_same_tree(settings, tmp_path):
    cast = StockCast(60, photos=3)
    trees = []
    for name in ("one", "other"):
        place = changed(settings, "paths", data=tmp_path / name)
        place = changed(place, "collect", people=60, shards=3)
        async with serving(cast, place, faults=Faults(seed=len(trees), cut=0.1)) as (_, place):
            await collect_day(place)
        trees.append(tree(place))
    assert trees[0] == trees[1]
    assert len(trees[0]) == 180


@pytest.mark.timeout(300)
async def test_a_server_that_is_gone_for_a_minute_is_waited_for(settings):
    cast = StockCast(120, photos=5)
    settings = changed(settings, "collect", people=120, shards=2, connections=4)
    async with serving(cast, settings) as (server, settings):
        port = server.port
        work = asyncio.create_task(collect_day(settings))
        while len(tree(settings)) < 100:
            await asyncio.sleep(0.01)
    await asyncio.sleep(60)
    assert not work.done()
    async with serving(cast, settings, port=port) as (_, _):
        listing, report = await work
    assert (report.kept, report.skipped) == (600, {})
    assert stored(settings) == expected(cast, listing)


@pytest.mark.timeout(120)
async def test_a_server_that_is_gone_for_good_ends_the_run_with_all_it_had(settings):
    cast = StockCast(120, photos=5)
    settings = changed(settings, "collect", people=120, shards=2, connections=4)
    settings = changed(settings, "tmdb", retries=1, outage_seconds=2.0)
    async with serving(cast, settings) as (server, settings):
        port = server.port
        work = asyncio.create_task(collect_day(settings))
        while len(tree(settings)) < 100:
            await asyncio.sleep(0.01)
    with pytest.raises(SourceUnreachable, match="run again"):
        await work
    had = tree(settings)
    assert len(had) >= 100
    async with serving(cast, settings, port=port) as (server, settings):
        listing, report = await collect_day(settings)
        asked = images_asked(server)
    assert not {Path(name).stem for name in had} & {name.split("/")[-1][:-4] for name in asked}
    assert report.kept == 600
    assert stored(settings) == expected(cast, listing)


async def test_a_full_disk_says_so_and_spoils_nothing(settings, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "elenco-test", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("needs the right to mount a small disk")
    try:
        cast = StockCast(40, photos=4)
        settings = changed(settings, "paths", data=disk / "data")
        settings = changed(settings, "collect", people=40, shards=2)
        async with serving(cast, settings) as (_, settings):
            with pytest.raises(OSError, match="No space left") as caught:
                await collect_day(settings)
            assert caught.value.errno == errno.ENOSPC
            whole = {Path(p).name: cast.body(f"/{Path(p).name}") for p in tree(settings)}
            assert {Path(p).name: data for p, data in tree(settings).items()} == whole
            assert whole
            subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)
            listing, report = await collect_day(settings)
        assert report.reused >= len(whole)
        assert stored(settings) == expected(cast, listing)
        assert verify(Layout.of(settings)) == []
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


SCRIPT = """
import asyncio, sys
from elenco.settings import load_settings
from tests.real_collect import collect_day
asyncio.run(collect_day(load_settings(collect={"people": 80, "shards": 2})))
"""


@pytest.mark.timeout(300)
def test_killed_at_any_moment_it_goes_on_from_what_is_there(settings, tmp_path):
    cast = StockCast(80, photos=5)
    root = Path(__file__).resolve().parents[2]
    with running(cast, rate_per_second=None) as server:
        environment = os.environ | {
            "PYTHONPATH": str(root),
            "ELENCO_CONFIG": str(root / "config" / "default.toml"),
            "ELENCO_PATHS__DATA": str(settings.paths.data),
            "ELENCO_TMDB__API_URL": server.api_url,
            "ELENCO_TMDB__TOKEN": "demo",
            "ELENCO_TMDB__TERMS_ACCEPTED": "true",
            "ELENCO_TMDB__RATE_PER_SECOND": "1000",
        }
        start = [sys.executable, "-c", SCRIPT]
        before: dict[str, int] = {}  # what was stored at the last kill, and how often asked for
        for moment in (1, 60, 150, 240, 330):
            process = subprocess.Popen(start, env=environment, cwd=root)
            deadline = time.monotonic() + 60
            while len(tree(settings)) < moment and process.poll() is None:
                assert time.monotonic() < deadline
                time.sleep(0.002)
            assert process.poll() is None, f"the run ended before it had {moment} photographs"
            process.send_signal(signal.SIGKILL)
            process.wait()
            asked = images_asked(server)
            assert {name: asked[name] for name in before} == before
            names = [f"image:/{Path(name).name}" for name in tree(settings)]
            before = {name: asked[name] for name in names}
        subprocess.run(start, env=environment, cwd=root, check=True, timeout=120)
        final = images_asked(server)
    assert {name: final[name] for name in before} == before
    assert len(tree(settings)) == 400
    assert {Path(p).name: d for p, d in tree(settings).items()} == {
        Path(p).name: cast.body(f"/{Path(p).name}") for p in tree(settings)
    }
    assert all(record.complete for record in records(settings))
