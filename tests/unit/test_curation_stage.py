"""The curate stage: what it writes, and when it writes it again."""

import json
import os
from dataclasses import asdict

import numpy as np
import pytest

from elenco.curation import stage
from elenco.curation.decisions import decide, read_decisions
from elenco.curation.quarantine import load_quarantine, the_quarantine
from elenco.curation.stage import curate, last_curated
from elenco.embedding.stage import dataset_ref
from elenco.errors import ElencoError, NotEnoughData
from elenco.recognition.dataset import read_dataset
from elenco.settings import load_settings
from elenco.storage import read_json, read_npz, write_npz
from tests.curation_data import BLURRED, COPY, EMBEDDER, PEOPLE, PHOTOGRAPHS, WRONG, make

ROWS = PEOPLE * PHOTOGRAPHS


@pytest.fixture
def dataset(layout):
    return make(layout)


def test_the_quarantine_says_what_is_left_out_and_why(dataset, settings, layout):
    curated = curate(dataset, settings, layout)
    assert curated.quarantine == f"processed/{EMBEDDER}/quarantine.json"
    said = read_json(layout.data / curated.quarantine)
    assert said["schema"] == 1
    assert said["inputs"] == curated.digest
    assert [entry["id"] for entry in said["entries"]] == [WRONG, COPY, BLURRED]
    wrong, copy, blurred = said["entries"]
    assert wrong.items() >= {
        "person_id": "p03", "name": "Person <p03>", "key": "k1", "split": "train",
        "reason": "looks_like_another", "other": "p09",
    }.items()  # fmt: skip
    assert 0.5 <= wrong["score"] <= 1
    assert copy.items() >= {
        "split": "test", "reason": "near_duplicate", "other": "p05/k1", "score": 0.0,
        "detail": "0 of 64 bits differ, cosine 1.0000",
    }.items()  # fmt: skip
    assert blurred.items() >= {
        "reason": "unusable", "score": 0.05, "detail": "quality 0.05, less than 0.2", "other": "",
    }.items()  # fmt: skip
    assert [said[n] for n in ("spared", "kept", "twins", "undecided", "without")] == [[]] * 5


def test_kept_and_skipped_are_what_was_given(dataset, settings, layout):
    report = curate(dataset, settings, layout).report
    assert (report.given, report.kept) == (ROWS, ROWS - 3)
    assert report.skipped == {"looks_like_another": 1, "near_duplicate": 1, "unusable": 1}
    assert report.given == dataset.train_rows + dataset.test_rows


def test_a_classifier_reads_the_rest(dataset, settings, layout):
    curated = curate(dataset, settings, layout)
    out = the_quarantine(layout.data / curated.quarantine).ids()
    whole = read_dataset(layout.data / dataset.train)
    rest = read_dataset(layout.data / dataset.train, out)
    assert set(whole.photographs()) - set(rest.photographs()) == {WRONG, BLURRED}
    assert (rest.people == whole.people).all()
    assert rest.vectors.shape == (len(rest), 32)
    assert len(rest.quality) == len(rest.sizes) == len(rest.sharpness) == len(rest.yaws)
    held_out = read_dataset(layout.data / dataset.test, out)
    assert len(held_out) == PEOPLE - 1


def test_the_same_inputs_are_curated_once_and_give_the_same_bytes(dataset, settings, layout):
    first = curate(dataset, settings, layout)
    paths = layout.quarantine(EMBEDDER), layout.quarantine_sheet(EMBEDDER)
    before = [path.read_bytes() for path in paths]
    for path in paths:
        os.utime(path, (1, 1))
    second = last_curated(settings, layout)
    assert (second.digest, second.dataset) == (first.digest, first.dataset)
    assert second.report.reused == second.report.kept
    assert [path.stat().st_mtime for path in paths] == [1, 1]
    for gone in paths:
        gone.unlink()
        assert curate(dataset, settings, layout).digest == first.digest
        assert [path.read_bytes() for path in paths] == before


def test_another_data_set_or_setting_or_version_is_curated_again(
    dataset, settings, layout, monkeypatch
):
    digests = {curate(dataset, settings, layout).digest}
    lax = settings.curation.model_copy(update={"min_quality": 0.01})
    digests.add(curate(dataset, settings.model_copy(update={"curation": lax}), layout).digest)
    assert len(the_quarantine(layout.quarantine(EMBEDDER)).entries) == 2
    digests.add(curate(make(layout, seed=1), settings, layout).digest)
    monkeypatch.setattr(stage, "CURATE_VERSION", "next")
    digests.add(curate(make(layout), settings, layout).digest)
    assert len(digests) == 4


