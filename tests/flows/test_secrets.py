"""The token is in nothing that a run leaves behind, and two workers keep one pace."""

import json
import subprocess
import sys
from bisect import bisect_left
from pathlib import Path

import pytest

from tests.drawn_cast import drawing
from tests.flows.conftest import (
    ROOT,
    CastServer,
    get_json,
    make_workplace,
    start_cast_server,
)

NAMES = ("one", "other")
TOKEN = "t0ken-that-nobody-else-has-5f3a"


@pytest.fixture(scope="module")
def guarded():
    """A server that wants a token of its own."""
    with start_cast_server("--token", TOKEN) as server:
        yield server


def holding(folder: Path) -> list[Path]:
    """Files with the token in them, databases and their journals included."""
    return [p for p in folder.rglob("*") if p.is_file() and TOKEN.encode() in p.read_bytes()]


def test_the_token_is_nowhere(tmp_path, prefect_api, prefect_home: Path, guarded: CastServer):
    place = make_workplace(tmp_path, prefect_api, guarded)
    place.environment |= {"ELENCO_TMDB__TOKEN": TOKEN, "PREFECT_LOGGING_LEVEL": "DEBUG"}
    done = place.elenco("refresh")
    assert done.returncode == 0, done.stderr
    wrong = place.elenco("refresh", ELENCO_TMDB__TOKEN=f"{TOKEN}-wrong")
    assert wrong.returncode == 1
    away = place.elenco(
        "refresh", ELENCO_TMDB__API_URL="http://127.0.0.1:9/3", ELENCO_TMDB__RETRIES="0"
    )
    assert away.returncode == 1
    assert TOKEN not in "".join(run.stdout + run.stderr for run in (done, wrong, away))
    # A run of its own server keeps its database in the data directory.
    del place.environment["PREFECT_API_URL"]
    local = place.elenco("refresh")
    assert local.returncode == 0, local.stderr
    assert TOKEN not in local.stdout + local.stderr
    assert (prefect_home / "prefect.db").stat().st_size > 100_000
    assert holding(tmp_path) == []
    assert holding(prefect_home) == []


@pytest.mark.timeout(300)
def test_two_workers_keep_one_pace(tmp_path, prefect_api):
    """Each may ask 40 times a second: together they ask no more often than that.

    They say when they asked: a server that is busy on the same cores sees requests in bunches.
    """
    script = (
        "import json, pathlib, time\n"
        "from elenco.cli.launch import run_flow\n"
        "from elenco.settings import load_settings\n"
        "from elenco.sources.pace import Pace\n"
        "acquire, moments = Pace.acquire, []\n"
        "async def noted(pace, sleep):\n"
        "    await acquire(pace, sleep)\n"
        "    moments.append(time.monotonic())\n"
        "Pace.acquire = noted\n"
        "settings = load_settings()\n"
        "run_flow('collect_images', settings)\n"
        "(settings.paths.data / 'moments.json').write_text(json.dumps(moments))\n"
    )
    photos = tmp_path / "photos"  # small ones: a busy server would see requests late, in bunches
    for number in range(300):
        (photos / f"Person {number}").mkdir(parents=True)
        (photos / f"Person {number}" / "1.jpg").write_bytes(drawing(f"{number}"))
    with start_cast_server("--photos", str(photos)) as server:
        workers = []
        for name in NAMES:
            place = make_workplace(tmp_path / name, prefect_api, server)
            environment = place.environment | {
                "ELENCO_COLLECT__PEOPLE": "300",
                "ELENCO_COLLECT__PHOTOS_PER_PERSON": "1",
                "ELENCO_COLLECT__IMAGE_SIZE": "w45",
            }
            start = [sys.executable, "-c", script]
            workers.append(subprocess.Popen(start, env=environment, cwd=ROOT))
        assert [worker.wait(240) for worker in workers] == [0, 0]
        seen = get_json(f"{server.url}/stats")
    limit = get_json(f"{prefect_api}/v2/concurrency_limits/tmdb-api")
    assert (limit["limit"], limit["active_slots"]) == (1, 0)
    both = [json.loads((tmp_path / n / "data" / "moments.json").read_text()) for n in NAMES]
    assert min(map(len, both)) >= 300
    moments = sorted(moment for one in both for moment in one)
    assert seen["api"]["requests"] <= len(moments)  # who got a turn first may ask once more
    assert max(bisect_left(moments, t + 1) - n for n, t in enumerate(moments)) <= 40
