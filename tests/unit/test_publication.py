"""From curated embeddings to versions: what is written, judged, kept and told."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from elenco.cli import models
from elenco.errors import RegistryError
from elenco.layout import Layout
from elenco.publication import drift, judge, last_candidate, train
from elenco.recognition.files import load_gallery
from elenco.recognition.held_out import trained_on
from elenco.recognition.statistics import stable_digest
from elenco.registry import Registry
from elenco.report.markdown import publication_report
from elenco.settings import Settings
from elenco.storage import read_json, read_npz
from elenco.types import PublishedRef
from tests.curated_data import collected, curated, fake_embedder, publish, settings_in


@pytest.fixture(scope="module", autouse=True)
def embedder() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        fake_embedder(monkeypatch)
        yield


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("place")


@pytest.fixture(scope="module")
def published(place) -> tuple[Settings, Layout, list[PublishedRef]]:
    """A first version, one with two people more and one less, and the same again."""
    settings = settings_in(place, tmdb={"token": "a-very-secret-token"})
    layout = Layout.of(settings)
    collected(layout)
    refs = [publish(settings, layout)]
    refs += [publish(settings, layout, people=range(1, 22), name="more") for _ in range(2)]
    return settings, layout, refs


def version(published, number: int) -> Path:
    _, layout, refs = published
    return layout.recogniser / refs[number].version


def test_versions_are_made_judged_and_promoted(published):
    _, layout, refs = published
    assert [(r.version, r.outcome, r.current) for r in refs] == [
        ("v000001", "promoted", "v000001"),
        ("v000002", "promoted", "v000002"),
        ("v000002", "nothing new", "v000002"),
    ]
    assert refs[0].reason == "first version"
    assert "of 56 held-out photographs of 19 people that both know" in refs[1].reason
    assert Registry(layout.recogniser).names() == ["v000001", "v000002"]


def test_people_of_whom_no_photograph_is_held_out_are_known_and_not_measured(tmp_path):
    settings = settings_in(tmp_path)
    layout = Layout.of(settings)
    collected(layout)
    for name in ("first", "second"):
        ref = publish(settings, layout, held_out=0, name=name)
    assert (ref.version, ref.outcome) == ("v000002", "not promoted")  # there is nothing to judge by
    assert "promote_other_cast" in ref.reason
    assert ref.metrics["people_without_test_photograph"] == ref.metrics["people"] == 20
    card = (layout.recogniser / "v000002" / "card.md").read_text()
    assert "| **top-1**: the best person is the right one | not measured | 0 held-out" in card
    assert "v000002: not promoted" in publication_report(ref, drift(ref, layout))


def test_a_version_declined_before_is_judged_anew_by_other_settings_once(tmp_path):
    layout = Layout.of(settings_in(tmp_path))
    collected(layout)

    def publish_by(name: str = "second", **asked) -> tuple[str, str, str | None]:
        ref = publish(settings_in(tmp_path, publish=asked), layout, held_out=0, name=name)
        return ref.version, ref.outcome, ref.current

    assert publish_by("first") == ("v000001", "promoted", "v000001")
    declined = ("v000002", "not promoted", "v000001")
    nothing_new = ("v000002", "nothing new", "v000001")
    assert [publish_by() for _ in range(2)] == [declined, nothing_new]
    assert [publish_by(tolerance=0.5) for _ in range(2)] == [declined, nothing_new]
    log = layout.recogniser / "promotions.jsonl"
    entries = [json.loads(line) for line in log.read_text().splitlines()]
    asked = [entry["judged_by"]["tolerance"] for entry in entries if "judged_by" in entry]
    assert asked == [0.0, 0.5]
    # What the reason of `not promoted` says to do is what helps.
    assert publish_by(promote_other_cast=True) == ("v000002", "promoted", "v000002")
    Registry(layout.recogniser).rollback()
    assert publish_by() == publish_by(promote_other_cast=True) == nothing_new


def test_a_version_says_what_it_was_trained_on(published):
    found = trained_on(version(published, 0))
    assert (found.dtype, len(found)) == (np.uint64, 119)
    names = ("p000/t0", "p003/t1", "p000/h0")  # the second was quarantined
    assert [stable_digest(name) in found for name in names] == [True, False, False]


def test_quarantined_photographs_are_neither_trained_nor_judged_on(published):
    gallery = load_gallery(version(published, 0))
    counts = {p.id: int(n) for p, n in zip(gallery.people, gallery.counts, strict=True)}
    assert counts["p003"] == 5
    assert {n for person, n in counts.items() if person != "p003"} == {6}
    assert read_json(version(published, 1) / "verdict.json")["figures"]["quarantined"] == 1


def test_the_verdict_and_what_moved_are_beside_the_version(published):
    verdict = read_json(version(published, 1) / "verdict.json")
    assert verdict["against"] == "v000001"
    assert verdict["promote"] is True
    assert verdict["reason"] == published[2][1].reason
    assert verdict["figures"]["named_right"]["candidate"] > 0.5
    moved = read_json(version(published, 1) / "drift.json")
    assert moved["from"] == "v000001"
    assert moved["people"]["came"] == {"p020": "Person 20", "p021": "Person 21"}
    assert moved["people"]["left"] == 1
    assert (moved["photographs"]["added"], moved["photographs"]["removed"]) == (18, 9)
    assert moved["quarantined"]["before"] == moved["quarantined"]["after"] == 2
    assert read_json(version(published, 0) / "verdict.json")["against"] is None
    assert not (version(published, 0) / "drift.json").exists()


def test_who_left_is_named_nowhere_in_the_new_version(published):
    for path in version(published, 1).rglob("*"):
        assert not path.is_file() or b"p000" not in path.read_bytes(), path
    assert "p000" in (version(published, 0) / "labels.json").read_text()


def test_the_report_says_what_moved(published):
    _, layout, refs = published
    assert drift(refs[0], layout) is None
    assert drift(refs[2], layout) is None
    moved = drift(refs[1], layout)
    text = publication_report(refs[1], moved)
    assert text.startswith("## v000002: promoted\n\n")
    assert "## Drift\n\nAgainst v000001.\n" in text
    assert "**left** 1\n" in text
    assert "Drift" not in publication_report(refs[2], None)


def test_an_old_version_found_again_is_told_against_the_one_in_use(published):
    layout = published[1]
    found = PublishedRef("v000001", "nothing new", "", "v000002", {})
    moved = drift(found, layout)
    assert moved is not None
    assert (moved["from"], moved["people"]["came"]) == ("v000002", {"p000": "Person 0"})
    assert "p020" not in json.dumps(moved)


def test_the_card_names_its_inputs_exactly(published):
    card = read_json(version(published, 0) / "card.json")
    assert card["inputs"]["data set"] == "data"
    assert card["inputs"]["both"] == "data cur"
    assert len(card["inputs"]["quarantine"]) == 64
    assert len(card["code"]["digest"]) == 64
    assert card["code"]["version"].count(".") == 2
    assert card["space"]["weights_sha256"] == "ab" * 32
    assert card["seconds"] > 0
    assert card["settings"]["training"]["false_positive_rate"] == 0.01
    assert "min_quality" in card["settings"]["curation"]
    assert card["data"]["quarantined_by_reason"] == {"near_duplicate": 1, "wrong_person": 1}
    assert card["data"]["quarantined"] == {"train": 1, "test": 1}
    text = (version(published, 0) / "card.md").read_text()
    for part in (
        card["fingerprint"],
        card["code"]["digest"],
        card["created"],
        "data cur",
        "119 to train on, 59 held out, 2 quarantined",
        "| photographs in the gallery (photographs) |",
        "| 6–10 |",
        "skin colour are not known",
        "TMDB's terms of use (20 October 2023) forbid",
        f"| curation.min_quality | {published[0].curation.min_quality} |",
    ):
        assert part in text, part


def test_the_datasheet_tells_of_the_photographs(published):
    text = (version(published, 0) / "datasheet.md").read_text()
    for part in (
        "| photographs | 119 | 59 |",
        "| quarantined, in neither | 1 | 1 |",
        "How many people the source listed is not known;",
        "forgotten, who are not in it: 0.",
        "| wrong_person | 1 |",
        "has 2 of these photographs and those quarantined, and not\n  178.",
        "First fetched 2026-11-20T04:00:00+00:00, last 2026-11-24T04:00:00+00:00",
        "| truncated | 1 |",
        "| no_face | 1 |",
        "| only | 2 |",
        "| width, pixels | 421 |",
        "deleted after 180",
        "without a separate written agreement.",
        "| of one person |",
    ):
        assert part in text, part
    for section in (
        *("Motivation", "Composition", "Collection", "Preparation"),
        *("Uses", "Distribution", "Maintenance"),
    ):
        assert f"\n## {section}\n" in text


def test_no_secret_is_written(published):
    for path in version(published, 0).rglob("*"):
        assert not path.is_file() or b"very-secret" not in path.read_bytes()


def test_equal_inputs_give_equal_files_but_for_the_time(published, tmp_path):
    settings = published[0]
    paths = settings.paths.model_copy(
        update={"data": tmp_path / "data", "models": tmp_path / "models"}
    )
    other = settings.model_copy(update={"paths": paths})
    layout = Layout.of(other)
    collected(layout)
    train(curated(layout), other, layout)
    again = layout.models / last_candidate(layout).path
    for name in ("statistics.json", "photographs.npz", "metrics.json", "gallery.npz"):
        assert (again / name).read_bytes() == (version(published, 0) / name).read_bytes(), name
    cards = [read_json(p / "card.json") for p in (again, version(published, 0))]
    timed = ("created", "seconds")
    assert {k: v for k, v in cards[0].items() if k not in timed} == {
        k: v for k, v in cards[1].items() if k not in timed
    }


def test_a_worse_candidate_is_kept_unpromoted_and_old_versions_go(published, tmp_path):
    settings, layout, _ = published
    publish_two = settings.publish.model_copy(update={"keep_versions": 2})
    few = settings.model_copy(update={"publish": publish_two})
    before = (layout.recogniser / "v000002" / "drift.json").read_bytes()
    ref = publish(few, layout, wrong=9, name="worse")
    assert (ref.version, ref.outcome, ref.current) == ("v000003", "not promoted", "v000002")
    assert "elenco models promote" in ref.reason
    verdict = read_json(layout.recogniser / "v000003" / "verdict.json")
    assert (verdict["promote"], verdict["against"]) == (False, "v000002")
    # The one before the one in use stays: a rollback goes there.
    assert Registry(layout.recogniser).names() == ["v000001", "v000002", "v000003"]
    assert (layout.recogniser / "v000002" / "drift.json").read_bytes() == before
    alarm = read_json(layout.recogniser / "v000003" / "drift.json")["alarm"]
    assert any("two photographs of one person" in line for line in alarm)
    ref = publish(few, layout, people=range(22), name="more again")
    assert Registry(layout.recogniser).names() == ["v000002", "v000003", "v000004"]


def test_a_candidate_judged_twice_is_judged_against_the_version_of_now(published, tmp_path):
    settings, layout, _ = published
    current = Registry(layout.recogniser).current_name()
    trained = train(curated(layout, people=range(19), name="twice"), settings, layout)
    first = judge(trained, settings, layout)
    path = layout.models / trained.path
    written = (path / "verdict.json").read_bytes()
    assert judge(trained, settings, layout) == first
    assert (path / "verdict.json").read_bytes() == written
    assert read_json(path / "drift.json")["from"] == current
    assert read_npz(path / "photographs.npz")["train"].dtype == np.uint64
    assert replace(trained, version=None) == trained


def test_two_versions_are_compared_by_command(published, monkeypatch, capsys):
    for name in ("data", "models"):
        folder = getattr(published[0].paths, name)
        monkeypatch.setenv(f"ELENCO_PATHS__{name.upper()}", str(folder))
    models.diff("v000002", "v000003", False, None)
    said = capsys.readouterr().out
    assert said.startswith("# v000002 to v000003\n\nAgainst v000002.\n\n- **")
    assert "- **left** 2: Person 20 (p020), Person 21 (p021)\n" in said
    models.diff("v000002", "current", True, None)
    assert json.loads(capsys.readouterr().out)["from"] == "v000002"
    with pytest.raises(RegistryError, match="there is no version 'v9'"):
        models.diff("v000002", "v9", False, None)
