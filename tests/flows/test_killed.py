"""Kill -9 at five moments: the next run ends as an undisturbed one, and fetches nothing twice."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from elenco.storage import read_npz
from tests.flows.conftest import CastServer, Workplace, make_workplace

# Something on disk shows that the run is in the middle of each stage.
MOMENTS: dict[str, Callable[[Workplace], bool]] = {
    "collecting": lambda p: _count(p.data / "images", "*/*/*.jpg") >= 10,
    "detecting": lambda p: _count(p.data / "output", "*/*/*.jpg") >= 1,
    "embedding": lambda p: _count(p.data / "processed", "*/shard-*.npz") >= 1,
    "training": lambda p: _count(p.data / "processed", "*/test.npz") >= 1,
    "publishing": lambda p: _count(p.models / "recogniser", ".candidate-*/metrics.json") >= 1,
}


def _count(folder: Path, pattern: str) -> int:
    return sum(1 for _ in folder.glob(pattern))


def _kill_when(place: Workplace, moment: Callable[[Workplace], bool]) -> bool:
    """Start a refresh and kill it at the moment; False if it ended before."""
    process = place.start("refresh")
    deadline = time.monotonic() + 180
    while process.poll() is None and not moment(place):
        assert time.monotonic() < deadline, "the moment never came"
        time.sleep(0.005)
    if process.poll() is not None:
        return False
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return True


def _stored(place: Workplace) -> set[str]:
    return {path.stem for path in (place.data / "images").glob("*/*/[!.]*.jpg")}


@pytest.mark.timeout(900)
def test_killed_at_five_moments(tmp_path, prefect_api, cast_server: CastServer, refreshed):
    place = make_workplace(tmp_path, prefect_api, cast_server)
    seen: dict[str, tuple[set[str], dict[str, int]]] = {}
    for name, moment in MOMENTS.items():
        assert _kill_when(place, moment), f"the run ended before it was {name}"
        stored, asked = _stored(place), cast_server.images()
        assert not (place.models / "recogniser" / "current").exists(), name
        seen[name] = (stored, asked)
    done = place.elenco("refresh")
    assert done.returncode == 0, done.stderr
    final = cast_server.images()
    for name, (stored, asked) in seen.items():
        again = {key for key in stored if final[key] > asked[key]}
        assert not again, f"stored before the kill while {name}, and fetched again: {again}"
    for split in ("train", "test"):
        mine = read_npz(place.data / "processed" / "dlib_resnet" / f"{split}.npz")
        undisturbed = read_npz(refreshed.data / "processed" / "dlib_resnet" / f"{split}.npz")
        assert mine.keys() == undisturbed.keys()
        for column in mine:
            assert (mine[column] == undisturbed[column]).all(), (split, column)
    assert (place.models / "recogniser" / "current" / "classifier.keras").exists()
    assert not list(place.data.rglob(".tmp-*"))
