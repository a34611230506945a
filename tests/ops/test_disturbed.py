"""A refresh of people who do not exist, through its deployment, while everything is killed."""

import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from elenco.demo.serve import running
from elenco.demo.server import DemoServer
from elenco.demo.synthetic import SyntheticCast
from elenco.storage import read_json
from tests.ops.conftest import HELD_REFRESH, MANY, PEOPLE, ROOT, HeldCast, Place, Sink, until

pytestmark = pytest.mark.timeout(600)


@contextmanager
def real_refresh(place: Place) -> Iterator[None]:
    """The place's `daily_refresh` is the real one meanwhile."""
    flow = place.folder / "flows" / "daily_refresh.py"
    shutil.copy(ROOT / "flows" / "daily_refresh.py", flow)
    try:
        yield
    finally:
        flow.write_text(HELD_REFRESH)


def held_after(place: Place, cast: HeldCast, photographs: int) -> None:
    """Let a run collect, one after the other, until so many are stored."""

    def enough() -> bool:
        cast.allow(1)
        return len(stored(place)) >= photographs

    until(f"{photographs} photographs", enough, 120)


def stored(place: Place) -> set[str]:
    return {path.stem for path in place.data.glob("images/*/*/[!.]*.jpg")}


def outputs(data: Path, models: Path) -> dict[str, Any]:
    """Faces, embeddings, whom the recogniser knows and how good it is."""
    found = [*data.glob("output/*/*/*.jpg"), *data.glob("processed/*/*.npz")]
    version = models / "recogniser" / "current"
    files = {str(path.relative_to(data)): path.read_bytes() for path in found}
    return files | {name: read_json(version / name) for name in ("labels.json", "metrics.json")}


def test_a_refresh_comes_to_the_same_whatever_dies_meanwhile(
    place: Place, held_server: tuple[HeldCast, DemoServer], sink: Sink, tmp_path
):
    cast, server = held_server
    with real_refresh(place):
        # As the scheduler's, but for what it was made from: Prefect's automations hear of a run
        # that was scheduled less than five minutes before it began a quarter of an hour late.
        run = place.start(tags=["elenco", "auto-scheduled"])
        held_after(place, cast, 8)
        for pid in place.of_worker():
            os.kill(pid, signal.SIGKILL)
        kept, asked = stored(place), dict(server.counts)
        undisturbed = refresh_elsewhere(place, tmp_path)
        crashed = place.ended(run, 150)
        assert crashed["state_type"] == "CRASHED"
        assert "no heartbeat for 60 s" in crashed["state"]["message"]
        [again] = until("a run in its place", lambda: _replacements(place))
        assert "auto-scheduled" not in again["tags"]
        held_after(place, cast, len(kept) + 4)
        before = {name: place.pid(name) for name in ("server", "database")}
        for pid in before.values():
            os.kill(pid, signal.SIGKILL)
        for name, pid in before.items():
            place.restarted(name, pid)
        cast.allow(MANY)
        ended = place.ended(again["id"], 180)
    assert ended["state"]["name"] == "Promoted", ended["state"]
    assert ended["run_count"] == 1
    assert ended["name"].startswith("refresh ")
    assert outputs(place.data, place.folder / "models") == undisturbed
    assert {key for key in kept if server.counts[_name(key)] > asked[_name(key)]} == set()
    assert not list(place.data.glob("images/**/.tmp-*"))
    [alarm] = [post for post in sink.posted if post["alarm"] == "crashed"]
    assert "no heartbeat" in alarm["text"]


def refresh_elsewhere(place: Place, folder: Path) -> dict[str, Any]:
    """What the same refresh comes to in another folder, with nothing in its way."""
    data, models = folder / "data", folder / "models"
    with running(SyntheticCast(PEOPLE), rate_per_second=None) as server:
        done = place.elenco(
            "refresh",
            ELENCO_TMDB__API_URL=server.api_url,
            ELENCO_PATHS__DATA=str(data),
            ELENCO_PATHS__MODELS=str(models),
        )
    assert done.returncode == 0, done.stderr
    return outputs(data, models)


def _name(key: str) -> str:
    return f"image:/{key}.jpg"


def _replacements(place: Place) -> list[dict]:
    return [r for r in place.runs() if (r["created_by"] or {}).get("type") == "AUTOMATION"]
