"""A folder of photographs of people who do not exist, through all stages."""

import json
import shutil
import unicodedata

import cv2
import numpy as np
import pytest
from PIL import Image

from elenco.cli.evaluate import run
from elenco.demo.face_model import face_model, point
from elenco.demo.portraits import compose
from elenco.errors import ConfigError, NotEnoughData, RegistryError
from elenco.evaluation.folder import look_into
from elenco.faces.images import encode_jpeg
from elenco.layout import Layout
from elenco.recognition.dataset import read_dataset
from elenco.recognition.files import write_gallery
from elenco.recognition.fit import fit
from elenco.rights.denylist import deny
from elenco.settings import load_settings
from elenco.storage import read_npz, replace_symlink, write_npz


def fill(folder, names, photographs=1):
    for name in names:
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number in range(1, photographs + 1):
            (folder / name / f"{name}_{number:04d}.jpg").write_bytes(b"no picture")


def test_a_folder_needs_photographs_of_two_people(tmp_path, settings, layout):
    photos = tmp_path / "photos"
    with pytest.raises(ConfigError, match="there is no folder"):
        look_into(photos, settings, layout)
    photos.mkdir()
    (photos / "empty").mkdir()
    (photos / "loose.jpg").write_bytes(b"")
    with pytest.raises(ConfigError, match="no photographs"):
        look_into(photos, settings, layout)
    fill(photos, ["Ada"])
    with pytest.raises(NotEnoughData, match="of one person, 'Ada'"):
        look_into(photos, settings, layout)
    fill(photos, ["Bo"])
    folder = look_into(photos, settings, layout)
    assert (folder.people, folder.empty) == (["Ada", "Bo"], 1)


def test_its_work_is_kept_apart_from_that_of_other_folders(tmp_path, settings, layout):
    for name in ("a/my photos", "b/my photos"):
        fill(tmp_path / name, ["Ada", "Bo"])
    one, other = (look_into(tmp_path / n, settings, layout) for n in ("a/my photos", "b/my photos"))
    assert one.layout.data != other.layout.data
    assert one.layout.data.parent == layout.data / "evaluations"
    assert one.layout.data.name.startswith("my-photos-")
    assert one.settings.collect.test_fraction == 0
    assert one.layout.models == layout.models


@pytest.mark.parametrize(
    "names",
    [
        ("Ada", "ADA"),
        ("Ada_Lovelace", "Ada Lovelace"),
        ("Zoë", unicodedata.normalize("NFD", "Zoë")),
        ("Ada  B", "ada b"),
    ],
)
def test_two_folders_that_look_like_one_person_are_refused(tmp_path, settings, layout, names):
    photos = tmp_path / "photos"
    fill(photos, ["Other", *names])
    if len({path.name for path in photos.iterdir()}) < 3:
        pytest.skip("needs a file system that tells these names apart")
    with pytest.raises(ConfigError, match="duplicate names") as caught:
        look_into(photos, settings, layout)
    assert "\n" not in str(caught.value)


def test_pairs_are_of_a_folder(tmp_path):
    with pytest.raises(ConfigError, match="--photos"):
        run(None, tmp_path / "pairs.txt", 5, None, None)


def test_without_a_folder_there_must_be_a_version(monkeypatch, tmp_path):
    monkeypatch.setenv("ELENCO_PATHS__DATA", str(tmp_path / "data"))
    monkeypatch.setenv("ELENCO_PATHS__MODELS", str(tmp_path / "models"))
    with pytest.raises(RegistryError, match="refresh"):
        run(None, None, 5, None, None)


@pytest.fixture
def photos(tmp_path):
    """Four people with four photographs, two with two, and some that can't be used."""
    folder = tmp_path / "photos"
    for person in range(6):
        name = f"Person_{person}"
        (folder / name).mkdir(parents=True)
        for number in range(1, 5 if person < 4 else 3):
            rng = np.random.default_rng((person, number))
            look = point(np.random.default_rng(person)), point(rng)
            picture, _ = compose(rng, [face_model().sample(*look)], 210, 316)
            data = encode_jpeg(picture)
            (folder / name / f"{name}_{number:04d}.jpg").write_bytes(data)
    first = folder / "Person_2" / "Person_2_0001.jpg"
    with Image.open(first) as image:
        image.resize((180, 271)).save(folder / "Person_2" / "again.jpg", quality=60)
    (folder / "Person_0" / "broken.jpg").write_bytes(b"no picture")
    blank = np.full((120, 120, 3), 128, np.uint8)
    (folder / "Person_1" / "nobody.png").write_bytes(cv2.imencode(".png", blank)[1].tobytes())
    (folder / "Nobody").mkdir()
    return folder


