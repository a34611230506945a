import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from elenco import schema
from elenco.cli.main import app
from elenco.errors import ElencoError, Locked
from elenco.integrity import DIGESTS, verify_digests
from elenco.layout import Layout
from elenco.lock import HOLDER, hold, refresh_lock
from elenco.schema import SCHEMA, Unfinished, check_schema, interrupted, open_schema, restoring
from elenco.storage import read_json, write_json
from tests.small_data import SmallData, add_version, tree


@pytest.fixture
def data(tmp_path) -> SmallData:
    """A data directory as it was before there were schemas."""
    data = SmallData(tmp_path)
    data.person("1", "Ana")
    data.person("2", "Bo")
    data.write()
    add_version(data.layout, {"1": "Ana", "2": "Bo"})
    (data.layout.recogniser / "v000001" / DIGESTS).unlink(missing_ok=True)
    return data


def stamp(layout: Layout) -> Path:
    return layout.data / "state" / "schema.json"


def test_the_first_use_stamps_an_empty_directory(settings, layout):
    check_schema(layout)
    assert not layout.data.exists()
    with refresh_lock(settings):
        told = read_json(stamp(layout))
    assert told == {"schema": SCHEMA, "written_by": told["written_by"]}
    assert told["written_by"].startswith("elenco ")
    before = stamp(layout).stat().st_mtime_ns
    with refresh_lock(settings):
        pass
    assert stamp(layout).stat().st_mtime_ns == before


def test_what_prefect_and_the_lock_leave_is_no_state(layout):
    (layout.data / "state" / "prefect").mkdir(parents=True)
    (layout.data / "state" / "refresh.lock").touch()
    assert schema.schema_of(layout) is None


def test_a_directory_from_before_is_of_schema_0_and_keeps_all_it_has(data):
    before = tree(data.layout.data)
    assert schema.schema_of(data.layout) == 0
    check_schema(data.layout)  # who only reads may, and changes nothing
    assert tree(data.layout.data) == before
    with refresh_lock(data.settings):
        pass
    after = tree(data.layout.data)
    after.pop("state/schema.json", None)
    assert after == before
    assert schema.schema_of(data.layout) == 1
    verify_digests(data.layout.recogniser / "v000001")


def test_damage_is_no_other_form(data):
    data.layout.record("collect", 0).write_text("{")
    open_schema(data.layout)
    assert schema.schema_of(data.layout) == 1


def test_a_manifest_of_another_form_stays_as_it_is(data):
    path = data.layout.record("detect", 1)
    write_json(path, read_json(path) | {"vectors": []})
    with pytest.raises(ElencoError, match="has 'vectors', which this release does not know"):
        open_schema(data.layout)
    assert schema.schema_of(data.layout) == 0


def test_a_newer_directory_is_refused_by_readers_and_writers(data):
    write_json(stamp(data.layout), {"schema": SCHEMA + 1, "written_by": "elenco 9"})
    before = tree(data.layout.data)
    with pytest.raises(ElencoError, match=r"made by a newer release .*: upgrade Elenco"):
        check_schema(data.layout)
    with pytest.raises(ElencoError, match="upgrade"), refresh_lock(data.settings):
        pass
    assert tree(data.layout.data) == before


@pytest.mark.parametrize(
    "words",
    [
        ["verify"],
        ["recognise", "face.jpg"],
        ["evaluate"],
        ["curate", "list"],
        ["models", "list"],
        ["web", "--out", "page"],
        ["xray", "film.mp4", "--out", "who", "--everyone"],
    ],
)
def test_a_command_that_reads_refuses_a_newer_directory(data, words, tmp_path, monkeypatch):
    write_json(stamp(data.layout), {"schema": SCHEMA + 1, "written_by": "elenco 9"})
    monkeypatch.setenv("ELENCO_PATHS__DATA", str(data.layout.data))
    monkeypatch.setenv("ELENCO_PATHS__MODELS", str(data.layout.models))
    monkeypatch.chdir(tmp_path)
    for name in ("face.jpg", "film.mp4"):
        (tmp_path / name).touch()
    with pytest.raises(ElencoError, match="upgrade Elenco"):
        CliRunner().invoke(app, words, catch_exceptions=False)


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"schema": "1"}', '{"schema": true}'])
def test_a_stamp_that_cannot_be_read_is_not_guessed(data, content):
    stamp(data.layout).write_text(content)
    with pytest.raises(ElencoError, match="put it back from a backup"):
        open_schema(data.layout)


def test_steps_are_taken_in_order_and_one_that_fails_is_taken_again(data, monkeypatch):
    taken = []

    def step(number: int, fails: bool = False):
        def take(layout: Layout) -> None:
            taken.append(number)
            if fails:
                raise ElencoError("no")

        return take

    with pytest.raises(ElencoError, match="no"):
        open_schema(data.layout, {0: step(0), 1: step(1), 2: step(2, fails=True)})
    assert read_json(stamp(data.layout))["schema"] == 2
    # The release that knows three steps opens what the one before left half-way.
    monkeypatch.setattr(schema, "SCHEMA", 3)
    open_schema(data.layout, {0: step(0), 1: step(1), 2: step(2)})
    assert taken == [0, 1, 2, 2]
    assert read_json(stamp(data.layout))["schema"] == 3


def test_a_half_restored_directory_is_refused_until_it_is_whole(data):
    what = Unfinished("20261125T000000Z", {"audit.jsonl": [{"time": "x"}]})
    with pytest.raises(RuntimeError), restoring(data.layout, what):
        check_schema(data.layout)  # this process is the one that restores
        raise RuntimeError
    with pytest.raises(ElencoError, match="half restored: repeat"):
        check_schema(data.layout)
    with pytest.raises(ElencoError, match="half restored"), refresh_lock(data.settings):
        pass
    assert interrupted(data.layout) == what
    with restoring(data.layout, what):
        pass
    check_schema(data.layout)
    assert interrupted(data.layout) is None


def test_who_is_refused_is_told_who_holds_the_directory(settings, layout):
    with hold(settings):
        with (
            pytest.raises(Locked, match=r"process \d+ on .* since 20\d\d-.* works in"),
            hold(settings),
        ):
            pass
        (layout.data / "state" / HOLDER).write_text("{")
        with pytest.raises(Locked, match="another process works in"), hold(settings):
            pass
    assert not (layout.data / "state" / HOLDER).exists()
    with hold(settings):
        pass


def test_a_copy_of_a_stamped_directory_is_opened_where_it_lies(data, tmp_path):
    open_schema(data.layout)
    shutil.copytree(data.folder / "data", tmp_path / "copy" / "data")
    copied = SmallData(tmp_path / "copy")
    open_schema(copied.layout)
    assert schema.schema_of(copied.layout) == 1
