import base64
import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from elenco.faces.images import decode
from elenco.recognition.pipeline import Face
from elenco.report.card import write_card
from elenco.report.markdown import publication_report, stages_report, training_report
from elenco.report.metrics import metrics_table
from elenco.report.people import people_section
from elenco.report.places import places_of, places_section
from elenco.report.sheet import CELL, NAMED, UNKNOWN, annotate, contact_sheet, data_uri
from elenco.report.stages import stage_table, trained_on
from elenco.report.summary import summary_lines
from elenco.settings import load_settings
from elenco.storage import write_text
from elenco.types import (
    CuratedRef,
    DatasetRef,
    Listing,
    Person,
    PublishedRef,
    RefreshResult,
    StageReport,
    TrainedRef,
)

METRICS = {
    "people": 1234,
    "train_photographs": 30_000,
    "test_photographs": 7_000,
    "top1": 0.9912,
    "top5": 0.998,
    "named_right": 0.955,
    "called_unknown": 0.04,
    "named_wrong": 0.005,
    "dir_at_fpir": 0.939,
    "fpir": 0.01,
    "strangers_called_unknown": 0.9897,
    "strangers_n": 4_321,
    "svm_top1": 0.97,
    "svm_people": 1000,
    "svm_test_photographs": 5_600,
    "nearest_mean_top1": None,
    "seconds": 12.5,
}


def test_stages_as_a_table():
    stages = {
        "collect": StageReport(1200, 1100, 100, {"not_an_image": 60, "truncated": 40}, 10.0),
        "detect": StageReport(1100, 1100, 1100, {}, 0.4),
        "embed": StageReport(0, 0),
    }
    table, explained = stage_table(stages, {"export": 1234.56, "judge": 0.04}).split("\n\n")
    assert table == (
        "| stage | given | kept | of it reused | skipped | wall seconds | new per second |\n"
        "|---|---:|---:|---:|---|---:|---:|\n"
        "| collect | 1,200 | 1,100 | 100 | 60 not_an_image, 40 truncated | 10.0 | 110.0 |\n"
        "| detect | 1,100 | 1,100 | 1,100 | none | 0.4 | – |\n"
        "| embed | 0 | 0 | 0 | none | 0.0 | – |\n"
        "| export | – | – | – | – | 1,234.6 | – |\n"
        "| judge | – | – | – | – | 0.0 | – |"
    )
    assert "*Wall seconds*" in explained
    assert "*New per second*" in explained


@pytest.mark.parametrize(
    ("reused", "without", "report"),
    [
        (False, 0, StageReport(37_000, 37_000, 0, {}, 8.5)),
        (True, 3, StageReport(37_003, 37_000, 37_000, {"not_in_gallery": 3}, 8.5)),
    ],
)
def test_what_was_trained_on(reused, without, report):
    metrics = METRICS | {"test_photographs_without_gallery": without}
    assert trained_on(TrainedRef("recogniser/v000002", "ab", None, metrics, reused), 8.5) == report


def test_places_are_those_of_the_version_and_an_evaluation_that_was_not_made_is_none(layout):
    quarantine = "processed/dlib_resnet/quarantine.json"
    curated = CuratedRef(DatasetRef("", "", "", 2, 4, 0), quarantine, "cd", StageReport(4, 4))
    version = layout.recogniser / "v000002"
    there = {
        "version": version,
        "card": version / "card.md",
        "quarantine": layout.data / "processed" / "dlib_resnet" / "quarantine.html",
    }
    assert places_of(PUBLISHED, curated, layout) == there
    write_text(version / "evaluation" / "report.md", "")
    evaluation = {"evaluation": version / "evaluation" / "report.md"}
    assert places_of(PUBLISHED, curated, layout) == there | evaluation


def test_metrics_as_a_table():
    assert metrics_table(METRICS).splitlines()[2:] == [
        "| **top-1**: the best person is the right one | 99.12% "
        "| 7,000 held-out photographs of 1,234 people |",
        "| **top-5**: the right one is among the best five | 99.80% "
        "| 7,000 held-out photographs of 1,234 people |",
        "| named right, where unknown is an answer too | 95.50% "
        "| 7,000 held-out photographs of 1,234 people |",
        "| called unknown, though known | 4.00% | 7,000 held-out photographs of 1,234 people |",
        "| named wrong | 0.50% | 7,000 held-out photographs of 1,234 people |",
        "| DIR at FPIR 1.0% | 93.90% | 7,000 held-out photographs of 1,234 people |",
        "| **strangers called unknown** | 98.97% "
        "| 4,321 photographs of people left out of training |",
        "| baseline: linear SVM, top-1 | 97.00% | 5,600 of 1,000 people |",
        "| baseline: nearest mean, top-1 | not measured "
        "| 7,000 held-out photographs of 1,234 people |",
    ]


