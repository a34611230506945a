"""`elenco up` to `elenco down`: what an operator sees when processes die in between."""

import json
import os
import signal
import stat
import time
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta

import pytest

from tests.ops.conftest import HEAVY, Place, Sink, tree, until
from tests.ops.real_refresh import (
    AGAIN_SECONDS,
    MARKED_SECONDS,
    SCHEDULED,
    kill_worker,
    replacement,
    replacements,
    seconds,
)

pytestmark = pytest.mark.timeout(900)


def test_a_flow_runs_through_database_server_and_worker(place: Place):
    done = place.elenco("run", "enforce_retention", "--watch")
    assert done.returncode == 0, done.stderr
    assert "Completed" in done.stdout
    [run] = [r for r in place.runs("enforce_retention") if r["state_type"] == "COMPLETED"]
    assert run["work_pool_name"] == "elenco"


def test_the_schedule_makes_runs(place: Place):
    """With SQLAlchemy 2.1 it makes none, and only the server's log says so."""

    def scheduled() -> list[str]:
        runs = [r for r in place.runs() if (r["created_by"] or {}).get("type") == "SCHEDULE"]
        return [run["expected_start_time"] for run in runs]

    assert all("T06:00:00" in moment for moment in until("a run of tomorrow", scheduled))


def test_nobody_comes_in_without_the_password(place: Place):
    url = f"{place.state['url']}/api/flows/filter"
    request = urllib.request.Request(url, b"{}", {"Content-Type": "application/json"})
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(request, timeout=30)
    for file in (place.ops / "secrets").iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        secret = file.read_text().strip().rpartition(":")[2]
        assert len(secret) >= 40
        for entry in (*(place.ops / "log").iterdir(), place.ops / "topology.json"):
            assert secret not in entry.read_text(errors="replace"), entry
        assert not [line for line in place.processes() if secret in line]


def test_the_interface_asks_the_host_that_it_was_loaded_from_and_no_other_site_may(place: Place):
    """A host in there would be wrong behind a proxy, and through `ssh -L` with another port."""
    with urllib.request.urlopen(f"{place.state['url']}/ui-settings", timeout=30) as answer:
        told = json.load(answer)
    assert told["api_url"] == "/api"
    assert len(told["available_uis"]) == 2
    asked = {"Origin": "https://elsewhere.example", "Access-Control-Request-Method": "POST"}
    url = f"{place.state['url']}/api/flows/filter"
    request = urllib.request.Request(url, headers=asked, method="OPTIONS")
    with pytest.raises(urllib.error.HTTPError, match="400") as refused:
        urllib.request.urlopen(request, timeout=30)
    with refused.value as answer:
        assert "Access-Control-Allow-Origin" not in answer.headers


def test_up_again_says_that_it_is_up(place: Place):
    before = place.state
    done = place.elenco("up")
    assert done.returncode == 0, done.stderr
    assert f"already up: {before['url']}" in done.stdout
    assert place.state == before


def test_two_refreshes_at_once_are_one(place: Place):
    place.hold()
    first = place.start()
    place.held()
    second = place.ended(place.start())
    assert second["state_type"] == "CANCELLED"
    assert place.run(first)["state_type"] == "RUNNING"
    place.let_go()
    assert place.ended(first)["state_type"] == "COMPLETED"


def test_after_days_without_a_worker_one_run_catches_up(place: Place, sink: Sink):
    worker = place.pid("worker")
    for pid in tree(worker):
        os.kill(pid, signal.SIGSTOP)
    place.hold()
    days = [datetime.now(UTC) - timedelta(days=n) for n in range(1, 8)]
    late = [
        place.start(
            state={"type": "SCHEDULED", "state_details": {"scheduled_time": day.isoformat()}}
        )
        for day in days
    ]
    alarms = until("an alarm", lambda: [p for p in sink.posted if p["alarm"] == "late"])
    assert alarms[0]["text"].startswith("Elenco, late: daily_refresh ")
    for pid in tree(worker):
        os.kill(pid, signal.SIGCONT)
    place.held()
    until("six that are cancelled", lambda: _states(place, late).count("CANCELLED") == 6)
    place.let_go()
    until("one that is completed", lambda: _states(place, late).count("COMPLETED") == 1)
    assert sorted(_states(place, late)) == ["CANCELLED"] * 6 + ["COMPLETED"]


