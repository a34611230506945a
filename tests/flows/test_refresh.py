"""The daily refresh as its users run it."""

import itertools
import json
import re
from pathlib import Path

import numpy as np
import pytest

from elenco.publication import FORMS
from elenco.storage import read_json, read_npz
from tests.flows.conftest import (
    PEOPLE,
    CastServer,
    Workplace,
    artifacts,
    get_json,
    make_workplace,
)


def images(place: Workplace, kind: str) -> set[Path]:
    root = place.data / kind
    return {path.relative_to(root) for path in root.glob("*/*/*.jpg")}


def flow_runs(api: str, name: str) -> list[dict]:
    body = {
        "flows": {"name": {"any_": [name]}},
        "sort": "START_TIME_DESC",
    }
    return get_json(f"{api}/flow_runs/filter", body)


def test_the_layout_on_disk(refreshed):
    photographs, faces = images(refreshed, "images"), images(refreshed, "output")
    assert faces
    assert faces <= photographs
    assert {path.parts[0] for path in faces} == {"train", "test"}
    assert len({path.parts[1] for path in faces}) == PEOPLE
    current = refreshed.models / "recogniser" / "current"
    assert current.resolve().name == "v000001"
    for name in ("classifier.keras", "gallery.npz", "labels.json", "calibration.json", "card.md"):
        assert (current / name).is_file(), name
    for name in FORMS:
        assert (current / "tfjs" / name / "model.json").is_file(), name


def test_every_stage_accounts_for_all_it_was_given(refreshed):
    given = None
    state = refreshed.data / "state" / "tmdb"
    for stage in ("collect", "detect"):
        records = [read_json(path) for path in sorted((state / stage).glob("*.json"))]
        kept = sum(len(record["kept"]) for record in records)
        skipped = sum(len(record["skipped"]) for record in records)
        if given is not None:
            assert kept + skipped == given
        given = kept
    rows = {split: load(refreshed, split)["vectors"].shape[0] for split in ("train", "test")}
    assert sum(rows.values()) == given == len(images(refreshed, "output"))


def load(place: Workplace, split: str) -> dict[str, np.ndarray]:
    return read_npz(place.data / "processed" / "dlib_resnet" / f"{split}.npz")


def test_the_npz_serve_another_classifier(refreshed):
    train, test = load(refreshed, "train"), load(refreshed, "test")
    assert train["vectors"].dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(train["vectors"], axis=1), 1, atol=1e-4)
    assert (train["people"] == test["people"]).all()
    assert (train["people"][train["labels"]] == train["person_ids"]).all()
    assert not set(train["keys"]) & set(test["keys"])
    nearest = train["labels"][np.argmax(test["vectors"] @ train["vectors"].T, axis=1)]
    assert np.mean(nearest == test["labels"]) >= 0.9


def test_a_second_run_does_nothing_again(refreshed, prefect_api, cast_server: CastServer):
    before = {path: path.stat().st_mtime_ns for path in refreshed.folder.rglob("*.[jn]p[gz]")}
    asked = cast_server.images()
    done = refreshed.elenco("refresh")
    assert done.returncode == 0, done.stderr
    assert cast_server.images() == asked
    assert {p: p.stat().st_mtime_ns for p in refreshed.folder.rglob("*.[jn]p[gz]")} == before
    assert "nothing new" in done.stdout + done.stderr
    run = flow_runs(prefect_api, "daily_refresh")[0]
    assert run["state"]["type"] == "COMPLETED"
    tasks = get_json(
        f"{prefect_api}/task_runs/filter", {"flow_runs": {"id": {"any_": [run["id"]]}}}
    )
    states = {task["name"]: task["state_name"] for task in tasks}
    stages = {
        name: s for name, s in states.items() if name.startswith(("collect", "detect", "embed"))
    }
    assert len(stages) == 6
    assert set(stages.values()) == {"Cached"}, stages
    assert run["state"]["name"] == "Nothing new"


def test_runs_have_names_and_states_that_a_person_understands(refreshed, prefect_api):
    first = flow_runs(prefect_api, "daily_refresh")[-1]
    assert re.fullmatch(r"refresh \d{4}-\d\d-\d\d \d\d:\d\d UTC", first["name"])
    assert first["state"]["name"] == "Promoted"
    assert first["state"]["message"] == "v000001: first version"
    tasks = get_json(
        f"{prefect_api}/task_runs/filter", {"flow_runs": {"id": {"any_": [first["id"]]}}}
    )
    names = [task["name"] for task in tasks]
    for stage, what in (("collect", "people"), ("detect", "photos"), ("embed", "faces")):
        found = [re.sub(r"· \d+", "· N", name) for name in names if name.startswith(f"{stage} ")]
        assert sorted(found) == [f"{stage} {shard}/2 · N {what}" for shard in (1, 2)]


