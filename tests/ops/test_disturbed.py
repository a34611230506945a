"""A refresh of people who do not exist, through its deployment, while everything is killed."""

import os
import signal

import pytest

from elenco.demo.server import DemoServer
from tests.ops.conftest import MANY, HeldCast, Place, Sink, until
from tests.ops.real_refresh import (
    SCHEDULED,
    held_after,
    kill_worker,
    real_refresh,
    replacement,
    replacements,
    stored,
    undisturbed,
)
from tests.refresh_stages import STAGES, differing, outputs

pytestmark = pytest.mark.timeout(1800)


def test_a_refresh_comes_to_the_same_whatever_dies_meanwhile(
    place: Place, held_server: tuple[HeldCast, DemoServer], sink: Sink
):
    cast, server = held_server
    cast.allow(0)
    sink.posted.clear()
    models = place.folder / "models"
    with real_refresh(place):
        others = replacements(place)
        run = place.start(tags=SCHEDULED)
        held_after(place, cast, 8)
        kill_worker(place)
        kept, asked = stored(place), dict(server.counts)
        wanted = undisturbed(place)
        crashed = place.ended(run, 300)
        assert crashed["state_type"] == "CRASHED"
        assert "no heartbeat for 60 s" in crashed["state"]["message"]
        again = replacement(place, others)
        assert "auto-scheduled" not in again["tags"]
        held_after(place, cast, len(kept) + 4)
        _killed_alone(place, "server", "database")
        cast.allow(MANY)
        train = STAGES["train"]
        until("training", lambda: train.begun(place.data, models), 400, pause=0.01)
        _killed_alone(place, "database", "server")
        assert not train.over(place.data, models)
        ended = place.ended(again["id"], 600)
    assert ended["state"]["name"] == "Promoted", ended["state"]
    assert ended["run_count"] == 1
    assert ended["name"].startswith("refresh ")
    assert differing(outputs(place.data, models), wanted) == []
    assert {key for key in kept if server.counts[_name(key)] > asked[_name(key)]} == set()
    assert not list(place.data.glob("images/**/.tmp-*"))
    [alarm] = [post for post in sink.posted if post["alarm"] == "crashed"]
    assert "no heartbeat" in alarm["text"]


def _killed_alone(place: Place, name: str, other: str) -> None:
    """Kill it with -9; it is started again, the other one not."""
    before, untouched = place.pid(name), place.pid(other)
    os.kill(before, signal.SIGKILL)
    place.restarted(name, before)
    assert place.pid(other) == untouched


def _name(key: str) -> str:
    return f"image:/{key}.jpg"
