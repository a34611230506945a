import json

import pytest
from pydantic import ValidationError

from elenco.errors import UnexpectedAnswer
from elenco.xray.files import SCHEMA, json_schema, read_xray, write_xray
from elenco.xray.types import Box, Count, Track, XRay
from tests.xray_document import document


def example() -> XRay:
    return document(
        [], duration=2.0, size=(64, 48), scenes=((0.0, 2.0),), tracks=[track().model_dump()]
    )


def track(**changes) -> Track:
    value = {
        "id": 0,
        "shot": 0,
        "start": 0.0,
        "end": 1.0,
        "person": "p1",
        "unknown": None,
        "confidence": 0.9,
        "candidates": [],
        "quality": 0.5,
        "boxes": [(0.0, 0.1, 0.2, 0.3, 0.4)],
    }
    return Track.model_validate(value | changes)


def test_the_schema_is_that_of_the_types():
    assert json.loads(SCHEMA.read_text()) == json_schema()


def test_every_attribute_is_described_or_says_what_it_is():
    definitions = json_schema()["$defs"]
    assert all(definition.get("description") for definition in definitions.values())


def test_what_is_written_is_read_and_written_again_with_the_same_bytes(tmp_path):
    xray = example()
    path = write_xray(xray, tmp_path)
    first = path.read_bytes()
    assert read_xray(tmp_path) == read_xray(path) == xray
    write_xray(read_xray(path), tmp_path)
    assert path.read_bytes() == first


def test_a_box_is_five_numbers_with_names(tmp_path):
    write_xray(example(), tmp_path)
    raw = json.loads((tmp_path / "xray.json").read_text())
    assert raw["tracks"][0]["boxes"] == [[0.0, 0.1, 0.2, 0.3, 0.4]]
    assert read_xray(tmp_path).tracks[0].boxes[0] == Box(t=0.0, x=0.1, y=0.2, w=0.3, h=0.4)


def test_a_track_is_of_a_person_or_of_an_unknown_one():
    assert track(person=None, unknown=3).unknown == 3
    for person, unknown in ((None, None), ("p1", 3)):
        with pytest.raises(ValidationError, match="not of both or neither"):
            track(person=person, unknown=unknown)


def test_counts_add_up():
    assert Count(given=3, kept=1, skipped={"corrupt": 2}).given == 3
    with pytest.raises(ValidationError, match="do not add up"):
        Count(given=3, kept=1, skipped={})


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"format": "elenco-xray/2"}'])
def test_another_form_is_told_in_one_line(tmp_path, text):
    (tmp_path / "xray.json").write_text(text)
    with pytest.raises(UnexpectedAnswer, match="make it again") as caught:
        read_xray(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_told_of(tmp_path):
    with pytest.raises(UnexpectedAnswer, match="elenco xray"):
        read_xray(tmp_path)