def test_an_operator_keeps_and_drops(dataset, settings, layout):
    before = curate(dataset, settings, layout)
    decide(layout, {WRONG: "keep", "p00/k0": "drop"}, "looked at it")
    decide(layout, {"nobody/k9": "keep", COPY: "keep"})
    decide(layout, {COPY: "auto"})
    after = curate(dataset, settings, layout)
    assert after.digest != before.digest
    found = the_quarantine(layout.quarantine(EMBEDDER))
    reasons = {entry.id: (entry.reason, entry.detail) for entry in found.entries}
    assert reasons.keys() == {"p00/k0", COPY, BLURRED}
    assert reasons["p00/k0"] == ("operator", "looked at it")
    assert found.kept == [WRONG]
    decide(layout, {WRONG: "auto", "p00/k0": "auto", "nobody/k9": "auto"})
    assert curate(dataset, settings, layout).digest == before.digest


def test_a_person_left_without_training_photographs_is_named(dataset, settings, layout):
    decide(layout, {f"p00/k{n}": "drop" for n in range(PHOTOGRAPHS - 1)})
    curate(dataset, settings, layout)
    (person,) = the_quarantine(layout.quarantine(EMBEDDER)).without
    assert asdict(person) == {"person_id": "p00", "name": "Person <p00>", "photographs": 6}


def test_switched_off_nothing_is_left_out(dataset, layout, settings):
    off = load_settings(
        paths=settings.paths.model_dump(),
        embedding={"embedder": EMBEDDER},
        curation={"enabled": False},
    )
    assert curate(dataset, off, layout).report.kept == ROWS


def test_faces_that_are_gone_are_no_reason_to_fail(dataset, settings, layout):
    layout.crop("train", "p03", "k1").unlink()
    layout.crop("train", "p07", "k2").write_bytes(b"<html>")
    curate(dataset, settings, layout)
    page = layout.quarantine_sheet(EMBEDDER).read_text()
    assert "no picture" in page
    assert "not_an_image" in page


def test_what_can_not_be_read_says_what_to_do(dataset, settings, layout):
    path = layout.data / dataset.train
    arrays = read_npz(path)
    write_npz(path, **{name: a for name, a in arrays.items() if name != "phashes"})
    with pytest.raises(NotEnoughData, match=r"no phashes: .* refresh to embed again"):
        curate(dataset, settings, layout)
    path.write_bytes(b"PK")
    with pytest.raises(NotEnoughData, match="delete it and refresh again"):
        curate(dataset, settings, layout)
    path.unlink()
    with pytest.raises(NotEnoughData, match="refresh first"):
        curate(dataset, settings, layout)
    with pytest.raises(NotEnoughData, match="embed first"):
        last_curated(settings, layout)


def test_a_damaged_quarantine_or_log_is_said_to_be(dataset, settings, layout):
    curate(dataset, settings, layout)
    path = layout.quarantine(EMBEDDER)
    path.write_text("{}")
    with pytest.raises(ElencoError, match="no list of quarantined photographs"):
        curate(dataset, settings, layout)
    path.write_text('{"schema": 99}')
    assert load_quarantine(path) is None
    layout.curation.write_text('{"id": "p00/k0", "decision": "burn"}\n')
    with pytest.raises(ElencoError, match="line 1, is no decision: delete the line"):
        curate(dataset, settings, layout)
    layout.curation.write_text("burn\n")
    with pytest.raises(ElencoError, match="line 1, is not an entry: delete the line"):
        curate(dataset, settings, layout)


def test_the_last_word_on_a_photograph_counts(layout):
    decide(layout, {"a/1": "keep", "a/2": "drop"}, "first")
    decide(layout, {"a/1": "drop"})
    words = {name: (d.word, d.why) for name, d in read_decisions(layout).items()}
    assert words == {"a/1": ("drop", ""), "a/2": ("drop", "first")}
    assert len(layout.curation.read_text().splitlines()) == 3
    with pytest.raises(ValueError, match="'burn' is none of keep, drop, auto"):
        decide(layout, {"a/1": "burn"})


def test_rows_are_of_the_split_that_their_file_says(dataset, settings, layout):
    curate(dataset, settings, layout)
    for entry in the_quarantine(layout.quarantine(EMBEDDER)).entries:
        keys = read_npz(layout.joined(EMBEDDER, entry.split))
        pairs = zip(keys["person_ids"].tolist(), keys["keys"].tolist(), strict=True)
        assert (entry.person_id, entry.key) in set(pairs)


def test_the_file_is_plain_json(dataset, settings, layout):
    curate(dataset, settings, layout)
    text = layout.quarantine(EMBEDDER).read_text()
    assert text.endswith("}\n")
    assert not np.isnan([e["score"] for e in json.loads(text)["entries"]]).any()
    assert dataset_ref(layout, EMBEDDER).digest not in text  # named by `inputs`, not copied
