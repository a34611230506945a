import json
import shutil
from pathlib import Path

import pytest

from elenco.errors import ConfigError, ElencoError, Locked
from elenco.layout import Layout
from elenco.lock import hold
from elenco.registry import Registry
from elenco.rights.denylist import deny
from elenco.rights.purge import purge
from elenco.rights.removed import Removed
from elenco.storage import read_npz, write_bytes
from tests.small_data import (
    EMBEDDER,
    SmallData,
    add_version,
    build_version,
    killed_at_each_change,
    says,
    settings_of,
    tree,
)

TMDB = {"70707": "Ana", "12": "Bo"}
FOLDER = {"12": "Twelve", "Ann_Lee": "Ann Lee"}


def fill(root: Path, tmdb: bool = True, folder: bool = True) -> None:
    """Two sources with somebody of the same id, each with a photograph kept aside."""
    both = []
    if folder:
        both.append(SmallData(root, {"source": "folder", "folder": Path("/somewhere")}))
    if tmdb:
        both.append(SmallData(root))
    for data in both:
        own = TMDB if data.layout.source_id == "tmdb" else FOLDER
        for person, name in own.items():
            data.person(person, name)
            data.retire(person, f"old-{len(name)}", "2026-11-20")
        for entry in data.kept:
            entry["key"] += "t" if own is TMDB else "f"
        data.write()


@pytest.fixture
def root(tmp_path) -> Path:
    root = tmp_path / "place"
    fill(root)
    registry = Registry(layout(root).recogniser)
    for people, source in ((FOLDER, "folder"), (TMDB, "tmdb"), (TMDB, None), (FOLDER, None)):
        if people is FOLDER and source is None:
            people = {"Ann_Lee": "Ann Lee"}
        registry.promote(add_version(layout(root), people, source), "test")
    registry.promote("v000002", "test")
    build_version(layout(root).recogniser / ".candidate-t", TMDB, "tmdb")
    build_version(layout(root).recogniser / ".candidate-f", FOLDER, "folder")
    write_bytes(root / "data" / "state" / "prefect" / "prefect.db", b"pictures of faces")
    write_bytes(root / "data" / "demo" / "new-1.jpg", b"a picture of the demo")
    write_bytes(root / "data" / "images" / "train" / "77" / "left.jpg", b"left by a killed run")
    return root


def layout(root: Path) -> Layout:
    return Layout.of(settings_of(root))


def act(root: Path) -> Removed:
    return purge("tmdb", settings_of(root), layout(root))


def test_nothing_of_the_source_is_left_and_all_of_the_other(root, tmp_path):
    removed = act(root)
    assert removed == Removed(7, 6, 2, 6, 0, 3)
    never = tmp_path / "never"
    fill(never, tmdb=False)
    there, expected = tree(root / "data"), tree(never / "data")
    embeddings = [path for path in expected if "processed" in path]
    for path in embeddings:  # the other source's were written over by the last refresh
        assert len(read_npz(root / "data" / path)["keys"]) == 0
    assert there.keys() == expected.keys()
    for path in there.keys() - set(embeddings):
        assert there[path] == expected[path], path
    left = says(root, "70707", "Ana", "k0t")
    assert left == []
    assert [p.name for p in (root / "data" / "images" / "train").iterdir()] == list(FOLDER)


def test_versions_of_the_source_go_and_none_is_in_use(root):
    act(root)
    registry = Registry(layout(root).recogniser)
    assert registry.names() == ["v000001", "v000004"]
    assert registry.current_name() is None
    assert not (registry.root / "current").is_symlink()
    assert [p.name for p in registry.root.glob(".candidate-*")] == [".candidate-f"]
    lines = (registry.root / "promotions.jsonl").read_text().splitlines()
    log = [json.loads(line) for line in lines]
    events = [(e["event"], e["version"]) for e in log[-3:]]
    assert events == [
        ("taken out of use", "v000002"),
        ("removed", "v000002"),
        ("removed", "v000003"),
    ]
    registry.promote("v000001", "the one that is left")


def test_a_version_in_use_of_the_other_source_stays_in_use(root):
    Registry(layout(root).recogniser).promote("v000001", "test")
    act(root)
    assert Registry(layout(root).recogniser).current_name() == "v000001"


def test_every_folder_that_was_a_source_goes_together(root):
    more = SmallData(root, {"source": "folder", "folder": Path("/elsewhere")})
    more.person("Zoe", "Zoe")
    more.write()
    removed = purge("folder", settings_of(root), layout(root))
    assert removed.photographs == 10  # the one that nobody knows too
    assert [p.name for p in (root / "data" / "state").glob("*/")] == ["tmdb"]
    assert not says(root / "data", "Ann", "Zoe")
    assert (root / "data" / "demo").exists()


def test_the_last_source_takes_the_files_of_embeddings_with_it(root):
    act(root)
    purge("folder", settings_of(root), layout(root))
    assert tree(root / "data") == {}
    assert not layout(root).processed(EMBEDDER).exists()


def test_denylist_and_audit_stay_and_name_nobody(root):
    deny(layout(root), "70707")
    act(root)
    assert len(layout(root).denylist.read_text().splitlines()) == 1
    [line] = map(json.loads, layout(root).audit.read_text().splitlines())
    assert line.keys() == {
        "time", "action", "source", "photographs", "crops", "retired", "embeddings", "versions"
    }  # fmt: skip
    assert (line["action"], line["source"]) == ("purge", "tmdb")


def test_twice_is_as_once_and_an_empty_directory_will_do(root, tmp_path):
    act(root)
    before = tree(root)
    assert not act(root)
    assert tree(root) == before
    assert not act(tmp_path / "empty")


def test_killed_at_any_change_and_run_again_it_ends_the_same(root, tmp_path):
    expected_in = tmp_path / "expected"
    shutil.copytree(root, expected_in, symlinks=True)
    act(expected_in)
    expected = tree(expected_in)
    for killed in killed_at_each_change(root, act):
        act(killed)
        assert tree(killed) == expected
        assert Registry(layout(killed).recogniser).current_name() is None
        assert not list(killed.rglob(".tmp-*"))


def test_what_the_other_source_has_must_be_known(root):
    [record] = (root / "data" / "state").glob("folder-*/collect/000.json")
    record.write_text("{")
    before = tree(root)
    with pytest.raises(ElencoError, match="is not a stage record"):
        act(root)
    assert tree(root) == before


def test_an_own_record_that_cannot_be_read_is_no_hindrance(root):
    registry = Registry(layout(root).recogniser)
    registry.remove("v000003", "says nothing of its source")
    registry.remove("v000004", "says nothing of its source")
    layout(root).record("collect", 0).write_text("{")
    act(root)
    assert not layout(root).state.exists()


def test_no_such_source_and_a_refresh_at_work_are_refused(root):
    with pytest.raises(ConfigError, match="give tmdb or folder"):
        purge("imdb", settings_of(root), layout(root))
    with hold(settings_of(root)), pytest.raises(Locked):
        act(root)
