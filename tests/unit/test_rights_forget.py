import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from elenco.errors import ElencoError, Locked, RegistryError
from elenco.layout import Layout
from elenco.lock import hold
from elenco.records import Record
from elenco.registry import Registry
from elenco.rights import forget as module
from elenco.rights.denylist import denied, person_digest
from elenco.rights.forget import forget, lift
from elenco.rights.removed import Removed
from elenco.storage import read_json, read_npz, write_json
from elenco.types import SPLITS
from tests.small_data import (
    EMBEDDER,
    SHARDS,
    SmallData,
    add_version,
    build_version,
    killed_at_each_change,
    says,
    settings_of,
    tree,
)

ANA, BO, CY = "70707", "12", "9"
PEOPLE = {ANA: "Ana Extraordinarily Long", BO: "Bo", CY: "Cy"}


def fill(folder: Path, *but: str) -> SmallData:
    """Three people's photographs, one retired of the first."""
    data = SmallData(folder)
    for person, name in PEOPLE.items():
        if person not in but:
            data.person(person, name)
    if ANA not in but:
        data.retire(ANA, "old", "2026-11-20")
    data.write()
    return data


def add_models(layout: Layout) -> None:
    """v1 of Bo and Cy, v2 of all, v3 of all in use, and a candidate."""
    registry = Registry(layout.recogniser)
    rest = {BO: "Bo", CY: "Cy"}
    for people in (rest, PEOPLE, PEOPLE):
        registry.promote(add_version(layout, people), "test")
    build_version(layout.recogniser / ".candidate-abc", PEOPLE, "tmdb")
    (layout.state.parent / "prefect" / "results").mkdir(parents=True)
    (layout.state.parent / "prefect" / "prefect.db").write_text("Ana Extraordinarily Long's face")
    (layout.state.parent / "prefect" / "results" / "x").write_text("a reference")


@pytest.fixture
def data(tmp_path) -> SmallData:
    data = fill(tmp_path / "place")
    add_models(data.layout)
    return data


def test_nothing_of_the_person_is_left_and_all_of_the_others(data, tmp_path):
    done = forget("ana  extraordinarily LONG", data.settings, data.layout)
    # Entries: 3 kept, 1 retired, 1 skipped, 1 note; 3 of detect; 1 answer; 3 lists.
    assert done.removed == Removed(3, 3, 1, 3, 6 + 3 + 1 + 3, 2)
    assert (done.person_id, done.withdrawn) == (ANA, "v000003")
    left = says(data.folder, ANA, "Ana ")
    assert all(path.startswith("models/recogniser/v000003/") for path in left), left
    never = fill(tmp_path / "never" / "place", ANA)
    there, expected = tree(data.folder / "data"), tree(never.folder / "data")
    # Shards name the record that they were made from, and the lists keep their ranks.
    for path in list(there):
        if "/people/" in path or "shard-" in path or "/prefect/" in path:
            there.pop(path), expected.pop(path, None)
        elif "/detect/" in path:
            assert json.loads(there.pop(path))["kept"] == json.loads(expected.pop(path))["kept"]
    assert there == expected
    folders = [p for p in data.layout.data.rglob("*") if p.is_dir() and p.name == ANA]
    assert folders == []


def test_the_embeddings_are_those_of_a_data_set_without_the_person(data, tmp_path):
    forget(ANA, data.settings, data.layout)
    never = fill(tmp_path / "never", ANA).layout
    mine = data.layout
    paths = [(mine.joined(EMBEDDER, s), never.joined(EMBEDDER, s)) for s in SPLITS]
    paths += [(mine.shard_npz(EMBEDDER, n), never.shard_npz(EMBEDDER, n)) for n in range(SHARDS)]
    for path, same in paths:
        with np.load(path, allow_pickle=False) as file:
            rows = {name: file[name] for name in file.files}
        expected = read_npz(same)
        assert rows.keys() == expected.keys()
        for name in rows.keys() - {"meta"}:
            assert rows[name].dtype == expected[name].dtype, (path, name)
            assert (rows[name] == expected[name]).all(), (path, name)


def test_lists_keep_everybody_elses_rank_and_records_stay_complete(data):
    forget(BO, data.settings, data.layout)
    for path in data.layout.people.iterdir():
        people = read_json(path)["people"]
        assert [(p["id"], p["rank"]) for p in people] == [(ANA, 1), (CY, 3)]
    for stage in ("collect", "detect"):
        records = [Record.read(data.layout.record(stage, n)) for n in range(SHARDS)]
        assert all(record is not None and record.complete for record in records)


