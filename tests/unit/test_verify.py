import os
from pathlib import Path

import pytest

from elenco.records import Record
from elenco.storage import write_bytes, write_json
from elenco.verify import Problem, verify
from tests.small_data import SmallData


@pytest.fixture
def data(tmp_path) -> SmallData:
    data = SmallData(tmp_path)
    data.person("1", "Ana")
    data.person("2", "Bo")
    data.retire("2", "old", "2026-11-20")
    data.write()
    return data


def found(data: SmallData) -> list[tuple[str, str]]:
    return [(problem.kind, problem.path) for problem in verify(data.layout)]


def test_what_is_as_it_was_stored_is_no_problem(data):
    counted = []
    assert verify(data.layout, counted.append) == []
    assert sum(counted) == 7


def test_an_empty_directory_is_no_problem(layout):
    assert verify(layout) == []


def test_missing_and_changed_photographs_are_found_kept_and_retired(data):
    data.layout.image("train", "1", "k0").unlink()
    data.layout.image("test", "1", "k2").write_bytes(b"other bytes")
    data.layout.retired("2", "old").write_bytes(b"")
    assert sorted(found(data)) == [
        ("changed", "images/test/1/k2.jpg"),
        ("changed", "retired/2/old.jpg"),
        ("missing", "images/train/1/k0.jpg"),
    ]
    data.layout.retired("2", "old").unlink()
    assert ("missing", "retired/2/old.jpg") in found(data)


def test_a_photograph_in_the_wrong_split_is_missing_here_and_stray_there(data):
    path = data.layout.image("train", "1", "k0")
    path.rename(data.layout.image("test", "1", "k0"))
    assert found(data) == [("missing", "images/train/1/k0.jpg"), ("stray", "images/test/1/k0.jpg")]


def test_strays_are_found_wherever_they_lie_and_faces_are_none(data):
    folder = data.layout.data
    for path in ("images/train/9/x.jpg", "images/notes.txt", "retired/2/more/y.jpg"):
        write_bytes(folder / path, b"x")
    write_bytes(folder / "output/train/9/x.jpg", b"x")
    write_bytes(folder / "README.md", b"x")
    assert sorted(found(data)) == [
        ("stray", "images/notes.txt"),
        ("stray", "images/train/9/x.jpg"),
        ("stray", "retired/2/more/y.jpg"),
    ]


def test_leftovers_of_killed_runs_are_found_anywhere(data):
    folder = data.layout.data
    for path in ("images/train/1/.tmp-a", "state/tmdb/collect/.tmp-b", "processed/.tmp-c/x.npz"):
        write_bytes(folder / path, b"half")
    assert sorted(found(data)) == [
        ("leftover", "images/train/1/.tmp-a"),
        ("leftover", "processed/.tmp-c"),
        ("leftover", "state/tmdb/collect/.tmp-b"),
    ]


@pytest.mark.parametrize("content", [b"{", b"[]", b"\xff\xfe", b'{"kept": 1}'])
def test_a_manifest_that_cannot_be_read_is_found_and_the_others_are_used(data, content):
    path = data.layout.record("collect", 0)
    record = Record.read(path)
    assert record is not None
    path.write_bytes(content)
    problems = verify(data.layout)
    assert (problems[0].kind, problems[0].path) == ("unreadable", "state/tmdb/collect/000.json")
    assert {problem.kind for problem in problems[1:]} <= {"stray"}
    assert len(problems) == 1 + len(record.kept) + len(record.retired)


def test_an_entry_that_names_no_file_makes_its_manifest_unreadable(data):
    path = data.layout.record("collect", 0)
    for entry in ({"person_id": "1"}, {"person_id": "..", "key": "x", "split": "train"}):
        record = Record("collect", "1", complete=True, kept=[entry | {"sha256": ""}])
        write_json(path, vars(record))
        assert verify(data.layout)[0].kind == "unreadable"


def test_a_manifest_that_was_not_finished_is_found_and_its_photographs_checked(data):
    for path in data.layout.record("collect", 0).parent.glob("*.json"):
        record = Record.read(path)
        assert record is not None
        record.complete = False
        record.save(path)
    data.layout.image("train", "1", "k0").unlink()
    kinds = [kind for kind, _ in found(data)]
    assert sorted(kinds) == ["incomplete", "incomplete", "missing"]


def test_a_file_that_may_not_be_read_is_said_to_be(data, monkeypatch):
    path = data.layout.image("train", "1", "k0")
    path.unlink()
    path.mkdir()
    assert found(data)[0] == ("unreadable", "images/train/1/k0.jpg")


def test_all_sources_are_checked_together(data):
    folder = SmallData(data.folder, {"source": "folder", "folder": Path("/somewhere")})
    folder.person("Zoe", "Zoe")
    folder.write()
    assert verify(data.layout) == verify(folder.layout) == []
    folder.layout.image("train", "Zoe", "k0").unlink()
    assert found(data) == [("missing", "images/train/Zoe/k0.jpg")]


def test_a_line_says_what_where_and_what_to_do():
    problem = Problem("changed", "images/train/1/k0.jpg", "detail")
    assert problem.line() == (
        "changed: images/train/1/k0.jpg: not the bytes that were stored: delete it and run "
        "`elenco refresh` (detail)"
    )


def test_dates_play_no_part(data):
    os.utime(data.layout.image("train", "1", "k0"), (1, 1))
    assert verify(data.layout) == []
