"""The worker is killed with -9 in one stage of the refresh after the other."""

import pytest

from elenco.demo.server import DemoServer
from tests.ops.conftest import HEAVY, MANY, HeldCast, Place, until
from tests.ops.real_refresh import (
    AGAIN_SECONDS,
    MARKED_SECONDS,
    SCHEDULED,
    kill_worker,
    real_refresh,
    replacement,
    replacements,
    seconds,
    stored,
    undisturbed,
)
from tests.refresh_stages import STAGES, Stage, differing, outputs

pytestmark = [HEAVY, pytest.mark.timeout(2700)]


def test_a_worker_killed_in_each_stage_costs_no_work_and_changes_nothing(
    place: Place, held_server: tuple[HeldCast, DemoServer]
):
    """A scheduled run dies in one stage and the one in its place in the next; that is not run
    again, so then comes the next day's, which also goes on with what is there."""
    cast, server = held_server
    cast.allow(MANY)
    models = place.folder / "models"
    seen = {}
    with real_refresh(place):
        wanted = undisturbed(place)
        earlier = replacements(place)
        known = list(earlier)
        run = place.start(tags=SCHEDULED)
        for name in ("detect", "embed", "curate", "train", "export"):
            killed = _kill_in(place, STAGES[name])
            seen[name] = (
                stored(place),
                dict(server.counts),
                STAGES[name].finished(place.data, models),
            )
            crashed = place.ended(run, 300)
            assert crashed["state_type"] == "CRASHED", (name, crashed["state"])
            assert "no heartbeat for 60 s" in crashed["state"]["message"]
            until("the end of its parts", lambda: not _running_parts(place), 60)
            marked = seconds(crashed["state"]["timestamp"])
            assert marked - killed < 60 + MARKED_SECONDS, name
            if "auto-scheduled" in crashed["tags"]:
                again = replacement(place, known)
                assert seconds(again["start_time"]) - marked < AGAIN_SECONDS, name
                known.append(again)
                run = again["id"]
            else:
                run = place.start(tags=SCHEDULED)
        ended = place.ended(run, 600)
        assert len(replacements(place)) == len(earlier) + 3
    assert ended["state"]["name"] == "Promoted", ended["state"]
    assert differing(outputs(place.data, models), wanted) == []
    for name, (kept, asked, finished) in seen.items():
        counts = {
            key: (asked[f"image:/{key}.jpg"], server.counts[f"image:/{key}.jpg"]) for key in kept
        }
        assert [key for key, (then, now) in counts.items() if now > then] == [], name
        now = STAGES[name].finished(place.data, models)
        assert [path for path, when in finished.items() if now[path] != when] == [], name
    for root in (place.data / "images", place.data / "output", place.data / "processed", models):
        assert not list(root.rglob(".tmp-*"))


def _running_parts(place: Place) -> list[str]:
    parts = [run for name in ("train_recogniser", "publish_model") for run in place.runs(name)]
    return [run["id"] for run in parts if run["state_type"] in ("RUNNING", "PENDING")]


def _kill_in(place: Place, stage: Stage) -> float:
    """Kill the worker and its run in the middle of a stage that is not begun yet; when."""
    models = place.folder / "models"
    assert not stage.begun(place.data, models), stage.name
    until(stage.name, lambda: stage.begun(place.data, models), 400, pause=0.01)
    killed = kill_worker(place)
    assert not stage.over(place.data, models), f"{stage.name} was over"
    return killed
