"""The real refresh through the shared place's deployment, its photographs held as a test wants."""

import os
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import Any

from elenco.demo.serve import running
from elenco.demo.synthetic import SyntheticCast
from tests.ops.conftest import CAST, HELD_REFRESH, ROOT, HeldCast, Place, until
from tests.refresh_stages import outputs

# As the scheduler's, but for what it was made from: Prefect's automations hear of a run that was
# scheduled less than five minutes before it began a quarter of an hour late.
SCHEDULED = ["elenco", "auto-scheduled"]
# What docs/operating.md states. After `alarms.vanished_seconds` or `alarms.unstarted_seconds`:
# the server looks every 5 seconds.
MARKED_SECONDS = 15
# From there until a run in its place has begun: a worker asks every 10 seconds, and starts Python.
AGAIN_SECONDS = 90


@contextmanager
def real_refresh(place: Place) -> Iterator[None]:
    """The place's `daily_refresh` is the real one meanwhile, and finds nothing done."""
    for done in ("images", "output", "processed", "state/tmdb", "state/prefect/results"):
        shutil.rmtree(place.data / done, ignore_errors=True)
    shutil.rmtree(place.folder / "models" / "recogniser", ignore_errors=True)
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

    until(f"{photographs} photographs", enough, 300)


def stored(place: Place) -> set[str]:
    return {path.stem for path in place.data.glob("images/*/*/[!.]*.jpg")}


def undisturbed(place: Place) -> dict[str, bytes]:
    """What the real refresh comes to in another folder, with nothing in its way; done once.

    Inside `real_refresh`: the command takes its flow from the place too.
    """
    folder = place.folder.parent / "undisturbed"
    data, models = folder / "data", folder / "models"
    if not (models / "recogniser" / "current").exists():
        with running(SyntheticCast(CAST), rate_per_second=None) as server:
            done = place.elenco(
                "refresh",
                ELENCO_TMDB__API_URL=server.api_url,
                ELENCO_PATHS__DATA=str(data),
                ELENCO_PATHS__MODELS=str(models),
            )
        assert done.returncode == 0, done.stderr
    return outputs(data, models)


def kill_worker(place: Place, least: int = 4) -> float:
    """With -9, and all that it started; when."""
    for pid in place.of_worker(least):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return time.time()


def replacements(place: Place) -> list[dict[str, Any]]:
    """The runs that the server has started by itself."""
    return [r for r in place.runs() if (r["created_by"] or {}).get("type") == "AUTOMATION"]


def replacement(place: Place, but: list[dict[str, Any]]) -> dict[str, Any]:
    """The run that the server has started beside these, as soon as it runs."""
    before = {run["id"] for run in but}

    def one() -> dict[str, Any] | None:
        found = [run for run in replacements(place) if run["id"] not in before]
        assert len(found) <= 1
        return found[0] if found and found[0]["start_time"] else None

    return until("a run in its place", one, 300)


def seconds(moment: str) -> float:
    """Of a moment as Prefect writes it, as `time.time` counts."""
    return datetime.fromisoformat(moment).timestamp()
