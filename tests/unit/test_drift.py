import json
from pathlib import Path

import numpy as np
import pytest

from elenco.errors import RegistryError
from elenco.recognition.alarms import alarms
from elenco.recognition.drift import drift_of, without_names_of_who_left
from elenco.recognition.statistics import data_statistics, photograph_digests
from elenco.report.drift import drift_markdown
from elenco.storage import write_json, write_npz
from elenco.vectors import unit

METRICS = {"top1": 0.98, "named_right": 0.95, "strangers_called_unknown": 0.99, "ece": 0.02}
MEASURES = {"norms": 1.4, "quality": 0.9, "sizes": 40.0, "sharpness": 1.0, "yaws": 10.0}
CENTRES = np.random.default_rng(5).normal(size=(200, 32))


def build(
    folder: Path,
    people: range = range(40),
    photographs: range = range(6),
    quarantined: dict[str, str] | None = None,
    embedder: str = "fake",
    noise: float = 1.0,
    shift: float = 0.0,
    wrong: int = 0,
    metrics: dict | None = None,
    **measures: float,
) -> Path:
    """A version of people whose photograph 0 is held out; the same person looks the same."""
    splits = {}
    for split, keys in (("train", photographs), ("test", range(-1, 0))):
        rows = [(person, key) for person in people for key in keys]
        vectors = [
            CENTRES[(person + wrong * (key == 0)) % 200]
            + noise * np.random.default_rng([person, key + 1]).normal(size=32)
            + shift
            for person, key in rows
        ]
        values = MEASURES | measures
        splits[split] = {
            "vectors": unit(np.array(vectors, np.float32)),
            "person_ids": np.array([f"p{person}" for person, _ in rows]),
            "keys": np.array([f"k{key}" for _, key in rows]),
            **{name: np.full(len(rows), value, np.float32) for name, value in values.items()},
        }
    folder.mkdir()
    space = {"embedder": embedder, "weights_sha256": "", "dim": 32, "preprocessing": ""}
    entries = [{"id": f"p{person}", "name": f"Person {person}"} for person in people]
    write_json(folder / "labels.json", {"schema": 2, "space": space, "people": entries})
    write_json(folder / "metrics.json", METRICS | (metrics or {}))
    out = quarantined or {}
    write_json(folder / "statistics.json", data_statistics(splits, out, 0.3))
    digests = {s: photograph_digests(a, out)["photographs"] for s, a in splits.items()}
    write_npz(folder / "photographs.npz", **digests)
    return folder


@pytest.fixture
def before(tmp_path) -> Path:
    return build(tmp_path / "v000001")


def test_nothing_moved_between_a_version_and_its_like(before, tmp_path):
    drift = drift_of(before, build(tmp_path / "v000002"))
    assert drift["people"] == {"before": 40, "after": 40, "came": {}, "left": {}}
    assert drift["photographs"] == {
        "train": {"before": 240, "after": 240},
        "test": {"before": 40, "after": 40},
        "added": 0,
        "removed": 0,
        "moved": 0,
    }
    assert drift["embeddings"]["mean shift"] == 0
    assert {one["difference"] for one in drift["figures"].values()} == {0.0}
    assert drift["alarm"] == []
    assert json.loads(json.dumps(drift)) == drift


def test_who_came_and_left_and_what_was_added_and_removed(before, tmp_path):
    after = build(tmp_path / "v000002", range(1, 42), range(1, 8))
    drift = drift_of(before, after)
    assert drift["people"]["came"] == {"p40": "Person 40", "p41": "Person 41"}
    assert drift["people"]["left"] == {"p0": "Person 0"}
    # 39 stayed with 5 photographs in common and the one that is held out.
    assert drift["photographs"]["added"] == 39 * 2 + 2 * 8
    assert drift["photographs"]["removed"] == 39 + 7
    assert drift["alarm"] == ["46 of 280 photographs are gone, more than 10%"]


