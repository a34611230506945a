import json
import os
import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from elenco.layout import Layout
from elenco.report.retention import retention_report
from elenco.rights.places import records
from elenco.rights.removed import Removed
from elenco.rights.retention import enforce_retention, expire
from elenco.settings import Retention
from elenco.storage import read_json, read_npz, write_json
from elenco.types import SPLITS
from tests.small_data import (
    EMBEDDER,
    NOW,
    SmallData,
    killed_at_each_change,
    settings_of,
    tree,
)


def ago(days: float) -> str:
    return (NOW - timedelta(days=days)).isoformat()


def fill(root: Path, **collect) -> SmallData:
    """Ana's photographs are too old, Bo's are not; some of both were retired."""
    data = SmallData(root, collect)
    data.person("1", "Ana", fetched_at=ago(180))
    data.person("2", "Bo", fetched_at=ago(179.9))
    data.retire("1", "old", "2026-11-20", fetched_at=ago(181))
    data.retire("2", "long", "2026-10-25", fetched_at=ago(90))
    data.retire("2", "short", "2026-10-26", fetched_at=ago(90))
    data.write()
    return data


@pytest.fixture
def data(tmp_path) -> SmallData:
    return fill(tmp_path / "place")


def act(root: Path) -> Removed:
    settings = settings_of(root)
    return enforce_retention(settings, Layout.of(settings), NOW)