def test_versions_that_know_the_person_go_and_the_one_in_use_is_withdrawn(data):
    forget(ANA, data.settings, data.layout)
    registry = Registry(data.layout.recogniser)
    assert registry.names() == ["v000001", "v000003"]
    assert registry.current_name() == "v000003"
    assert [v.line().endswith("withdrawn") for v in registry.list_versions()] == [False, True]
    assert not list(data.layout.recogniser.glob(".candidate-*"))
    with pytest.raises(RegistryError, match="withdrawn"):
        registry.promote("v000003", "test")
    assert registry.rollback() == "v000001"
    assert registry.names() == ["v000001"]


def test_a_version_of_another_source_with_the_same_id_stays(data):
    name = add_version(data.layout, {ANA: "A folder"}, "folder")
    silent = add_version(data.layout, {ANA: "No word of where from"}, None)
    damaged = add_version(data.layout, {CY: "Cy"})
    (data.layout.recogniser / damaged / "labels.json").write_text("{")
    forget(ANA, data.settings, data.layout)
    names = Registry(data.layout.recogniser).names()
    assert name in names
    assert silent not in names
    assert damaged not in names  # nobody can say whom it knows


def test_denylist_and_audit_have_no_name_no_id_and_no_path(data):
    forget(ANA, data.settings, data.layout)
    assert ANA in denied(data.layout)
    assert BO not in denied(data.layout)
    [entry] = map(json.loads, data.layout.denylist.read_text().splitlines())
    assert entry.keys() == {"digest", "added"}
    [line] = map(json.loads, data.layout.audit.read_text().splitlines())
    assert line.pop("time").endswith("+00:00")
    assert line == {
        "action": "forget",
        "source": "tmdb",
        "person": person_digest("tmdb", ANA),
        "photographs": 3,
        "crops": 3,
        "retired": 1,
        "embeddings": 3,
        "entries": 13,
        "versions": 2,
    }
    text = data.layout.denylist.read_text() + data.layout.audit.read_text()
    for word in (ANA, "Ana", "k0", "images", str(data.folder)):
        assert word not in text.replace(person_digest("tmdb", ANA), "")


def test_local_reports_go_and_stored_references_stay(data):
    forget(ANA, data.settings, data.layout)
    home = data.layout.state.parent / "prefect"
    assert tree(home) == {"results/x": b"a reference"}


def test_twice_is_as_once(data):
    forget(ANA, data.settings, data.layout)
    before = tree(data.folder)
    done = forget(ANA, data.settings, data.layout)
    assert tree(data.folder) == before
    assert not done.removed
    assert len(data.layout.denylist.read_text().splitlines()) == 1


def test_killed_at_any_change_and_run_again_it_ends_the_same(data, tmp_path):
    start = data.folder.rename(tmp_path / "start")
    expected_in = tmp_path / "expected"
    shutil.copytree(start, expected_in, symlinks=True)
    act(expected_in)
    expected = tree(expected_in)
    changes = 0
    for root in killed_at_each_change(start, act):
        changes += 1
        for path in (root / "data" / "processed").rglob("[!.]*.npz"):
            read_npz(path)
        act(root)
        assert tree(root) == expected, changes
        layout = Layout.of(settings_of(root))
        assert ANA in denied(layout)
        assert layout.audit.exists()
        assert Registry(layout.recogniser).withdrawn("v000003")
        assert not list(root.rglob(".tmp-*"))
    assert changes > 40


def act(root: Path) -> None:
    settings = settings_of(root)
    forget(ANA, settings, Layout.of(settings))


@pytest.mark.parametrize("fails", ["erase", "_forget_versions", "leave_lists"])
def test_interrupted_by_an_error_the_person_is_denied_and_the_name_still_works(
    data, monkeypatch, fails
):
    def fail(*_):
        raise OSError("no disk")

    with monkeypatch.context() as patch:
        patch.setattr(module, fails, fail)
        with pytest.raises(OSError, match="no disk"):
            forget(PEOPLE[ANA], data.settings, data.layout)
    assert ANA in denied(data.layout)
    assert forget(PEOPLE[ANA], data.settings, data.layout).person_id == ANA
    assert not list(data.layout.data.rglob(ANA))


def test_a_refresh_at_work_is_waited_for(data):
    with hold(data.settings), pytest.raises(Locked):
        forget(ANA, data.settings, data.layout)
    assert not data.layout.denylist.exists()


def test_two_of_one_name_are_told_apart_by_their_ids(data):
    newest = data.layout.people / "2026-11-24-2.json"
    value = read_json(newest)
    value["people"].append({"rank": 4, "id": "31", "name": "BO", "popularity": 0.1})
    write_json(newest, value)
    with pytest.raises(ElencoError, match=r"2 people are called bo: give 12 or 31$"):
        forget("bo", data.settings, data.layout)
    assert forget("31", data.settings, data.layout).person_id == "31"