@pytest.fixture
def environment(monkeypatch, tmp_path):
    for key, value in {
        "PATHS__DATA": tmp_path / "data",
        "PATHS__MODELS": tmp_path / "models",
        "EMBEDDING__EMBEDDER": "dlib_resnet",
        "EVALUATION__BOOTSTRAP": 50,
        "EVALUATION__GALLERY_SIZES": "[3, 10000]",
        "EVALUATION__ROBUSTNESS_PHOTOGRAPHS": 6,
    }.items():
        monkeypatch.setenv(f"ELENCO_{key}", str(value))


def test_a_folder_is_measured_from_photographs_to_a_report(photos, environment, tmp_path, capsys):
    pairs = tmp_path / "pairs.txt"
    same = [f"Person_{p}\t1\t2" for p in range(4)]
    other = [f"Person_{p}\t1\tPerson_{(p + 1) % 4}\t2" for p in range(4)]
    pairs.write_text("\n".join(["4", *same, *other]))
    run(photos, pairs, 4, tmp_path / "first", None)
    printed = capsys.readouterr().out
    assert "photos: 4 people with 8 photographs in the gallery" in printed
    assert f"report: {tmp_path / 'first' / 'report.md'}" in printed

    found = json.loads((tmp_path / "first" / "report.json").read_text())
    assert found["stages"] == {
        "people": {"given": 6, "kept": 6, "skipped": {}},
        "collect": {"given": 23, "kept": 22, "skipped": {"not_an_image": 1}},
        "detect": {"given": 22, "kept": 21, "skipped": {"no_face": 1}},
        "embed": {"given": 21, "kept": 21, "skipped": {}},
    }
    assert found["protocol"]["empty_folders"] == 1
    assert found["protocol"]["left_out"] == 1
    assert found["protocol"]["strangers"] == "others"
    assert found["figures"]["photographs"] == 8
    assert found["figures"]["stranger_photographs"] == 4
    assert found["figures"]["top1"]["value"] == 1
    assert len(found["robustness"]["conditions"]) == 5
    assert found["verification"]["pairs"] == 8
    assert found["verification"]["without_face"] == 0

    # Nothing is done again, and the bytes are the same.
    work = next((tmp_path / "data" / "evaluations").iterdir())
    before = {path: path.stat().st_mtime_ns for path in work.rglob("*.jpg")}
    assert len(before) == 21 + 22
    run(photos, pairs, 4, tmp_path / "second", None)
    assert {path: path.stat().st_mtime_ns for path in work.rglob("*.jpg")} == before
    for path in (tmp_path / "first").iterdir():
        assert path.read_bytes() == (tmp_path / "second" / path.name).read_bytes(), path.name

    # Who is not to come back is not measured either.
    settings = load_settings(collect={"source": "folder"})
    assert deny(Layout.of(settings), "Person_5")
    run(photos, None, 4, tmp_path / "third", None)
    found = json.loads((tmp_path / "third" / "report.json").read_text())
    assert found["stages"]["people"] == {"given": 6, "kept": 5, "skipped": {"denied": 1}}
    assert found["figures"]["stranger_photographs"] == 2
    assert found["verification"] is None

    # The same embeddings as those of a refresh, and the version that came of them.
    settings = load_settings()
    layout = Layout.of(settings)
    _as_refreshed(work, settings, layout)
    capsys.readouterr()
    run(None, None, 5, None, None)
    assert "v000001: 5 people with 10 photographs in the gallery" in capsys.readouterr().out
    out = layout.data / "evaluations" / "v000001"
    found = json.loads((out / "report.json").read_text())
    assert found["protocol"]["strangers"] == "left out in turn"
    assert found["figures"]["photographs"] == found["figures"]["stranger_photographs"] == 9
    assert found["robustness"]["photographs"] == 6
    assert (out / "report.md").exists()


def _as_refreshed(work, settings, layout):
    """Of each person two photographs to train on, the others held out."""
    arrays = read_npz(work / "processed" / "dlib_resnet" / "train.npz")
    number = np.arange(len(arrays["labels"]))
    number -= np.searchsorted(arrays["labels"], arrays["labels"])
    for split, rows in (("train", number < 2), ("test", number >= 2)):
        columns = {
            name: value if name in ("people", "meta") else value[rows]
            for name, value in arrays.items()
        }
        write_npz(layout.joined("dlib_resnet", split), **columns)
    shutil.copytree(work / "output", layout.data / "output")
    directory = layout.recogniser / "v000001"
    directory.mkdir(parents=True)
    train = read_dataset(layout.joined("dlib_resnet", "train"))
    write_gallery(fit(train, settings), directory)
    replace_symlink(layout.recogniser / "current", directory.name)


def test_pairs_of_other_photographs_are_refused(photos, environment, tmp_path):
    pairs = tmp_path / "pairs.txt"
    pairs.write_text("1\nPerson_0\t1\t9\nPerson_0\t1\tPerson_1\t1\n")
    with pytest.raises(ConfigError, match="Person_0_0009, which is not in"):
        run(photos, pairs, 4, None, None)
