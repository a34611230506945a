"""Kill -9 in each stage: the next run ends as an undisturbed one, and does nothing twice."""

import os
import signal
import time
from contextlib import nullcontext

import pytest
from filelock import FileLock

from tests.flows.conftest import CastServer, Workplace, make_workplace
from tests.refresh_stages import STAGES, Stage, differing, outputs


def _kill_in(place: Workplace, stage: Stage) -> bool:
    """Start a refresh and kill it in a stage; whether it was in the middle of it."""
    # A version is registered in no time: here the run finds the registry in another's hands.
    registry = place.models / "recogniser" / ".lock"
    with FileLock(registry) if stage.name == "register" else nullcontext():
        process = place.start("refresh")
        deadline = time.monotonic() + 400  # a turn at TMDB that died with its owner is waited for
        while not stage.begun(place.data, place.models):
            assert process.poll() is None, f"the run ended before {stage.name}"
            assert time.monotonic() < deadline, f"{stage.name} never began"
            time.sleep(0.005)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    return not stage.over(place.data, place.models)


def _stored(place: Workplace) -> set[str]:
    return {path.stem for path in (place.data / "images").glob("*/*/[!.]*.jpg")}


@pytest.mark.timeout(1800)
def test_killed_in_each_stage(tmp_path, prefect_api, cast_server: CastServer, refreshed):
    place = make_workplace(tmp_path, prefect_api, cast_server)
    seen: dict[str, tuple[set[str], dict[str, int], dict[str, int]]] = {}
    hit = set()
    for name, stage in STAGES.items():
        if stage.begun(place.data, place.models):
            continue  # on a busy machine the kill before came late
        if _kill_in(place, stage):
            hit.add(name)
        done = stage.finished(place.data, place.models)
        seen[name] = (_stored(place), cast_server.images(), done)
    assert len(hit) >= len(STAGES) - 2, hit
    done = place.elenco("refresh")
    assert done.returncode == 0, done.stderr
    final = cast_server.images()
    for name, (stored, asked, finished) in seen.items():
        again = {key for key in stored if final[key] > asked[key]}
        assert not again, f"stored before the kill in {name}, and fetched again: {again}"
        now = STAGES[name].finished(place.data, place.models)
        redone = {path for path, when in finished.items() if now[path] != when}
        assert not redone, f"finished before the kill in {name}, and done again: {redone}"
    undisturbed = outputs(refreshed.data, refreshed.models)
    assert differing(outputs(place.data, place.models), undisturbed) == []
    assert not list(place.folder.rglob(".tmp-*"))
