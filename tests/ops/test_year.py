"""Nothing grows without bound: a year of days, on disk and in Prefect's database."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from elenco.layout import Layout
from elenco.ops import rotation, stored_answers
from elenco.ops.services import SERVER
from elenco.pruning import prune
from elenco.registry import FILES, Registry
from elenco.report import history
from elenco.sources.people import delete_lists_before, write_people
from elenco.types import Person
from tests.ops.conftest import HEAVY, ROOT
from tests.ops.year import DAYS, KEYS, LOGS
from tests.unit.test_report_over_days import DAY

SHARDS = 2
PEOPLE = [Person(str(n), f"Person {n}", 1.0) for n in range(20)]


def a_day(day: date, number: int, layout: Layout, keep: int, max_days: int) -> None:
    """What a refresh on which everything changed writes, and what tidies up behind it."""
    moment = datetime(day.year, day.month, day.day, 6, tzinfo=UTC)
    write_people(layout, day, PEOPLE[number % 2 :], [], len(PEOPLE))
    delete_lists_before(layout, day - timedelta(days=max_days))
    results = layout.data / "state" / "prefect" / "results"
    results.mkdir(parents=True, exist_ok=True)
    for stage in stored_answers.STAGES:
        for shard in range(SHARDS):
            path = results / f"{stage}{number:03d}{shard}"
            path.write_text("{}")
            os.utime(path, (moment.timestamp(), moment.timestamp()))
    if number % 5 == 0:
        a_version(layout, keep)
    history.note(replace(DAY, ended=moment.isoformat()), layout)
    stored_answers.delete_old(results, moment)


def a_version(layout: Layout, keep: int) -> None:
    registry = Registry(layout.recogniser)
    built = registry.root / ".candidate-x"
    built.mkdir(parents=True)
    for name in FILES:
        (built / name).write_text(name)
    version = registry.register(built)
    registry.promote(version, "better")
    prune(registry, keep, version)


def files(layout: Layout) -> dict[str, int]:
    """How many there are in each folder."""
    found = [p for root in (layout.data, layout.models) for p in root.rglob("*") if p.is_file()]
    names = [path.relative_to(layout.data.parent).as_posix() for path in found]
    kinds = ("data/state/tmdb/people", "data/state/prefect", "models/recogniser/v")
    counts = {kind: sum(name.startswith(kind) for name in names) for kind in kinds}
    return counts | {"all": len(names)}


def test_a_year_of_days_on_disk(settings, layout, monkeypatch):
    """One line a day goes into the logs of versions and of refreshes, and nothing else grows."""
    monkeypatch.setattr(os, "fsync", lambda _: None)  # a year of them takes a minute
    first, max_days, seen = date(2026, 1, 1), settings.retention.max_days, {}
    for number in range(DAYS):
        a_day(first + timedelta(days=number), number, layout, 3, max_days)
        if number in (max_days + 1, DAYS - 1):
            seen[number] = files(layout)
    assert seen[DAYS - 1] == seen[max_days + 1]
    answers = len(stored_answers.STAGES) * SHARDS * (stored_answers.KEPT_DAYS + 1)
    assert seen[DAYS - 1]["data/state/prefect"] == answers
    assert seen[DAYS - 1]["models/recogniser/v"] == 3 * (len(FILES) + 1)
    assert len(history.read(layout)) == DAYS <= history.KEPT


def test_a_process_that_says_a_lot_fills_no_disk(tmp_path, monkeypatch):
    monkeypatch.setattr(rotation, "MEGABYTES", 0.01)
    script = "for n in range(20000): print('a line of a server', n)"
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        rotation.pump(process.stdout, tmp_path / "server.log").join(60)
    assert len(list(tmp_path.iterdir())) == rotation.FILES + 1
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 0.06 * 1024**2
    assert "19999" in (tmp_path / "server.log").read_text()


@HEAVY
@pytest.mark.timeout(600)
def test_a_year_of_runs_in_the_database(tmp_path: Path):
    clean = {k: v for k, v in os.environ.items() if not k.startswith("PREFECT_")}
    done = subprocess.run(
        [sys.executable, "-m", "tests.ops.year"],
        env=clean | SERVER | {"PREFECT_HOME": str(tmp_path)},
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    counts = json.loads(done.stdout)
    days = int(SERVER["PREFECT_SERVER_SERVICES_DB_VACUUM_RETENTION_PERIOD"]) // 86_400
    assert counts["before"]["FlowRun"] == 2 * DAYS
    assert counts["after"]["FlowRun"] == counts["after"]["TaskRun"] == 2 * days
    assert counts["after"]["Log"] == LOGS * days
    assert counts["after"]["Artifact"] == 2 * len(KEYS) * days
    assert counts["after"]["Event"] == 7