def names(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*.jpg")}


def test_what_is_too_old_goes_with_its_faces_and_embeddings(data):
    assert act(data.folder) == Removed(3, 3, 2, 3, 5 + 3)
    bo = {"train/2/k0.jpg", "train/2/k1.jpg", "test/2/k2.jpg"}
    assert names(data.layout.data / "images") == names(data.layout.data / "output") == bo
    assert names(data.layout.data / "retired") == {"2/short.jpg"}
    assert not list(data.layout.data.rglob("1"))
    for split in SPLITS:
        rows = read_npz(data.layout.joined(EMBEDDER, split))
        assert rows["people"].tolist() == ["2"]
        assert set(rows["person_ids"].tolist()) == {"2"}
    shards = sorted(data.layout.processed(EMBEDDER).glob("shard-*"))
    assert sum(len(read_npz(path)["keys"]) for path in shards) == 3


def test_what_was_said_of_people_goes_too(data):
    path = next(p for p in data.layout.answers(0).parent.iterdir() if read_json(p)["people"])
    raw = read_json(path)
    for days, person in enumerate(("4", "5", "6"), 179):
        raw["people"][person] = {"name": "N", "asked": ago(days)[:10]}
    write_json(path, raw | {"people": raw["people"] | {"7": {"name": "Without a date"}}})
    assert act(data.folder) == Removed(3, 3, 2, 3, 5 + 3 + 3)
    assert read_json(path)["people"].keys() - {"1", "2"} == {"4"}
    assert act(data.folder) == Removed()


def test_kept_and_skipped_are_still_what_was_given(data):
    before = [r for _, r in records("collect", data.layout)]
    given = sum(len(r.kept) + len(r.skipped) for r in before)
    act(data.folder)
    after = [r for _, r in records("collect", data.layout)]
    assert sum(len(r.kept) + len(r.skipped) for r in after) == given
    skipped = {s.id: s.reason for record in after for s in record.skipped}
    assert [skipped[f"1/k{n}"] for n in range(3)] == ["expired"] * 3
    assert "1/old" not in skipped
    detected = [r for _, r in records("detect", data.layout)]
    kept = sum(len(r.kept) for r in after)
    assert sum(len(r.kept) + len(r.skipped) for r in detected) == kept == 3
    assert all(record.complete for record in (*after, *detected))


def test_the_audit_counts_and_nothing_is_noted_where_nothing_went(data):
    act(data.folder)
    act(data.folder)
    [line] = map(json.loads, data.layout.audit.read_text().splitlines())
    del line["time"]
    assert line == {
        "action": "expire",
        "source": "tmdb",
        "photographs": 3,
        "crops": 3,
        "retired": 2,
        "embeddings": 3,
        "entries": 8,
    }


def test_a_folders_photographs_stay_and_its_retired_ones_go(tmp_path):
    folder = fill(tmp_path, source="folder", folder=tmp_path / "photos")
    assert act(tmp_path) == Removed(retired=1, entries=1)
    assert len(names(folder.layout.data / "images")) == 6
    assert names(folder.layout.data / "retired") == {"1/old.jpg", "2/short.jpg"}


def test_all_sources_are_looked_at_whichever_is_set(data):
    folder = SmallData(data.folder, {"source": "folder", "folder": data.folder})
    assert enforce_retention(folder.settings, folder.layout, NOW).photographs == 3


def test_a_record_in_memory_loses_what_is_deleted(data):
    [record] = [
        record
        for _, record in records("collect", data.layout)
        if any(entry["person_id"] == "1" for entry in record.kept)
    ]
    removed = expire(record, data.layout, data.settings, NOW)
    assert (removed.photographs, removed.crops, removed.retired) == (3, 3, 2)
    assert {e["person_id"] for e in record.kept} <= {"2"}
    assert not list((data.layout.data / "images").rglob("1"))
    assert len(data.layout.audit.read_text().splitlines()) == 1
    again = expire(record, data.layout, data.settings, NOW)
    assert not again


def test_the_date_of_the_file_is_taken_where_the_record_has_none(data):
    data.kept = [{k: v for k, v in entry.items() if k != "origin"} for entry in data.kept]
    data.write()
    old, gone = data.layout.image("train", "2", "k0"), data.layout.image("train", "2", "k1")
    os.utime(old, times=(0, (NOW - timedelta(days=200)).timestamp()))
    gone.unlink()
    for path in (data.layout.image("test", "2", "k2"), *data.layout.data.glob("images/*/1/*")):
        os.utime(path, times=(0, (NOW - timedelta(days=9)).timestamp()))
    assert act(data.folder).photographs == 1
    assert not old.exists()
    left = [(e["person_id"], e["key"]) for _, r in records("collect", data.layout) for e in r.kept]
    assert sorted(left) == [("1", "k0"), ("1", "k1"), ("1", "k2"), ("2", "k2")]


def test_a_retired_photograph_that_is_listed_again_stays(data):
    data.retire("2", "k0", "2026-01-01", fetched_at=ago(90))
    data.write()
    act(data.folder)
    assert data.layout.image("train", "2", "k0").exists()
    assert data.layout.crop("train", "2", "k0").exists()
    assert not data.layout.retired("2", "k0").exists()
    keys = read_npz(data.layout.joined(EMBEDDER, "train"))["keys"].tolist()
    assert "k0" in keys


@pytest.mark.parametrize(("days", "left"), [(0, 0), (1, 1)])
def test_zero_days_aside_is_none(tmp_path, days, left):
    data = SmallData(tmp_path)
    data.person("2", "Bo")
    data.retire("2", "old", NOW.date().isoformat())
    data.write()
    retention = Retention(retired_days=days)
    settings = data.settings.model_copy(update={"retention": retention})
    enforce_retention(settings, data.layout, NOW)
    assert len(names(data.layout.data / "retired")) == left


def test_killed_at_any_change_and_run_again_it_ends_the_same(data, tmp_path):
    expected_in = tmp_path / "expected"
    shutil.copytree(data.folder, expected_in)
    act(expected_in)
    expected = tree(expected_in)
    for killed in killed_at_each_change(data.folder, act):
        for path in sorted(killed.rglob(".tmp-*")):  # the lock's holder deletes them first
            path.unlink()
        act(killed)
        assert tree(killed) == expected


def test_an_empty_directory_will_do(settings, layout):
    assert not enforce_retention(settings, layout)
    assert not layout.audit.exists()


def test_the_report_has_the_limits_and_the_counts():
    retention = Retention()
    text = retention_report(Removed(1234, crops=2).counts(), retention)
    for words in ("180 days", "30 days", "| photographs | 1,234 |", "| crops | 2 |"):
        assert words in text
    assert "retired |" not in text
    assert "Nothing was older" in retention_report({}, retention)


def test_counts_in_words():
    assert Removed(1, 1, 1, 1, 1, 1).line() == (
        "1 photograph, 1 crop, 1 photograph kept aside, 1 embedding, 1 entry of a record, 1 version"
    )
    assert Removed(photographs=1200, retired=2).line() == (
        "1,200 photographs, 2 photographs kept aside"
    )
    assert Removed().line() == "nothing"