@pytest.fixture
def carded(tmp_path):
    space = {
        "embedder": "dlib_resnet",
        "weights_sha256": "ab" * 32,
        "dim": 128,
        "preprocessing": "200x200+28+28 to 150",
    }
    people = [{"id": str(i), "name": f"Person {i}"} for i in range(METRICS["people"])]
    labels = {"schema": 1, "space": space, "people": people}
    (tmp_path / "labels.json").write_text(json.dumps(labels))
    calibration = {"threshold": 0.87654, "scale": 40.0, "false_positive_rate": 0.01}
    (tmp_path / "calibration.json").write_text(json.dumps(calibration))
    settings = load_settings(tmdb={"token": "a-very-secret-token"})
    photographs = {"train": 30_000, "test": 7_000}
    told = {
        "fingerprint": "f" * 64,
        "inputs": {"data set": "d" * 64},
        "created": "2026-11-24T04:00:00+00:00",
        "seconds": 12.5,
        "groups": None,
        "data": {"photographs": photographs, "quarantined": {"train": 12, "test": 3}},
    }
    write_card(tmp_path, settings, METRICS, told)
    return tmp_path


def test_the_card_for_machines_has_what_the_registry_reads(carded):
    card = json.loads((carded / "card.json").read_text())
    assert card["fingerprint"] == "f" * 64
    assert card["created"] == "2026-11-24T04:00:00+00:00"
    assert card["people"] == 1234
    assert card["space"]["embedder"] == "dlib_resnet"
    assert card["data"]["photographs"] == {"train": 30_000, "test": 7_000}
    assert card["metrics"] == METRICS


def test_the_card_for_people_has_the_figures_and_says_what_is_not_known(carded):
    text = (carded / "card.md").read_text()
    assert metrics_table(METRICS) in text
    for part in ("1,234", "30,000", "dlib_resnet", "CC0", "0.8765", "2026-11-24", "n = 4,321"):
        assert part in text
    assert "7,000 held out, 15 quarantined" in text
    assert "## Figures by group\n\nNot measured.\n" in text
    assert "skin colour are not known" in text
    assert "biometric data" in text
    assert "{" not in text


def test_no_secret_is_in_a_card(carded):
    for name in ("card.json", "card.md"):
        assert "secret" not in (carded / name).read_text()


