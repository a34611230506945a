"""Shards in the processes of a Dask cluster: the same bytes as in threads, whoever dies."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.flows.conftest import (
    ELENCO,
    ROOT,
    CastServer,
    Workplace,
    eventually,
    free_port,
    get_json,
    make_workplace,
    start_cast_server,
)

pytest.importorskip("prefect_dask", reason="needs the extra: pip install 'elenco[dask]'")
DASK = str(Path(sys.executable).parent / "dask")
STAGES = ("collect_shard", "detect_shard", "embed_shard")
LOADED = json.dumps([str(Path(__file__).with_name("dask_notes.py"))])
TOKEN = "a-token-that-nobody-may-see"


@pytest.fixture(scope="module")
def guarded() -> Iterator[CastServer]:
    """The same cast as `cast_server` has, behind a token that can be looked for."""
    with start_cast_server("--token", TOKEN) as server:
        yield server


class Notes:
    """What the scheduler of a cluster noted: who was given which task, and who ended it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.environment = {
            "TEST_DASK_NOTES": str(path),
            "DASK_DISTRIBUTED__SCHEDULER__PRELOAD": LOADED,
            "DASK_DISTRIBUTED__WORKER__PRELOAD": LOADED,
        }

    def read(self) -> list[dict]:
        lines = self._path.read_text().splitlines(keepends=True) if self._path.exists() else []
        return [json.loads(line) for line in lines if line.endswith("\n")]

    def pids(self) -> dict[str, int]:
        """The process of each worker, by its address."""
        return {note["worker"]: note["pid"] for note in self.read() if "pid" in note}

    def ended(self) -> dict[str, set[int]]:
        """The processes that ended shards, by stage."""
        pids, ended = self.pids(), {stage: set() for stage in STAGES}
        for note in self.read():
            if note.get("ended"):
                ended[note["task"].rsplit("-", 1)[0]].add(pids[note["at"]])
        return ended

    def of(self, task: str) -> list[dict]:
        return [note for note in self.read() if note.get("task") == task]


def outputs(place: Workplace) -> dict[str, bytes]:
    """Every crop and every npz."""
    found = [*place.data.glob("output/*/*/*.jpg"), *place.data.glob("processed/*/*.npz")]
    return {str(path.relative_to(place.data)): path.read_bytes() for path in found}


def on_dask(
    folder: Path, prefect_api: str, server: CastServer, stop: str | None = None
) -> tuple[Workplace, Notes]:
    """A place whose runs go through Dask; the first shard of the stage `stop` stops its worker."""
    place, notes = make_workplace(folder / "place", prefect_api, server), Notes(folder / "notes")
    own = {"ELENCO_SCALE__RUNNER": "dask", "ELENCO_TMDB__TOKEN": TOKEN}
    place.environment |= notes.environment | own | ({"TEST_DASK_STOP": stop} if stop else {})
    return place, notes


EMBED = """
from elenco.cli.launch import run_flow
from elenco.settings import load_settings
run_flow("embed_faces", load_settings())
"""