def test_photographs_that_changed_split_are_no_new_ones(tmp_path):
    one, other = (build(tmp_path / name) for name in ("a", "b"))
    with np.load(one / "photographs.npz") as file:
        train, test = file["train"], file["test"]
    swapped = np.sort(np.append(train, test[:3])), test[3:]
    write_npz(other / "photographs.npz", train=swapped[0], test=swapped[1])
    found = drift_of(one, other)["photographs"]
    assert (found["added"], found["removed"], found["moved"]) == (0, 0, 3)
    assert found["train"] == {"before": 240, "after": 243}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"people": range(3, 43)}, "3 of 40 people left, more than 5%"),
        ({"quality": 0.8}, "the median quality fell from 0.900 to 0.800"),
        ({"quality": 0.2}, "100.00% of the photographs are unusable, 0.00% before"),
        ({"norms": 1.6}, "the median length of a vector went from 1.400 to 1.600"),
        ({"noise": 1.5}, "the mean cosine of two photographs of one person went from"),
        ({"shift": 1.0}, "the mean cosine of two photographs of two people went from"),
        ({"shift": 1.0}, "the mean vector moved by"),
        ({"wrong": 7}, "the mean cosine of two photographs of one person went from"),
        ({"metrics": {"top1": 0.96}}, "top-1 went from 98.00% to 96.00%, by more than 1 points"),
        ({"metrics": {"strangers_called_unknown": 0.9}}, "strangers called unknown went from"),
        ({"metrics": {"ece": 0.08}}, "expected calibration error went from 2.00% to 8.00%"),
        (
            {"quarantined": {f"p{n}/k1": "unusable" for n in range(40)}},
            "14.29% of the photographs are quarantined, 0.00% before",
        ),
    ],
)
def test_what_moved_far_is_an_alarm_in_plain_words(before, tmp_path, change, says):
    drift = drift_of(before, build(tmp_path / "v000002", **change))
    assert any(line.startswith(says) for line in drift["alarm"]), drift["alarm"]


@pytest.mark.parametrize(
    "change",
    [
        {"people": range(2, 42)},
        {"quality": 0.95},
        {"noise": 1.02},
        {"metrics": {"top1": 0.99, "ece": 0.0, "strangers_called_unknown": 1.0}},
        {"metrics": {"top1": 0.975}},
        {"quarantined": {"p1/k1": "unusable"}},
    ],
)
def test_what_moved_little_or_for_the_better_is_none(before, tmp_path, change):
    assert drift_of(before, build(tmp_path / "v000002", **change))["alarm"] == []


def test_embeddings_of_two_spaces_are_not_compared(before, tmp_path):
    drift = drift_of(before, build(tmp_path / "v000002", embedder="other"))
    assert drift["embeddings"] is None
    assert drift["photographs"]["removed"] == 0
    assert "can't be compared" in drift_markdown(drift)


def test_a_version_from_before_there_were_statistics_is_compared_by_what_it_has(before, tmp_path):
    after = build(tmp_path / "v000002", range(41))
    for name in ("statistics.json", "photographs.npz"):
        (before / name).unlink()
    drift = drift_of(before, after)
    assert drift["people"]["came"] == {"p40": "Person 40"}
    assert (drift["photographs"], drift["quarantined"], drift["embeddings"]) == (None, None, None)
    assert "not known which there were" in drift_markdown(drift)


def test_figures_that_one_has_not_are_not_measured(before, tmp_path):
    drift = drift_of(before, build(tmp_path / "v000002", metrics={"top1": None}))
    assert drift["figures"]["top1"] == {"before": 0.98, "after": None, "difference": None}
    assert "| top-1 | 98.00% | not measured | not measured |" in drift_markdown(drift)


def test_a_damaged_version_is_named(before, tmp_path):
    after = build(tmp_path / "v000002")
    (after / "statistics.json").write_text("{")
    with pytest.raises(RegistryError, match="v000001 and v000002 can't be compared"):
        drift_of(before, after)


def test_what_is_stored_does_not_name_who_left(before, tmp_path):
    drift = drift_of(before, build(tmp_path / "v000002", range(1, 41)))
    stored = without_names_of_who_left(drift)
    assert stored["people"]["left"] == 1
    assert "p0" not in json.dumps(stored)
    assert "Person 0" not in json.dumps(stored)
    text = drift_markdown(stored)
    assert "- **left** 1\n" in text
    assert "- **came** 1: Person 40 (p40)\n" in text
    assert alarms(drift) == drift["alarm"]


def test_the_report_begins_with_what_moved_far(before, tmp_path):
    drift = drift_of(before, build(tmp_path / "v000002", noise=1.5, metrics={"top1": 0.96}))
    text = drift_markdown(drift)
    head = text.split("- people")[0]
    assert head.startswith("## Drift\n\nAgainst v000001.\n\n- **")
    assert all(f"- **{line}**" in head for line in drift["alarm"])
    assert "| top-1 | 98.00% | 96.00% | -2.00 points |" in text
    assert " sd)" in text
    calm = drift_markdown(drift_of(before, before), "# One")
    assert calm.startswith("# One\n\nAgainst v000001.\n\nNothing moved beyond the limits.\n")


def test_the_report_says_why_there_is_none():
    damaged = {"schema": 1, "from": "v000001", "damage": "it can't be read"}
    assert drift_markdown(damaged) == "## Drift\n\nNot measured: it can't be read\n"
