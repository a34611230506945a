"""Flows that an operator starts by hand: what they are refused, and what their state then says."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from elenco.lock import hold
from elenco.schema import NAME, RESTORING
from elenco.settings import load_settings
from elenco.storage import read_json, write_json
from tests.flows.conftest import ROOT, CastServer, Workplace, get_json, make_workplace
from tests.small_data import tree

FLOWS = sorted(path.stem for path in (ROOT / "flows").glob("[!_]*.py"))
GIVEN = {
    "annotate_video": {"video": "film.mp4", "out": "nowhere"},
    "enforce_retention": {"wait_minutes": 0},
}
WAITS_FOR_NOBODY = {"annotate_video", "enforce_retention"}  # one only reads, the other waits
# Each run's state, a line a run.
RUNS = """
import errno, importlib, json, os, sys
asked, full = json.loads(sys.argv[1]), len(sys.argv) > 2

def no_room(handle):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

if full:
    os.fsync = no_room
for name, parameters in asked.items():
    flow = getattr(importlib.import_module(f"flows.{name}"), name)
    state = flow(**parameters, return_state=True)
    print(json.dumps([name, state.type.value, state.message]))
"""
# A flow in a flow: what the inner one gives, and how both end when it fails.
NESTED = """
from prefect import flow
from elenco.errors import NotEnoughData
from tasks.failure import says_what_to_do

@flow
@says_what_to_do
def inner(fail):
    if fail:
        raise NotEnoughData("two people are needed: collect more")
    return ["a", "b"]

@flow
@says_what_to_do
def outer():
    assert inner(False) == ["a", "b"]
    return inner(True)

state = outer(return_state=True)
error = state.result(raise_on_failure=False)
print(state.type.value, state.message, type(error).__name__, sep=" | ")
try:
    outer()
except NotEnoughData as error:
    print(error)