def test_a_name_that_nobody_has_is_refused_with_those_like_it(data):
    with pytest.raises(ElencoError, match=r"TMDB number.*did you mean 70707 \(Ana Extra.*\)\?$"):
        forget("Ana Extraordinary Long", data.settings, data.layout)
    with pytest.raises(ElencoError, match="nobody here is called 'zzz'"):
        forget("zzz", data.settings, data.layout)
    for odd in ("..", "", "a/b", "007", "x\0y"):
        with pytest.raises(ElencoError, match="nobody here"):
            forget(odd, data.settings, data.layout)
    assert not data.layout.denylist.exists()


def test_a_name_of_an_older_list_is_found_too(data):
    for path in data.layout.people.glob("2026-11-24*"):
        value = read_json(path)
        write_json(path, value | {"people": value["people"][1:]})
    (data.layout.recogniser / "current").unlink()
    assert forget("Ana Extraordinarily Long", data.settings, data.layout).person_id == ANA


def test_a_number_that_nobody_has_is_denied_and_deletes_nothing(data):
    before = tree(data.folder / "data")
    registry = Registry(data.layout.recogniser).names()
    done = forget("4711", data.settings, data.layout)
    assert "4711" in denied(data.layout)
    assert done.withdrawn is None
    assert tree(data.folder / "data") == before
    assert Registry(data.layout.recogniser).names() == registry


def test_an_empty_directory_will_do(tmp_path):
    settings = settings_of(tmp_path)
    done = forget("4711", settings, Layout.of(settings))
    assert not done.removed
    assert "4711" in denied(Layout.of(settings))


def test_sources_of_one_kind_forget_together_and_of_another_kind_not(tmp_path):
    tmdb = SmallData(tmp_path)
    tmdb.person("12", "Bo")
    tmdb.write()
    here = SmallData(tmp_path, {"source": "folder", "folder": tmp_path / "here"})
    there = SmallData(tmp_path, {"source": "folder", "folder": tmp_path / "there"})
    for folder, key in ((here, "h"), (there, "t")):
        folder.names["12"] = "12"
        folder.kept.append(folder._entry("12", key, "train"))
        folder.write()
    done = forget("12", here.settings, here.layout)
    assert done.removed.photographs == 2
    images = {p.name for p in (tmp_path / "data" / "images").rglob("*.jpg")}
    assert images == {"k0.jpg", "k1.jpg", "k2.jpg"}
    record = Record.read(tmdb.layout.record("collect", 0)) or Record("", "")
    other = Record.read(tmdb.layout.record("collect", 1)) or Record("", "")
    assert len(record.kept) + len(other.kept) == 3
    assert "12" in denied(there.layout)
    assert "12" not in denied(tmdb.layout)


def test_a_folder_nobody_has_is_refused_unless_it_is_denied_already(tmp_path):
    folder = SmallData(tmp_path, {"source": "folder", "folder": tmp_path / "here"})
    folder.person("Ann_Lee", "Ann Lee")
    folder.write()
    with pytest.raises(ElencoError, match="the name of their folder"):
        forget("123", folder.settings, folder.layout)
    assert forget("Ann_Lee", folder.settings, folder.layout).removed.photographs == 3
    assert forget("Ann_Lee", folder.settings, folder.layout).person_id == "Ann_Lee"
    assert not says(tmp_path / "data", "Ann")


def test_damaged_embeddings_are_deleted_and_a_damaged_record_is_named(data):
    data.layout.shard_npz(EMBEDDER, 0).write_bytes(b"PK cut")
    record = data.layout.record("collect", 1)
    good = record.read_bytes()
    record.write_text("{")
    with pytest.raises(ElencoError, match=r"001.json is not a stage record.*same command again"):
        forget(ANA, data.settings, data.layout)
    record.write_bytes(good)
    forget(ANA, data.settings, data.layout)
    assert not data.layout.shard_npz(EMBEDDER, 0).exists()
    assert not says(data.folder / "data", ANA)


def test_lifted_they_may_come_back(data):
    forget(ANA, data.settings, data.layout)
    forget(BO, data.settings, data.layout)
    assert lift(PEOPLE[ANA], data.settings, data.layout) == ANA
    assert ANA not in denied(data.layout)
    assert BO in denied(data.layout)
    with pytest.raises(ElencoError, match=r"^9 is not on the denylist"):
        lift("Cy", data.settings, data.layout)
    actions = [json.loads(line)["action"] for line in data.layout.audit.read_text().splitlines()]
    assert actions == ["forget", "forget", "allow"]


def test_a_damaged_denylist_lets_nobody_back(data):
    forget(ANA, data.settings, data.layout)
    data.layout.denylist.write_text("garbage\n" + data.layout.denylist.read_text())
    with pytest.raises(ElencoError, match=r"line 1, .*from a backup"):
        denied(data.layout)
    data.layout.denylist.write_text('{"digest": 7}\n')
    with pytest.raises(ElencoError, match=r"line 1, has no digest: .*from a backup"):
        denied(data.layout)