def test_what_was_deleted_is_made_again_and_nothing_else(
    tmp_path, prefect_api, cast_server: CastServer
):
    place = make_workplace(tmp_path, prefect_api, cast_server)
    assert place.elenco("refresh").returncode == 0
    faces = sorted((place.data / "output").glob("*/*/*.jpg"))
    photographs = sorted((place.data / "images").glob("*/*/*.jpg"))
    content = faces[0].read_bytes()
    faces[0].unlink()
    gone = photographs[-1]
    gone.unlink()
    kept = {path: path.stat().st_mtime_ns for path in faces[1:]}
    asked = cast_server.images()
    done = place.elenco("refresh")
    assert done.returncode == 0, done.stderr
    assert faces[0].read_bytes() == content
    assert gone.exists()
    now = cast_server.images()
    assert {key for key in now if now[key] != asked.get(key)} == {gone.stem}
    touched = {path for path, mtime in kept.items() if path.stat().st_mtime_ns != mtime}
    assert touched <= {place.data / "output" / gone.relative_to(place.data / "images")}


def test_every_flow_of_the_run_ends_with_a_report(refreshed, prefect_api):
    keys = {"daily-refresh", "train-recogniser", "publish-model", "over-days"}
    reports = artifacts(prefect_api, *keys)
    assert set(reports) == keys
    assert "| promoted | v000001 | 12 |" in reports["over-days"]
    assert "data:image/png" in reports["over-days"]


def summary_of(place: Workplace, api: str) -> str:
    """The report of a place's first refresh, which is named by where its version is."""
    body = {"artifacts": {"key": {"any_": ["daily-refresh"]}}, "sort": "CREATED_DESC"}
    found = [one["data"] for one in get_json(f"{api}/artifacts/filter", body)]
    return [text for text in found if f"`{place.models}/" in text][-1]


def rows_under(text: str, heading: str) -> list[list[str]]:
    """The cells of the table that follows a line, without its head."""
    lines = text[text.index(heading) :].splitlines()
    starts = next(n for n, line in enumerate(lines) if line.startswith("|---")) + 1
    table = itertools.takewhile(lambda line: line.startswith("|"), lines[starts:])
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table]


def test_the_summary_accounts_for_every_stage(refreshed, prefect_api):
    rows = rows_under(summary_of(refreshed, prefect_api), "| stage | given | kept ")
    assert [name for name, *_ in rows] == [
        *("list", "collect", "detect", "embed", "curate", "train"),
        *("export", "judge", "register"),
    ]
    kept = {}
    for name, given, stayed, reused, skipped, seconds, speed in rows[:6]:
        gone = sum(int(part.split()[0]) for part in skipped.split(", ") if part != "none")
        assert int(given) == int(stayed) + gone, name
        assert reused == "0"
        assert float(seconds) > 0
        assert float(speed.replace(",", "")) > 0
        kept[name] = int(stayed), int(given)
    for before, after in itertools.pairwise(("collect", "detect", "embed", "curate", "train")):
        assert kept[before][0] == kept[after][1]
    assert kept["list"][0] == PEOPLE
    assert kept["collect"][0] == len(images(refreshed, "images"))
    assert kept["detect"][0] == len(images(refreshed, "output"))
    skips = {name: skipped for name, _, _, _, skipped, _, _ in rows}
    assert "no_face" in skips["detect"]
    assert "near_duplicate" in skips["curate"]
    for _, *counts, seconds, speed in rows[6:]:
        assert [*counts, speed] == ["–"] * 5
        assert float(seconds) >= 0