"""


def python(place: Workplace, *arguments: str) -> list[str]:
    """The lines that a script prints."""
    done = subprocess.run(
        [sys.executable, "-c", *arguments],
        env=place.environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def ends(place: Workplace, flows: dict[str, dict], *options: str) -> dict[str, tuple[str, str]]:
    """Flow -> type and message of the state that a run of it ends in."""
    lines = python(place, RUNS, json.dumps(flows), *options)
    return {name: (kind, message) for name, kind, message in map(json.loads, lines)}


def by_hand(flows) -> dict[str, dict]:
    return {name: GIVEN.get(name, {}) for name in flows}


def half_done(models: Path) -> list[Path]:
    """What a training that is at work has in the registry."""
    paths = [models / "recogniser" / name for name in (".tmp-abc", ".candidate-abc")]
    for path in paths:
        write_json(path / "labels.json", {})
    return paths


@pytest.fixture(scope="module")
def empty(tmp_path_factory, prefect_api, cast_server: CastServer) -> dict[str, tuple[str, str]]:
    """How each flow ends where there is nothing, and nothing can be had."""
    place = make_workplace(tmp_path_factory.mktemp("empty"), prefect_api, cast_server)
    place.environment["ELENCO_TMDB__TOKEN"] = "wrong"
    retention = {"enforce_retention": {"config": "nowhere.toml"}}
    return ends(place, by_hand(FLOWS) | retention)


@pytest.mark.parametrize(
    ("flow", "says"),
    [
        ("annotate_video", "no version promoted yet: run `elenco refresh`"),
        ("collect_images", "the server refused the token (HTTP 401): set ELENCO_TMDB__TOKEN"),
        ("daily_refresh", "the server refused the token (HTTP 401): set ELENCO_TMDB__TOKEN"),
        ("embed_faces", "shard 0 of collect is not finished: collect first"),
        ("enforce_retention", "there is no settings file nowhere.toml: give another"),
        ("publish_model", "there is no candidate to publish: run train_recogniser first"),
        ("train_recogniser", "there are no embeddings of dlib_resnet in "),
    ],
)
def test_a_failed_run_says_what_to_do(empty, flow, says):
    kind, message = empty[flow]
    assert kind == "FAILED"
    assert message.startswith(says)  # without "encountered an exception", which is Prefect's
    assert "\n" not in message


@pytest.fixture(scope="module")
def full(tmp_path_factory, prefect_api, cast_server: CastServer) -> dict[str, tuple[str, str]]:
    """How each flow that writes into the data directory ends on a full disk."""
    place = make_workplace(tmp_path_factory.mktemp("full"), prefect_api, cast_server)
    return ends(place, by_hand(set(FLOWS) - {"annotate_video"}), "full")


@pytest.mark.parametrize("flow", sorted(set(FLOWS) - {"annotate_video"}))
def test_a_full_disk_is_said_and_what_to_do(full, flow):
    kind, message = full[flow]
    assert kind == "FAILED"
    assert message.startswith("[Errno 28] No space left on device: '/")  # and the file's name
    assert "': make room there and run it again" in message


def test_a_flow_that_fails_fails_the_one_that_called_it_with_the_same_words(refreshed):
    said = "two people are needed: collect more"
    assert python(refreshed, NESTED) == [f"FAILED | {said} | NotEnoughData", said]


@pytest.mark.parametrize(
    ("file", "value", "says"),
    [
        (NAME, {"schema": 99, "written_by": "elenco 99"}, "was made by a newer release"),
        (RESTORING, {"backup": "b", "logs": {}}, "is half restored: repeat the `elenco restore`"),
    ],
)
def test_a_directory_that_is_not_to_be_opened_is_not(
    tmp_path, prefect_api, refreshed: Workplace, cast_server: CastServer, file, value, says
):
    shutil.copytree(refreshed.folder, tmp_path, dirs_exist_ok=True, symlinks=True)
    place = make_workplace(tmp_path, prefect_api, cast_server)
    write_json(place.data / "state" / file, value)
    half_done(place.models)
    before = tree(tmp_path)
    found = ends(place, by_hand(FLOWS))
    assert found.keys() == set(FLOWS)
    for flow, (kind, message) in found.items():
        assert (kind, says in message) == ("FAILED", True), (flow, message)
    assert tree(tmp_path) == before


def test_who_writes_is_refused_while_another_is_at_work(
    tmp_path, prefect_api, cast_server: CastServer
):
    place = make_workplace(tmp_path, prefect_api, cast_server)
    working = half_done(place.models)
    with hold(load_settings(paths={"data": place.data})):
        found = ends(place, by_hand(set(FLOWS) - WAITS_FOR_NOBODY))
    assert len(found) == 5
    for flow, (kind, message) in found.items():
        assert kind == "FAILED", flow
        assert f"works in {place.data}: wait for it" in message, flow
        assert "\n" not in message
    assert all(path.exists() for path in working)


def test_trained_and_published_by_hand(
    tmp_path, prefect_api, refreshed: Workplace, cast_server: CastServer
):
    shutil.copytree(refreshed.folder, tmp_path, dirs_exist_ok=True, symlinks=True)
    place = make_workplace(tmp_path, prefect_api, cast_server)
    place.environment["ELENCO_TRAINING__SEED"] = "7"  # another candidate than the refresh's
    killed, _ = half_done(place.models)
    registry = place.models / "recogniser"
    before = {path.name for path in registry.glob("v*")}
    found = ends(place, by_hand(["train_recogniser", "publish_model"]))
    assert [kind for kind, _ in found.values()] == ["COMPLETED"] * 2
    [new] = {path.name for path in registry.glob("v*")} - before
    assert read_json(registry / new / "verdict.json")["against"] in before
    assert not killed.exists()
    assert not list(registry.glob(".candidate-*"))


@pytest.mark.parametrize("flow", ["train_recogniser", "publish_model"])
def test_in_a_refresh_they_are_flows_of_its_own_run(refreshed: Workplace, prefect_api, flow):
    asked = {
        "flows": {"name": {"any_": ["daily_refresh"]}},
        "flow_runs": {"state": {"type": {"any_": ["COMPLETED"]}}},
    }
    [*_, refresh] = get_json(f"{prefect_api}/flow_runs/filter", asked)
    steps = get_json(
        f"{prefect_api}/flow_runs/filter",
        {
            "flows": {"name": {"any_": [flow]}},
            "flow_runs": {"parent_flow_run_id": {"any_": [refresh["id"]]}},
        },
    )
    assert [step["state"]["type"] for step in steps] == ["COMPLETED"]


def test_parameters_that_are_none_are_refused_before_there_is_a_run(tmp_path, refreshed: Workplace):
    environment = {k: v for k, v in refreshed.environment.items() if k != "PREFECT_API_URL"}
    place = Workplace(tmp_path, environment | {"ELENCO_PATHS__DATA": str(tmp_path / "data")})
    done = place.elenco("run", "daily_refresh", "--param", "people=-5")
    assert done.returncode == 1
    *_, line = done.stderr.splitlines()
    assert line == (
        "elenco: daily_refresh does not take these parameters: Validation failed for field "
        "'people'. Failure reason: -5 is less than the minimum of 2"
    )
    assert "Traceback" not in done.stderr
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []  # no server's database
