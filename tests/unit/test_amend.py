"""People are added to and taken out of a version by hand."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from elenco import amend
from elenco.amend import add_person, remove_person
from elenco.cli import models
from elenco.demo.synthetic import SyntheticCast
from elenco.embedding.dlib_resnet import SPACE
from elenco.errors import ConfigError, ElencoError, Locked, NotEnoughData, RegistryError
from elenco.layout import Layout
from elenco.lock import hold
from elenco.recognition.files import load_gallery
from elenco.registry import Registry
from elenco.rights.denylist import deny
from elenco.settings import Settings
from elenco.storage import read_json, read_npz
from elenco.types import PublishedRef
from tests.curated_data import collected, curated, publish, settings_in

ADA = "Ada_Aldercombe"


@pytest.fixture(scope="module")
def photographs(tmp_path_factory) -> Path:
    """Of somebody who does not exist, and two files that can't be used."""
    folder = tmp_path_factory.mktemp("photographs") / ADA
    folder.mkdir()
    cast = SyntheticCast(3)
    kept = 0
    for photo in cast.photos(cast.people[0]):
        data = cast.image(photo.path, "h632")
        if data.startswith(b"\xff\xd8") and data.endswith(b"\xff\xd9") and len(data) > 20_000:
            (folder / f"{kept}.jpg").write_bytes(data)
            kept += 1
        if kept == 3:
            break
    (folder / "page.jpg").write_text("<html>not a picture</html>")
    (folder / "flat.png").write_bytes(grey())
    (folder / "notes.txt").write_text("no picture")
    return folder


def grey() -> bytes:
    import cv2

    return cv2.imencode(".png", np.full((200, 150, 3), 128, np.uint8))[1].tobytes()


@pytest.fixture(scope="module")
def start(tmp_path_factory) -> Path:
    """A folder with one version of 20 people, whose vectors are made up."""
    place = tmp_path_factory.mktemp("start") / "place"
    settings = settings_of(place)
    layout = Layout.of(settings)
    collected(layout)
    publish(settings, layout, space=SPACE)
    return place


def settings_of(place: Path) -> Settings:
    return settings_in(place, embedding={"embedder": "dlib_resnet"})


@pytest.fixture
def place(start, tmp_path, monkeypatch) -> tuple[Settings, Layout]:
    """A copy of it. TF.js forms are made and tested elsewhere: they take long."""
    shutil.copytree(start, tmp_path / "place", symlinks=True)
    settings = settings_of(tmp_path / "place")
    monkeypatch.setattr(amend, "export", lambda trained, settings, layout: {})
    return settings, Layout.of(settings)


def current(layout: Layout) -> Path:
    return Registry(layout.recogniser).current()


def photographs_and_vectors(layout: Layout) -> dict[Path, int]:
    found = [p for p in layout.data.rglob("*") if p.suffix in (".jpg", ".png", ".npz")]
    return {path: path.stat().st_mtime_ns for path in found}


def events(layout: Layout) -> list[dict[str, str]]:
    log = layout.recogniser / "promotions.jsonl"
    return [json.loads(line) for line in log.read_text().splitlines()]


def test_a_person_is_added_without_changing_anybody_else(place, photographs):
    settings, layout = place
    before = load_gallery(current(layout))
    data = photographs_and_vectors(layout)
    done = add_person(photographs, settings, layout)
    assert (done.version, done.before) == ("v000002", "v000001")
    assert (done.person.id, done.person.name) == (ADA, "Ada Aldercombe")
    assert done.photographs.given == 5
    assert done.photographs.kept == 3
    assert done.photographs.skipped == {"no_face": 1, "not_an_image": 1}
    assert [(s.id, s.reason) for s in done.skipped] == [
        ("flat.png", "no_face"),
        ("page.jpg", "not_an_image"),
    ]
    assert current(layout).name == "v000002"
    after = load_gallery(current(layout))
    places = {person.id: place for place, person in enumerate(after.people)}
    others = [places[person.id] for person in before.people]
    np.testing.assert_array_equal(after.vectors[others], before.vectors)
    np.testing.assert_array_equal(after.means[others], before.means)
    assert after.counts[places[ADA]] == 3
    assert (after.threshold, after.scale) == (before.threshold, before.scale)
    found = after.search(after.means[places[ADA]][None])
    assert found.candidates[0, 0] == places[ADA]
    assert found.scores[0, 0] >= after.threshold
    # Neither photographs nor faces of theirs are kept, and nothing else was touched.
    assert photographs_and_vectors(layout) == data
    assert not list(layout.data.glob(".tmp-*"))


