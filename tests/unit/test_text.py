"""Text that comes from outside."""

import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elenco.cli import recognise
from elenco.report.people import people_section
from elenco.sources.tmdb_answers import parse_person
from elenco.text import well_formed
from elenco.types import Listing, Person, StageReport
from elenco.xray.cast import read_cast


@given(st.text(st.characters(exclude_categories=())))
def test_utf_8_holds_what_is_well_formed_and_nothing_else_is_changed(text):
    found = well_formed(text)
    found.encode()
    assert len(found) == len(text)
    assert all(a == b or "\ud800" <= b <= "\udfff" for a, b in zip(found, text, strict=True))


def test_half_a_character_in_a_name_is_no_name_to_stumble_over(tmp_path):
    cast = tmp_path / "cast.json"
    cast.write_text('[{"name": "Ana", "character": "\\ud800x"}]')
    [role] = read_cast(cast).roles
    assert role.character == "\ufffdx"
    answer = {"name": "A\ud83d", "known_for_department": "Acting", "images": {"profiles": []}}
    assert parse_person(answer, "7", "h632").name == "A\ufffd"


@pytest.mark.parametrize("as_json", [True, False])
def test_a_picture_whose_name_is_no_utf_8_is_answered(
    tmp_path, monkeypatch, settings, capsys, as_json
):
    path = tmp_path / os.fsdecode(b"caf\xe9.jpg")
    monkeypatch.setattr(recognise, "load_settings", lambda _: settings)
    monkeypatch.setattr(recognise, "recognise_files", lambda paths, _: [(p, []) for p in paths])
    recognise.run([path], as_json, None)
    said = capsys.readouterr().out
    name = f"{tmp_path}/caf\ufffd.jpg"
    if as_json:
        assert json.loads(said) == [{"image": name, "faces": []}]
    else:
        assert said == f"{name}: no face\n"


def test_a_name_is_shown_as_it_is_in_a_report():
    came = [Person("<b>", "Ana [x](y) <img>\n# Bo", 1.0)]
    report = people_section(Listing("list.json", [came], came, [], 0, StageReport(1, 1)))
    assert "Ana \\[x\\](y) \\<img\\> \\# Bo (\\<b\\>)" in report