def _states(place: Place, runs: list[str]) -> list[str]:
    return [place.run(run)["state_type"] for run in runs]


@HEAVY
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_server_that_dies_during_a_run_costs_nothing(place: Place, number):
    _dies_meanwhile(place, "server", number)


@HEAVY
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_database_that_dies_during_a_run_costs_nothing(place: Place, number):
    _dies_meanwhile(place, "database", number)


def _dies_meanwhile(place: Place, name: str, number: int) -> None:
    place.hold()
    run = place.start()
    place.held()
    before = place.pid(name)
    os.kill(before, number)
    place.restarted(name, before)
    time.sleep(3)
    place.let_go()
    ended = place.ended(run, 180)
    assert ended["state_type"] == "COMPLETED", ended["state"]
    assert ended["run_count"] == 1
    # The next one is not kept waiting by what the last one held.
    assert place.ended(place.start(), 180)["state_type"] == "COMPLETED"


@HEAVY
def test_a_worker_that_is_told_to_stop_gives_its_run_to_the_next(place: Place):
    place.hold()
    run = place.start()
    place.held()
    before = place.pid("worker")
    os.kill(before, signal.SIGTERM)
    place.restarted("worker", before)
    place.let_go()
    ended = place.ended(run, 180)
    assert ended["state_type"] == "COMPLETED", ended["state"]


@HEAVY
def test_a_run_that_its_worker_takes_and_never_starts_is_run_again(place: Place):
    """The worker dies while the run's process is still importing Python's modules."""
    others = replacements(place)
    place.hold()
    run = place.start(tags=SCHEDULED)
    until("a run that is taken", lambda: place.run(run)["state_type"] == "PENDING", 180, pause=0.02)
    killed = kill_worker(place, least=2)
    taken = place.run(run)
    assert (taken["state_type"], taken["start_time"]) == ("PENDING", None)
    crashed = place.ended(run, 300)
    assert crashed["state_type"] == "CRASHED"
    assert crashed["run_count"] == 0
    assert crashed["state"]["message"] == "not started 60 s after a worker took it"
    marked = seconds(crashed["state"]["timestamp"])
    assert marked - killed < 60 + MARKED_SECONDS
    again = replacement(place, others)
    assert seconds(again["start_time"]) - marked < AGAIN_SECONDS
    place.held()
    place.let_go()
    assert place.ended(again["id"])["state_type"] == "COMPLETED"


@HEAVY
def test_a_schedule_starts_a_run(place: Place):
    place.hold()
    done = place.elenco("deploy", ELENCO_SCHEDULE__CRON="* * * * *")
    assert "deployment daily_refresh changed" in done.stdout, done.stderr
    place.held()
    [run] = [r for r in place.runs() if r["state_type"] == "RUNNING"]
    assert "auto-scheduled" in run["tags"]
    assert "deployment daily_refresh changed" in place.elenco("deploy").stdout
    place.let_go()
    assert place.ended(run["id"])["state_type"] == "COMPLETED"


@HEAVY
def test_silence_is_an_alarm(place: Place, sink: Sink):
    assert place.ended(place.start())["state_type"] == "COMPLETED"
    sink.posted.clear()
    # Prefect looks at one window of 72 s after the other: the first has the run in it.
    silence = until("silence", lambda: [p for p in sink.posted if p["alarm"] == "silence"], 300)
    assert silence[0]["text"] == "Elenco, silence: no refresh has finished for 0.02 hours"


def test_what_a_killed_supervisor_ran_is_cleared_and_down_leaves_nothing(place: Place):
    """The last test of this topology."""
    first = place.state
    os.kill(first["supervisor"]["pid"], signal.SIGKILL)
    until("the end of all that it started", lambda: not place.processes(), 180)
    done = place.elenco("up")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"up: {first['url']}")
    assert len(place.processes()) >= 4
    assert place.elenco("down").stdout == "down\n"
    assert place.processes() == []
    assert place.state["phase"] == "down"
    assert place.elenco("down").stdout == "nothing was up\n"