def test_the_summary_says_where_things_are_and_what_became_of_the_model(refreshed, prefect_api):
    text = summary_of(refreshed, prefect_api)
    places = {name: Path(path.strip("`")) for name, path in rows_under(text, "## Where it is")}
    version = refreshed.models / "recogniser" / "v000001"
    assert places == {
        "version": version,
        "card": version / "card.md",
        "evaluation": version / "evaluation" / "report.md",
        "quarantine": refreshed.data / "processed" / "dlib_resnet" / "quarantine.html",
    }
    assert places["version"].is_dir()
    assert all(path.is_file() for name, path in places.items() if name != "version")
    assert "\n## v000001: promoted\n\nfirst version\n\nCurrent is now **v000001**.\n" in text
    assert "| **top-1**: the best person is the right one |" in text
    assert f"{PEOPLE} people in `state/tmdb/people/" in text
    assert "![faces](data:image/jpeg;base64," in text


def test_recognise_names_a_known_face_and_gives_the_documented_json(refreshed):
    test = load(refreshed, "test")
    pictures = [
        str(refreshed.data / "images" / "test" / person / f"{key}.jpg")
        for person, key in zip(test["person_ids"][:6], test["keys"][:6], strict=True)
    ]
    done = refreshed.elenco("recognise", "--json", *pictures)
    assert done.returncode == 0, done.stderr
    answers = json.loads(done.stdout)
    assert [answer["image"] for answer in answers] == pictures
    right = 0
    for answer, person in zip(answers, test["person_ids"][:6], strict=True):
        assert answer["faces"]
        for face in answer["faces"]:
            assert set(face) == {"box", "person_id", "name", "probability"}
            assert len(face["box"]) == 4
            assert (face["person_id"] is None) == (face["name"] is None)
            assert 0 <= face["probability"] <= 1
        right += any(face["person_id"] == person for face in answer["faces"])
    assert right >= 5


def test_recognise_says_which_picture_is_broken_and_does_the_others(refreshed, tmp_path):
    page = tmp_path / "page.jpg"
    page.write_text("<html>not a picture</html>")
    good = next((refreshed.data / "images" / "train").glob("*/*.jpg"))
    done = refreshed.elenco("recognise", str(page), str(good))
    assert done.returncode == 1
    assert "not_an_image" in done.stderr
    assert "Traceback" not in done.stderr
    assert str(good) in done.stdout


def test_models_commands(refreshed):
    listed = refreshed.elenco("models", "list")
    assert listed.returncode == 0
    assert "v000001" in listed.stdout
    assert "top-1" in refreshed.elenco("models", "show").stdout
    wrong = refreshed.elenco("models", "promote", "v000099")
    assert wrong.returncode == 1
    assert "v000001" in wrong.stderr
    back = refreshed.elenco("models", "rollback")
    assert back.returncode == 1
    assert "Traceback" not in wrong.stderr + back.stderr


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"ELENCO_TMDB__TOKEN": ""}, "ELENCO_TMDB__TOKEN"),
        ({"ELENCO_TMDB__TOKEN": "wrong-secret"}, "token"),
        ({"ELENCO_TMDB__TERMS_ACCEPTED": "false"}, "terms_accepted"),
        (
            {"ELENCO_TMDB__API_URL": "http://127.0.0.1:9/3", "ELENCO_TMDB__RETRIES": "0"},
            "127.0.0.1",
        ),
        ({"ELENCO_EMBEDDING__EMBEDDER": "nosuch"}, "dlib_resnet"),
        ({"ELENCO_COLLECT__SOURCE": "folder", "ELENCO_COLLECT__FOLDER": "nowhere"}, "nowhere"),
        ({"ELENCO_COLLECT__PEOPLE": "1"}, "collect.people"),
    ],
    ids=lambda value: "-".join(value.values()) if isinstance(value, dict) else None,
)
def test_a_mistake_gives_one_line_and_loses_nothing(refreshed, prefect_api, change, says):
    before = {p: p.stat().st_mtime_ns for p in refreshed.data.rglob("*.[jn]p[gz]")}
    done = refreshed.elenco("refresh", **change)
    assert done.returncode == 1
    line = done.stderr.strip().splitlines()[-1]
    assert line.startswith("elenco: ")
    assert says in line
    told = {run["state"]["message"] for run in flow_runs(prefect_api, "daily_refresh")}
    if "collect.people" not in says:  # a setting that is none is found before there is a run
        assert line.removeprefix("elenco: ") in told
    assert "Traceback" not in done.stderr
    assert "wrong-secret" not in done.stdout + done.stderr
    assert {p: p.stat().st_mtime_ns for p in refreshed.data.rglob("*.[jn]p[gz]")} == before
    assert (refreshed.models / "recogniser" / "current" / "card.md").exists()