def test_the_version_says_what_it_was_made_of(place, photographs):
    settings, layout = place
    add_person(photographs, settings, layout, "Ada A.", "ada")
    card = read_json(current(layout) / "card.json")
    [step] = card["amends"]
    assert (step["version"], step["person_id"]) == ("v000001", "ada")
    assert len(step["photographs"]) == 3
    assert card["people"] == 21
    assert card["data"]["photographs"] == {"train": 122, "test": 59}
    base = read_json(layout.recogniser / "v000001" / "card.json")
    assert card["fingerprint"] != base["fingerprint"]
    assert card["metrics"] == base["metrics"]
    text = (current(layout) / "card.md").read_text()
    assert all(sha256 in text for sha256 in step["photographs"])
    assert "| made of | v000001 with a person more ada; " in text
    assert "Figures are those of the version that was trained" in text
    verdict = read_json(current(layout) / "verdict.json")
    assert (verdict["promote"], verdict["against"]) == (True, "v000001")
    drift = read_json(current(layout) / "drift.json")
    assert drift["people"]["came"] == {"ada": "Ada A."}
    assert (drift["photographs"]["added"], drift["photographs"]["removed"]) == (3, 0)
    labels = read_json(current(layout) / "labels.json")
    assert {"id": "ada", "name": "Ada A."} in labels["people"]
    # The log is never cleaned: it names nobody.
    assert events(layout)[-1]["reason"] == "by hand: v000001 with a person more"


def test_a_person_is_removed_and_named_nowhere(place, photographs):
    settings, layout = place
    add_person(photographs, settings, layout, "Zelda Zimmer", "zelda-9")
    done = remove_person("zelda-9", settings, layout)
    assert isinstance(done, PublishedRef)
    assert (done.version, done.current) == ("v000003", "v000003")
    for path in current(layout).rglob("*"):
        content = path.read_bytes() if path.is_file() else b""
        assert b"elda" not in content, path
    back, trained = load_gallery(current(layout)), load_gallery(layout.recogniser / "v000001")
    assert back.people == trained.people
    np.testing.assert_array_equal(back.vectors, trained.vectors)
    drift = read_json(current(layout) / "drift.json")
    assert (drift["people"]["left"], drift["photographs"]["removed"]) == (1, 3)
    one, other = (
        read_npz(layout.recogniser / name / "photographs.npz") for name in ("v000001", "v000003")
    )
    assert all((one[name] == other[name]).all() for name in one)
    assert "elda" not in json.dumps(events(layout))


def test_a_trained_person_is_removed_with_their_photographs(place):
    settings, layout = place
    remove_person("p003", settings, layout)
    assert "p003" not in {p.id for p in load_gallery(current(layout)).people}
    drift = read_json(current(layout) / "drift.json")
    # 6 and 3, of which one is quarantined.
    assert (drift["photographs"]["removed"], drift["people"]["left"]) == (8, 1)
    assert Registry(layout.recogniser).rollback() == "v000001"


def test_a_refresh_of_the_same_data_leaves_the_amended_version_in_use(place, photographs):
    settings, layout = place
    add_person(photographs, settings, layout)
    done = publish(settings, layout, space=SPACE)
    assert (done.version, done.outcome, done.current) == ("v000001", "nothing new", "v000002")
    done = publish(settings, layout, people=range(21), space=SPACE, name="tomorrow's")
    assert (done.version, done.outcome, done.current) == ("v000003", "promoted", "v000003")


def test_who_looks_like_somebody_known_is_told(place, photographs):
    settings, layout = place
    add_person(photographs, settings, layout, "Ada", "ada")
    done = add_person(photographs, settings, layout, "Ada again", "ada-2")
    assert done.alike == {"ada": 3}


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"person_id": "p001"}, r"v000001 knows Person 1 \(p001\) already: .*remove-person p001"),
        ({"person_id": "a/b"}, "can't name a file"),
        ({"person_id": "bo"}, "bo was forgotten .*: `elenco forget --lift bo` first"),
    ],
)
def test_who_can_not_be_added_is_one_line(place, photographs, options, says):
    settings, layout = place
    deny(layout, "bo")
    with pytest.raises(ElencoError, match=says) as caught:
        add_person(photographs, settings, layout, **options)
    assert "\n" not in str(caught.value)
    assert Registry(layout.recogniser).names() == ["v000001"]


