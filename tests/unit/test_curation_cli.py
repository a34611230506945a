"""`elenco curate` as it is typed."""

import json

import pytest
from typer.testing import CliRunner

from elenco.cli.main import app
from elenco.curation.stage import curate, last_curated
from elenco.errors import ConfigError, ElencoError, Locked, NotEnoughData
from elenco.lock import hold
from tests.curation_data import BLURRED, COPY, EMBEDDER, WRONG, make


@pytest.fixture
def place(settings, layout, monkeypatch):
    """The environment of an operator whose data set is curated."""
    for name, value in (
        ("PATHS__DATA", settings.paths.data),
        ("PATHS__MODELS", settings.paths.models),
        ("EMBEDDING__EMBEDDER", EMBEDDER),
    ):
        monkeypatch.setenv(f"ELENCO_{name}", str(value))
    curate(make(layout), settings, layout)
    return layout


def elenco(*words: str) -> str:
    """What a command prints; raises what it raises."""
    done = CliRunner().invoke(app, ["curate", *words], catch_exceptions=False)
    return done.output


def test_the_list_has_a_line_a_photograph(place):
    lines = elenco("list").splitlines()
    assert [line.split()[0] for line in lines[:3]] == [WRONG, COPY, BLURRED]
    assert lines[0].startswith(f"{WRONG}  looks_like_another (p09)  Person <p03>: like another")
    assert lines[1].endswith("near_duplicate (p05/k1)  Person <p05>: 0 of 64 bits differ, "
                             "cosine 1.0000")  # fmt: skip
    assert lines[3] == "3 left out: 1 looks_like_another, 1 near_duplicate, 1 unusable"
    assert lines[4] == f"faces: {place.quarantine_sheet(EMBEDDER)}"
    assert len(lines) == 5


def test_one_reason_alone_and_as_json(place):
    lines = elenco("list", "--reason", "unusable").splitlines()
    assert [line.split()[0] for line in lines] == [BLURRED, "1", "faces:"]
    entries = json.loads(elenco("list", "--reason", "unusable", "--json"))
    assert [entry["id"] for entry in entries] == [BLURRED]
    assert json.loads(elenco("list", "--json", "--reason", "operator")) == []
    with pytest.raises(ConfigError, match="no reason 'ugly': give one of wrong_person, "):
        elenco("list", "--reason", "ugly")


def test_decisions_are_remembered_and_count_at_the_next_refresh(place, settings):
    said = elenco("keep", WRONG, COPY)
    assert said == "2 photographs will be kept: it counts from the next `elenco refresh` on\n"
    assert elenco("drop", "p00/k0", "--why", "a statue").startswith("1 photograph will be left out")
    assert "3 decided since, which count from the next refresh on" in elenco("list")
    last_curated(settings, place)
    lines = elenco("list").splitlines()
    assert lines[0] == "p00/k0  operator  Person <p00>: a statue"
    assert "decided since" not in "".join(lines)
    assert "judged by the rules again" in elenco("auto", "p00/k0", COPY)
    assert "2 decided since" in elenco("list")
    last_curated(settings, place)
    assert [line.split()[0] for line in elenco("list").splitlines()[:2]] == [COPY, BLURRED]


@pytest.mark.parametrize("word", ["keep", "drop"])
@pytest.mark.parametrize("name", ["p00/k99", "p99/k0", "p00", ""])
def test_nobody_decides_on_a_photograph_that_is_not_there(place, word, name):
    with pytest.raises(NotEnoughData, match=f"no photograph '{name}' among the embeddings of"):
        elenco(word, "p00/k0", name)
    assert not place.curation.exists()  # all or nothing


def test_what_was_never_decided_can_not_be_taken_back(place):
    with pytest.raises(NotEnoughData, match="nothing was decided of p00/k0"):
        elenco("auto", "p00/k0")


def test_before_the_first_refresh_there_is_nothing_to_list_or_decide(settings, monkeypatch):
    monkeypatch.setenv("ELENCO_PATHS__DATA", str(settings.paths.data))
    for words in (("list",), ("keep", "a/b"), ("drop", "a/b")):
        with pytest.raises(ElencoError, match="refresh first"):
            elenco(*words)


def test_a_refresh_at_work_is_waited_for(place, settings):
    with hold(settings), pytest.raises(Locked):
        elenco("keep", WRONG)
    assert not place.curation.exists()
