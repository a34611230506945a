import json
import os
from pathlib import Path

import pytest

from elenco.pruning import prune
from elenco.registry import FILES, SHARED_FORM, Registry
from elenco.storage import write_json


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(tmp_path / "recogniser")


def form(registry: Registry, name: str) -> Path:
    """An embedder in TF.js form, which versions share."""
    folder = registry.root / f"{SHARED_FORM}{name}"
    if not folder.exists():
        folder.mkdir(parents=True)
        for file in ("model.json", "group1-shard1of1.bin"):
            (folder / file).write_text(f"{file} of {name}")
    return folder


def add(registry: Registry, count: int, embedder: str = "a") -> list[str]:
    return [registry.register(build(registry, embedder)) for _ in range(count)]


def build(registry: Registry, embedder: str) -> Path:
    built = registry.root / ".candidate-x"
    (built / "tfjs" / "embedder").mkdir(parents=True)
    for name in FILES:
        (built / name).write_text(name)
    write_json(built / "card.json", {"fingerprint": "f"})
    for file in form(registry, embedder).iterdir():
        os.link(file, built / "tfjs" / "embedder" / file.name)
    return built


def events(registry: Registry) -> list[tuple[str, str]]:
    lines = (registry.root / "promotions.jsonl").read_text().splitlines()
    return [(e["event"], e["version"]) for e in map(json.loads, lines)]


def test_the_newest_stay_and_the_log_says_what_went(registry):
    names = add(registry, 6)
    for name in names:
        registry.promote(name, "test")
    done = prune(registry, 4, names[-1])
    assert done.removed == ("v000001", "v000002")
    assert done.kept == tuple(registry.names()) == tuple(names[2:])
    assert sorted(done.kept + done.removed) == names
    assert events(registry)[-2:] == [("removed", "v000001"), ("removed", "v000002")]
    assert prune(registry, 4, names[-1]).removed == ()
    assert add(registry, 1) == ["v000007"]


def test_current_and_where_a_rollback_goes_stay_however_old(registry):
    names = add(registry, 8)
    for name in (names[1], names[3]):
        registry.promote(name, "test")
    for name in names[4:]:
        registry.decline(name, "worse")
    done = prune(registry, 2, names[-1])
    assert done.kept == ("v000002", "v000004", "v000007", "v000008")
    assert done.removed == ("v000001", "v000003", "v000005", "v000006")
    assert registry.rollback() == "v000002"
    assert prune(registry, 2, names[-1]).removed == ("v000004",)


def test_what_a_run_has_just_come_to_stays(registry):
    names = add(registry, 5)
    registry.promote(names[4], "test")
    assert prune(registry, 2, names[0]).kept == ("v000001", "v000004", "v000005")


def test_a_rollback_goes_past_what_was_removed(registry):
    names = add(registry, 5)
    for name in names:
        registry.promote(name, "test")
    assert registry.previous_name() == "v000004"
    registry.remove("v000004", "test")
    assert registry.previous_name() == "v000003"
    assert prune(registry, 2, names[-1]).kept == ("v000003", "v000005")


def test_without_a_version_in_use_the_newest_stay(registry):
    names = add(registry, 3)
    assert registry.previous_name() is None
    assert prune(registry, 2, names[-1]).kept == ("v000002", "v000003")


def test_versions_that_stay_keep_their_embedder_and_unused_ones_go(registry):
    names = add(registry, 2, "old") + add(registry, 3, "new")
    form(registry, "converted for nobody")
    done = prune(registry, 4, names[-1])
    assert (done.removed, done.forms) == (("v000001",), 1)
    assert {path.name for path in registry.root.glob(f"{SHARED_FORM}*")} == {
        ".tfjs-old",
        ".tfjs-new",
    }
    assert prune(registry, 3, names[-1]).forms == 1
    assert not (registry.root / ".tfjs-old").exists()
    for name in names[2:]:
        embedder = registry.root / name / "tfjs" / "embedder"
        assert (embedder / "model.json").read_text() == "model.json of new"


def test_a_candidate_s_embedder_stays(registry):
    names = add(registry, 2)
    build(registry, "candidate's")
    assert prune(registry, 2, names[-1]).forms == 0
