"""Shards: who is in which, and moving what is known when there are to be more or fewer."""

import os
import shutil
from itertools import cycle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elenco.records import Record, image_id
from elenco.sources.shards import reshard, shard_of, shards_of
from elenco.storage import read_json, remove_leftovers, write_json
from elenco.types import Person, Skipped

PEOPLE = [str(number) for number in range(20)]


@given(st.lists(st.integers(0, 10**6).map(str), unique=True, max_size=60), st.integers(1, 1024))
def test_everybody_is_in_one_shard_whoever_else_is_there(ids, shards):
    people = [Person(i, "") for i in ids]
    parts = shards_of(people, shards)
    assert len(parts) == shards
    assert sorted(p.id for part in parts for p in part) == sorted(ids)
    for number, part in enumerate(parts):
        assert [shard_of(p.id, shards) for p in part] == [number] * len(part)
        assert part == [p for p in people if p in part]


def test_shards_are_about_equally_full():
    sizes = [len(part) for part in shards_of([Person(str(n), "") for n in range(6400)], 64)]
    assert 60 < min(sizes) <= max(sizes) < 150


def entry(person_id, key, **more):
    return {"person_id": person_id, "key": key, "split": "train", **more}


def fill(layout, shards, version="v", people=PEOPLE):
    """Records and answers as so many shards have them."""
    for number, part in enumerate(shards_of([Person(i, "") for i in people], shards)):
        ids = [person.id for person in part]
        for stage in ("collect", "detect"):
            Record(
                stage,
                version,
                "inputs",
                True,
                kept=[entry(i, key) for i in ids for key in "ab"],
                skipped=[Skipped(f"{i}/c", "gone") for i in ids] + [Skipped(i, "x") for i in ids],
                notes={f"{i}/c": {"reason": "gone"} for i in ids},
                retired=[entry(i, "d", why="left") for i in ids] if stage == "collect" else [],
            ).save(layout.record(stage, number))
        told = {i: {"epoch": int(i) % 3, "name": f"P{i}"} for i in ids}
        write_json(layout.answers(number), {"version": version, "people": told})
    write_json(layout.state / "shards.json", {"shards": shards})


def known(layout, shards):
    """Everything in the files, checked to be in the shards where it belongs and once only."""
    found = {}
    for stage in ("collect", "detect"):
        paths = {layout.record(stage, number): number for number in range(shards)}
        there = set(layout.record(stage, 0).parent.glob("*.json"))
        assert there <= paths.keys()
        entries = []
        for path in sorted(there):
            record = Record.read(path)
            assert record is not None
            lists = (("kept", record.kept), ("retired", record.retired))
            part = [(k, image_id(e["person_id"], e["key"]), str(e)) for k, es in lists for e in es]
            part += [("skipped", skip.id, str(skip)) for skip in record.skipped]
            part += [("notes", name, str(note)) for name, note in record.notes.items()]
            for _, name, _ in part:
                assert shard_of(name.split("/")[0], shards) == paths[path]
            entries += part
        assert len(set(entries)) == len(entries)
        found[stage] = sorted(entries)
    answers = {}
    for number in range(shards):
        if layout.answers(number).exists():
            people = read_json(layout.answers(number))["people"]
            assert {shard_of(i, shards) for i in people} <= {number}
            assert not answers.keys() & people.keys()
            answers |= people
    assert set(layout.answers(0).parent.glob("*.json")) <= {
        layout.answers(number) for number in range(shards)
    }
    return found | {"answers": answers}


@pytest.mark.parametrize(("before", "after"), [(4, 2), (2, 4), (4, 7), (3, 64), (64, 1), (1, 2)])
def test_records_and_answers_go_along(layout, before, after):
    fill(layout, before)
    expected = known(layout, before)
    assert len(expected["collect"]) == 6 * len(PEOPLE)
    assert reshard(layout, after)
    assert known(layout, after) == expected
    assert not reshard(layout, after)
    assert reshard(layout, before)
    assert known(layout, before) == expected


def test_the_first_number_of_shards_is_only_noted(layout):
    assert not reshard(layout, 8)
    assert not reshard(layout, 8)
    assert read_json(layout.state / "shards.json") == {"shards": 8}
    assert reshard(layout, 4)
    assert read_json(layout.state / "shards.json") == {"shards": 4}


def test_records_are_not_complete_for_the_new_shards(layout):
    fill(layout, 4)
    reshard(layout, 2)
    for number in range(2):
        record = Record.read(layout.record("collect", number))
        assert record is not None
        assert (record.complete, record.inputs, record.version) == (False, "", "v")


def test_answers_for_photographs_of_another_size_do_not_become_ones_of_this(layout):
    fill(layout, 2, "1 h632")
    old = read_json(layout.answers(0))
    write_json(layout.answers(0), old | {"version": "1 w185"})
    reshard(layout, 1)
    found = read_json(layout.answers(0))
    assert found["version"] == "1 h632"
    assert not found["people"].keys() & old["people"].keys()
    assert found["people"]


class KilledError(BaseException):
    pass


class Killer:
    """Ends the process, as it were, before the nth change on the disk."""

    def __init__(self, monkeypatch, after):
        self.left = after
        replace, unlink = os.replace, Path.unlink

        def watched(function):
            def change(*args, **options):
                if self.left == 0:
                    raise KilledError
                self.left -= 1
                return function(*args, **options)

            return change

        monkeypatch.setattr(os, "replace", watched(replace))
        monkeypatch.setattr(Path, "unlink", watched(unlink))


@pytest.mark.parametrize(("before", "after"), [(4, 2), (2, 4), (3, 5)])
def test_killed_at_any_moment_it_loses_nothing(layout, monkeypatch, before, after):
    """Whether it is to be as many shards then, or as before, or others."""
    monkeypatch.setattr(os, "fsync", lambda handle: None)
    fill(layout, before)
    expected = known(layout, before)
    for moment, target in enumerate(cycle([after, before, 1])):
        with monkeypatch.context() as patch:
            killer = Killer(patch, moment)
            try:
                reshard(layout, after)
            except KilledError:
                pass
            else:
                assert killer.left >= 0
                break
        remove_leftovers(layout.data)
        reshard(layout, target)
        assert known(layout, target) == expected
        assert not reshard(layout, target)
        shutil.rmtree(layout.state)
        fill(layout, before)
    assert moment > 10
