"""`enforce_retention` as its deployment runs it."""

import os
import subprocess
import sys
import threading
import time
from datetime import UTC, date, datetime

from elenco.lock import hold
from elenco.settings import load_settings
from elenco.sources.people import write_people
from elenco.types import Person
from tests.flows.conftest import ROOT, artifacts, get_json
from tests.small_data import SmallData

RUN = "from flows.enforce_retention import enforce_retention as f; print(f(wait_minutes={}{}))"


def enforce(
    folder, prefect_api: str, wait_minutes: float = 0, more: str = ""
) -> subprocess.CompletedProcess[str]:
    paths = {
        "ELENCO_PATHS__DATA": str(folder / "data"),
        "PREFECT_API_URL": prefect_api,
        "PREFECT_HOME": str(folder / "prefect"),  # old answers there go too: not the user's own
    }
    return subprocess.run(
        [sys.executable, "-c", RUN.format(wait_minutes, more)],
        env=os.environ | paths,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )


def newest_state(prefect_api: str) -> dict:
    wanted = {"flows": {"name": {"any_": ["enforce_retention"]}}, "sort": "START_TIME_DESC"}
    return get_json(f"{prefect_api}/flow_runs/filter", wanted)[0]["state"]


def old_and_new(folder, listed: date | None = None) -> None:
    """Photographs that are too old and others, of people who were listed on a day: today."""
    data = SmallData(folder)
    data.person("1", "Ana", fetched_at="2020-01-01T00:00:00+00:00")
    data.person("2", "Bo", fetched_at="2999-01-01T00:00:00+00:00")
    data.write()
    for path in data.layout.people.iterdir():
        path.unlink()
    write_people(data.layout, listed or datetime.now(UTC).date(), [Person("1", "Ana")], [], 1)


def test_what_is_too_old_goes_and_the_report_says_how_much(tmp_path, prefect_api):
    old_and_new(tmp_path)
    done = enforce(tmp_path, prefect_api)
    assert done.returncode == 0, done.stderr
    assert "{'photographs': 3, 'crops': 3, 'embeddings': 3, 'entries': 6}" in done.stdout
    assert not list((tmp_path / "data").rglob("1"))
    assert "| photographs | 3 |" in artifacts(prefect_api, "enforce-retention")["enforce-retention"]
    state = newest_state(prefect_api)
    assert state["name"] == "Completed"
    assert state["message"] == "deleted: 3 photographs, 3 crops, 3 embeddings, 6 entries"


def test_where_nothing_is_known_of_months_a_person_says_that_the_clock_is_right(
    tmp_path, prefect_api
):
    old_and_new(tmp_path, date(2020, 1, 1))
    done = enforce(tmp_path, prefect_api)
    assert done.returncode == 1
    assert len(list((tmp_path / "data").rglob("1"))) > 1
    state = newest_state(prefect_api)
    assert state["type"] == "FAILED"
    assert "the last that is known of tmdb is from 2020-01-01" in state["message"]
    done = enforce(tmp_path, prefect_api, more=", clock_is_right=True")
    assert "'photographs': 3" in done.stdout, done.stderr
    assert not list((tmp_path / "data").rglob("1"))


def test_old_stored_answers_go_too(tmp_path, prefect_api, monkeypatch):
    old_and_new(tmp_path)
    results = tmp_path / "results"
    results.mkdir()
    for name, days in (("collect-a", 91), ("embed-b", 91), ("detect-c", 89), ("another-d", 91)):
        (results / name).touch()
        written = time.time() - days * 86_400
        os.utime(results / name, (written, written))
    monkeypatch.setenv("PREFECT_RESULTS_LOCAL_STORAGE_PATH", str(results))
    done = enforce(tmp_path, prefect_api)
    assert "'stored answers': 2" in done.stdout, done.stderr
    assert sorted(path.name for path in results.iterdir()) == ["another-d", "detect-c"]


def test_where_a_refresh_works_it_deletes_nothing_and_does_not_fail(tmp_path, prefect_api):
    old_and_new(tmp_path)
    with hold(load_settings(paths={"data": tmp_path / "data"})):
        done = enforce(tmp_path, prefect_api)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().endswith("{}")
    assert list((tmp_path / "data").rglob("1"))
    state = newest_state(prefect_api)
    assert (state["type"], state["name"]) == ("COMPLETED", "Skipped")
    assert state["message"].startswith("a refresh runs: ")


def test_it_waits_for_a_refresh_that_ends(tmp_path, prefect_api):
    old_and_new(tmp_path)
    held, go = threading.Event(), threading.Event()

    def refresh() -> None:
        with hold(load_settings(paths={"data": tmp_path / "data"})):
            held.set()
            go.wait(60)

    thread = threading.Thread(target=refresh)
    thread.start()
    assert held.wait(10)
    timer = threading.Timer(6, go.set)
    timer.start()
    done = enforce(tmp_path, prefect_api, wait_minutes=5)
    go.set()
    thread.join()
    assert done.returncode == 0, done.stderr
    assert "'photographs': 3" in done.stdout