def test_folders_without_a_usable_photograph_are_one_line(place, photographs, tmp_path):
    settings, layout = place
    bad, empty = tmp_path / "bad", tmp_path / "empty"
    bad.mkdir(), empty.mkdir()
    for name in ("flat.png", "page.jpg"):
        shutil.copy(photographs / name, bad)
    with pytest.raises(NotEnoughData, match=r"of 2 in .*bad can be used \(1 no_face, 1 not_an"):
        add_person(bad, settings, layout)
    with pytest.raises(ConfigError, match=r"no picture in .*empty"):
        add_person(empty, settings, layout)
    with pytest.raises(ConfigError, match="there is no folder"):
        add_person(tmp_path / "nowhere", settings, layout)
    assert not list(layout.data.glob(".tmp-*"))


def test_faces_of_too_low_a_quality_are_counted(place, photographs):
    settings, layout = place
    strict = settings.curation.model_copy(update={"min_quality": 1.0})
    with pytest.raises(NotEnoughData, match="3 unusable"):
        add_person(photographs, settings.model_copy(update={"curation": strict}), layout)


def test_who_can_not_be_removed_is_one_line(place):
    settings, layout = place
    with pytest.raises(ElencoError, match=r"v000001 knows nobody of the id 'nobody'"):
        remove_person("nobody", settings, layout)
    for n in range(2, 20):
        remove_person(f"p{n:03d}", settings, layout)
    with pytest.raises(NotEnoughData, match="knows 2 people, and a recogniser needs 2"):
        remove_person("p000", settings, layout)


def test_nothing_is_changed_while_a_refresh_works(place, photographs):
    settings, layout = place
    with hold(settings):
        for act in (
            lambda: add_person(photographs, settings, layout),
            lambda: remove_person("p000", settings, layout),
        ):
            with pytest.raises(Locked):
                act()


def test_without_a_version_there_is_nothing_to_amend(tmp_path, photographs):
    settings = settings_of(tmp_path)
    with pytest.raises(RegistryError, match="no version promoted yet"):
        add_person(photographs, settings, Layout.of(settings))


def test_of_a_killed_run_the_next_makes_the_same(place, photographs, monkeypatch):
    settings, layout = place

    def killed(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(amend, "note", killed)
    with pytest.raises(KeyboardInterrupt):
        add_person(photographs, settings, layout)
    assert len(list(layout.recogniser.glob(".candidate-*"))) == 1
    monkeypatch.undo()
    monkeypatch.setattr(amend, "export", lambda trained, settings, layout: {})
    assert add_person(photographs, settings, layout).version == "v000002"
    assert not list(layout.recogniser.glob(".candidate-*"))


def test_curated_data_of_the_tests_is_of_the_space(start):
    layout = Layout.of(settings_of(start))
    assert load_gallery(current(layout)).space == SPACE
    assert curated(layout, space=SPACE).dataset.people == 20


def test_the_commands_say_what_was_done_and_what_a_refresh_does(
    place, photographs, monkeypatch, capsys
):
    settings, _ = place
    for name in ("data", "models"):
        monkeypatch.setenv(f"ELENCO_PATHS__{name.upper()}", str(getattr(settings.paths, name)))
    monkeypatch.setenv("ELENCO_EMBEDDING__EMBEDDER", "dlib_resnet")
    models.add(photographs, None, "ada", None)
    models.add(photographs, "Eve", "eve", None)
    models.remove("ada", None)
    assert capsys.readouterr().out.splitlines() == [
        "photographs: 5 given, 3 used, 2 left out",
        "  flat.png: no_face (150x200 pixels)",
        "  page.jpg: not_an_image (starts with b'<html>not a pict')",
        "v000002 is current: v000001 and Ada Aldercombe (ada)",
        "a refresh keeps them only if the source lists them: put their TMDB number into the list "
        "of people (collect.cast)",
        "photographs: 5 given, 3 used, 2 left out",
        "  flat.png: no_face (150x200 pixels)",
        "  page.jpg: not_an_image (starts with b'<html>not a pict')",
        "v000002 takes 3 of them for ada: are these two people?",
        "v000003 is current: v000002 and Eve (eve)",
        "a refresh keeps them only if the source lists them: put their TMDB number into the list "
        "of people (collect.cast)",
        "v000004 is current: it does not know ada",
        "a refresh brings them back if the source lists them: take them off it, or "
        "`elenco forget ada`, which deletes their photographs too",
    ]