def test_a_contact_sheet_has_rows_of_eight_with_room_for_captions():
    faces = [np.full((60 + 10 * i, 50, 3), 20 * i, np.uint8) for i in range(10)]
    sheet = decode(contact_sheet(faces, [f"Person {i}" for i in range(10)]), 40)
    assert sheet.shape == (2 * 154 + 6, 8 * 134 + 6, 3)
    middle = sheet[6 + CELL // 2, 6 + 134 * 7 + CELL // 2]
    assert np.abs(middle.astype(int) - 140).max() < 8


def test_a_contact_sheet_needs_a_face_and_a_caption_for_each():
    with pytest.raises(ValueError, match="needs a face"):
        contact_sheet([], [])
    with pytest.raises(ValueError, match="zip"):
        contact_sheet([np.zeros((9, 9, 3), np.uint8)], [])


def has(picture, colour) -> bool:
    return bool((picture == colour).all(axis=-1).any())


def test_faces_are_boxed_green_for_a_name_and_grey_for_unknown():
    picture = np.zeros((300, 400, 3), np.uint8)
    named = annotate(picture, [Face((100.0, 100.0, 200.0, 200.0), "1", "Ann", 0.9)])
    unknown = annotate(picture, [Face((100.0, 100.0, 200.0, 200.0), None, None, 0.9)])
    assert not picture.any()  # a copy is drawn on
    assert has(named, NAMED)
    assert not has(named, UNKNOWN)
    assert has(unknown, UNKNOWN)
    assert not has(unknown, NAMED)
    assert tuple(named[150, 100]) == NAMED
    assert not named[120:180, 120:180].any()  # the face itself is left alone
    assert np.array_equal(annotate(picture, []), picture)


@pytest.mark.parametrize(
    "box", [(-5.0, -5.0, 30.0, 30.0), (0.0, 0.0, 64.0, 48.0), (60.0, 44.0, 64.0, 48.0)]
)
@pytest.mark.parametrize("name", ["Ann", "x" * 500, "two\nlines", None])
def test_any_box_and_any_name_can_be_drawn_on_a_small_picture(box, name):
    picture = np.full((48, 64, 3), 255, np.uint8)
    drawn = annotate(picture, [Face(box, name and "1", name, 0.5)])
    assert drawn.shape == picture.shape
    assert not np.array_equal(drawn, picture)


def test_names_in_other_scripts_are_drawn_as_themselves():
    def label(name):
        picture = np.zeros((200, 400, 3), np.uint8)
        return annotate(picture, [Face((50.0, 100.0, 90.0, 190.0), "1", name, 0.9)])

    # A script that the font lacked would look like as many question marks.
    for name in ("Penélope", "Şafak Ğ", "Ελένη", "Привет", "宮崎駿", "김민정"):
        assert not np.array_equal(label(name), label("?" * len(name)))
    assert not np.array_equal(label("宮崎駿"), label("宮崎駅"))


def test_a_picture_as_an_address():
    data = cv2.imencode(".png", np.zeros((2, 2, 3), np.uint8))[1].tobytes()
    head, _, body = data_uri(data, "image/png").partition(",")
    assert head == "data:image/png;base64"
    assert base64.b64decode(body) == data


PUBLISHED = PublishedRef("v000002", "not promoted", "named right less often", "v000001", METRICS)


CAME = [Person(str(n), f"New {n}", float(n)) for n in range(23)]
LISTING = Listing("state/tmdb/people/2026-11-25.json", [CAME, []], CAME, [], 7, StageReport(23, 23))


def test_who_came_and_left_is_told_by_popularity_and_not_without_end():
    text = people_section(LISTING)
    assert "23 people in `state/tmdb/people/2026-11-25.json`" in text
    assert "- **came** 23: New 22 (22), New 21 (21), " in text
    assert "New 3 (3), and 3 more" in text
    assert text.endswith("- **left** nobody")
    assert "- **stayed** 3 of whom" in people_section(replace(LISTING, stayed=3))


def test_the_report_of_a_refresh_has_counts_outcome_and_a_picture_that_can_be_shown():
    stages = {"collect": StageReport(3, 2, 0, {"truncated": 1}, 1.0)}
    sheet = contact_sheet([np.full((50, 50, 3), 99, np.uint8)], ["Ann"])
    places, steps = {"version": Path("/srv/elenco/v000002")}, {"export": 3.0}
    text = stages_report(stages, sheet, LISTING, PUBLISHED, None, steps, places)
    assert text.startswith("# Refresh\n")
    assert stage_table(stages, steps) in text
    assert places_section(places) in text
    assert "| version | `/srv/elenco/v000002` |" in text
    assert publication_report(PUBLISHED) in text
    assert people_section(LISTING) in text
    kind, _, body = text.split("](data:")[1].split(")")[0].partition(";base64,")
    data = base64.b64decode(body)
    assert (kind, data[:3]) == ("image/jpeg", b"\xff\xd8\xff")
    assert decode(data, 1).shape[2] == 3
    alone = stages_report(stages, None)
    assert alone.startswith("# collect\n")
    assert "data:" not in alone


def test_the_reports_of_training_and_publishing_have_figures_and_reason():
    trained = TrainedRef("recogniser/.candidate-ab", "cd" * 32, None, METRICS)
    assert metrics_table(METRICS) in training_report(trained)
    text = publication_report(PUBLISHED)
    assert text.startswith("## v000002: not promoted\n\nnamed right less often\n")
    assert "Current is now **v000001**." in text
    assert metrics_table(METRICS) in text


def test_a_refresh_in_lines_of_text():
    stages = {"collect": StageReport(1003, 1001, 900, {"truncated": 2}, 1.04)}
    assert summary_lines(RefreshResult(stages, PUBLISHED)) == [
        "collect: 1,003 given, 1,001 kept (900 from before), 2 skipped (truncated 2), 1.0 s",
        "recogniser: not promoted: named right less often",
        "v000002: 1,234 people; top-1 99.12% and top-5 99.80% of 7,000 test photographs; "
        "linear SVM 97.00%; strangers called unknown 99.0% of 4,321",
    ]
