"""What the interface shows of a run while it is at work, and over the days."""

import subprocess
import sys
from datetime import timedelta

from prefect import flow
from prefect.context import FlowRunContext
from prefect.settings import PREFECT_API_URL, temporary_settings

from elenco.layout import Layout
from elenco.report import history
from elenco.types import PublishedRef, StageReport
from tasks.report import report_over_days
from tasks.stopwatch import stopwatch
from tests.flows.conftest import CastServer, get_json, make_workplace

# As `elenco refresh`, telling of all work however short it is.
AT_ONCE = """
import sys
from elenco import progress
from elenco.cli.main import main
progress.SECONDS_BETWEEN_LINES = 0
sys.argv[1:] = ["refresh"]
main()
"""
METRICS = {"people": 2, "train_photographs": 4, "test_photographs": 2}
PUBLISHED = PublishedRef("v000001", "promoted", "first version", "v000001", METRICS)


def newest_run(api: str, name: str) -> str:
    body = {"flows": {"name": {"any_": [name]}}, "sort": "START_TIME_DESC", "limit": 1}
    return get_json(f"{api}/flow_runs/filter", body)[0]["id"]


def bars(api: str, name: str) -> dict[str, float]:
    """What the progress artifacts of a flow's newest run say."""
    runs = [newest_run(api, name)]
    body = {"artifacts": {"type": {"any_": ["progress"]}, "flow_run_id": {"any_": runs}}}
    return {one["description"]: one["data"] for one in get_json(f"{api}/artifacts/filter", body)}


def test_a_run_shows_how_far_it_is(tmp_path, prefect_api, cast_server: CastServer):
    place = make_workplace(tmp_path, prefect_api, cast_server)
    done = subprocess.run(
        [sys.executable, "-c", AT_ONCE],
        env=place.environment | {"ELENCO_COLLECT__SHARDS": "1", "ELENCO_FACES__BATCH": "8"},
        cwd=place.cwd,
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stderr
    refresh, publish = bars(prefect_api, "daily_refresh"), bars(prefect_api, "publish_model")
    shards = ("collect shard 1", "detect shard 1", "embed shard 1")
    assert refresh == dict.fromkeys((*shards, "duplicates of one person"), 100)
    assert publish == {"convert and compare": 100}


def test_a_clock_that_is_set_back_during_a_run_makes_no_negative_minutes(settings, prefect_api):
    @flow
    def refresh() -> None:
        context = FlowRunContext.get()
        assert context is not None
        with stopwatch() as watch:
            context.start_time += timedelta(hours=1)  # as an hour later looks from an hour before
            report_over_days({"collect": StageReport(6, 6)}, PUBLISHED, watch, settings)

    with temporary_settings({PREFECT_API_URL: prefect_api}):
        refresh()
    (noted,) = history.read(Layout.of(settings))
    assert noted.seconds >= 0