@contextmanager
def embedding(place: Workplace, refreshed: Workplace) -> Iterator[subprocess.Popen]:
    """The flow `embed_faces`, running on the photographs that another place collected."""
    shutil.copytree(refreshed.data / "images", place.data / "images", dirs_exist_ok=True)
    for part in ("collect", "people"):
        state = Path("state", "tmdb", part)
        shutil.copytree(refreshed.data / state, place.data / state)
    command = [sys.executable, "-c", EMBED]
    with subprocess.Popen(
        command, env=place.environment, cwd=ROOT, start_new_session=True
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def stopped_in_the_middle(notes: Notes) -> tuple[str, int]:
    """The task that a worker was stopped in, as `on_dask` was told, and the worker's process."""
    deadline = time.monotonic() + 150
    while True:
        assert time.monotonic() < deadline, "no worker began a shard"
        time.sleep(0.05)
        for note in notes.read():
            if "stopped" in note:
                return note["stopped"], note["by"]


def test_two_processes_write_what_threads_write(tmp_path, prefect_api, guarded, refreshed):
    place, notes = on_dask(tmp_path, prefect_api, guarded)
    done = place.elenco("refresh")
    assert done.returncode == 0, done.stderr
    assert outputs(place) == outputs(refreshed)
    workers = set(notes.pids().values())
    assert len(workers) == 2
    assert set().union(*notes.ended().values()) == workers
    assert TOKEN not in done.stdout + done.stderr
    holding = [p for p in tmp_path.rglob("*") if p.is_file() and TOKEN.encode() in p.read_bytes()]
    assert holding == []
    # Who has taken a turn gives it back before the next. The last word may come after the run.
    for shard in ("collect 1/2", "collect 2/2"):
        asked = eventually(
            lambda shard=shard: [
                what for who, what in turns(prefect_api) if who.split(" · ")[0] == shard
            ],
            lambda asked: asked and asked[-1] == "released",
        )
        assert asked == ["acquired", "released"] * (len(asked) // 2)


def newest_run(api: str, flow: str) -> str:
    body = {"flows": {"name": {"any_": [flow]}}, "sort": "START_TIME_DESC", "limit": 1}
    return get_json(f"{api}/flow_runs/filter", body)[0]["id"]


def turns(api: str) -> list[tuple[str, str]]:
    """Which shard of the newest refresh took and gave back its turn at the source, in order."""
    asked = {
        "event": {"prefix": ["prefect.concurrency-limit."]},
        "related": {"id": [f"prefect.flow-run.{newest_run(api, 'daily_refresh')}"]},
        "order": "ASC",
    }
    return [
        (related["prefect.resource.name"], event["event"].rsplit(".", 1)[1])
        for event in get_json(f"{api}/events/filter", {"filter": asked, "limit": 50})["events"]
        for related in event["related"]
        if related["prefect.resource.id"].startswith("prefect.task-run.")
    ]


def test_a_killed_worker_is_started_again_and_its_shard_is_redone(
    tmp_path, prefect_api, guarded, refreshed
):
    place, notes = on_dask(tmp_path, prefect_api, guarded, stop="detect_shard")
    del place.environment["PREFECT_API_URL"]  # the workers find the server that the run starts
    with embedding(place, refreshed) as run:
        task, pid = stopped_in_the_middle(notes)
        os.kill(pid, signal.SIGKILL)
        assert run.wait(200) == 0
    assert outputs(place) == outputs(refreshed)
    assert len([note for note in notes.of(task) if not note["ended"]]) > 1
    assert notes.pids()[notes.of(task)[-1]["at"]] != pid
    assert len(notes.pids()) == 3


@contextmanager
def machines(
    notes: Notes, place: Workplace, folders: Sequence[Path] = (ROOT, ROOT)
) -> Iterator[tuple[str, subprocess.Popen]]:
    """A scheduler and two workers as docs/scaling.md starts them; the scheduler and its address.

    Settings, and the address of the Prefect server, come with the tasks. Each worker is started in
    one of the folders.
    """
    port = free_port()
    own = ("ELENCO_", "PREFECT_")
    environment = {k: v for k, v in place.environment.items() if not k.startswith(own)}
    environment["PYTHONPATH"] = "."
    address = f"tcp://127.0.0.1:{port}"
    scheduler = [DASK, "scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard"]
    worker = [DASK, "worker", address, "--nthreads", "1", "--memory-limit", "0", "--no-dashboard"]
    started = [
        subprocess.Popen(command, env=environment, cwd=folder, start_new_session=True)
        for command, folder in zip((scheduler, worker, worker), (ROOT, *folders), strict=True)
    ]
    try:
        deadline = time.monotonic() + 60
        while len(notes.pids()) < 2:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        yield address, started[0]
    finally:
        for process in started:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def test_a_machine_that_is_lost_loses_nothing(tmp_path, prefect_api, guarded, refreshed):
    place, notes = on_dask(tmp_path, prefect_api, guarded, stop="embed_shard")
    with machines(notes, place) as (address, _):
        place.environment["ELENCO_SCALE__DASK_ADDRESS"] = address
        with embedding(place, refreshed) as run:
            task, pid = stopped_in_the_middle(notes)
            os.killpg(os.getpgid(pid), signal.SIGKILL)
            assert run.wait(200) == 0
    assert outputs(place) == outputs(refreshed)
    (other,) = set(notes.pids().values()) - {pid}
    assert notes.pids()[notes.of(task)[-1]["at"]] == other
    body = {"flow_runs": {"id": {"any_": [newest_run(prefect_api, "embed_faces")]}}}
    wanted = [(f"{stage} {n}/2", "COMPLETED") for stage in ("detect", "embed") for n in (1, 2)]
    shards = eventually(
        lambda: sorted(
            (one["name"].split(" · ")[0], one["state_type"])
            for one in get_json(f"{prefect_api}/task_runs/filter", body)
            if re.match("detect|embed", one["name"])
        ),
        lambda shards: shards == wanted,
    )
    assert shards == wanted


def test_a_scheduler_that_goes_away_ends_the_run_with_one_line(
    tmp_path, prefect_api, guarded, refreshed
):
    place, notes = on_dask(tmp_path, prefect_api, guarded, stop="detect_shard")
    with machines(notes, place) as (address, scheduler):
        place.environment["ELENCO_SCALE__DASK_ADDRESS"] = address
        command = [ELENCO, "refresh"]
        with subprocess.Popen(
            command, env=place.environment, cwd=ROOT, stderr=subprocess.PIPE, text=True
        ) as run:
            stopped_in_the_middle(notes)
            os.killpg(scheduler.pid, signal.SIGKILL)
            said = run.communicate(timeout=100)[1]
    assert run.returncode == 1
    assert said.strip().splitlines()[-1].startswith("elenco: the Dask scheduler is gone")
    assert "Traceback" not in said
