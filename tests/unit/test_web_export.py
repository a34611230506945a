"""The page as a folder: what is in it, that its numbers are right, and what is refused.

The five networks are tiny ones of the real ones' inputs and outputs.
"""

import json
import shutil
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from elenco.embedding.base import embedding_space, mirrored
from elenco.errors import ExportError, RegistryError
from elenco.export import web
from elenco.export.tfjs import (
    DETECTOR,
    VENDOR,
    Form,
    classifier_form,
    embedder_form,
    export_forms,
    run_in_node,
)
from elenco.export.web import PAGE, export_web, probe_picture
from elenco.export.web_readme import readme
from elenco.faces.crops import DLIB_WINDOW
from elenco.fingerprint import file_sha256
from elenco.layout import Layout
from elenco.recognition.files import build, load_gallery, write_gallery
from elenco.recognition.gallery import Gallery
from elenco.recognition.scoring import Cohort
from elenco.registry import Registry
from elenco.rights.denylist import deny
from elenco.rights.notice import TMDB_NOTICE
from elenco.settings import load_settings
from elenco.storage import read_json, replace_symlink, write_json
from elenco.types import Person
from elenco.vectors import unit
from tests.web.node import ask

PEOPLE = 40


def gallery_of(space):
    random = np.random.default_rng(0)
    vectors = unit(random.normal(size=(PEOPLE, space.dim)).astype(np.float32))
    return Gallery(
        space=space,
        people=tuple(Person(f"id-{i}", f"Zoë {i}") for i in range(PEOPLE)),
        counts=np.ones(PEOPLE, np.int64),
        means=vectors,
        projection=np.eye(space.dim, dtype=np.float32),
        vectors=vectors,
        cohort=Cohort(np.zeros((PEOPLE, 2), np.int64), np.full((PEOPLE, 2), 0.1, np.float32)),
        cohort_weight=0.3,
        threshold=0.4,
        scale=40.0,
        false_positive_rate=0.01,
    )


def tiny(name, shape, outputs):
    """A network of one kernel; where sides are open, one answer a window."""
    import keras
    from keras import layers

    image = keras.Input(shape, name="image")
    if None in shape:
        x = layers.Conv2D(outputs, 12, 2)(image)
    else:
        x = layers.Dense(outputs)(layers.Flatten()(layers.AveragePooling2D(6)(image)))
    if name == "embedder":
        x = layers.UnitNormalization(axis=-1)(x)
    return keras.Model(image, x, name=name)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A models directory with a version in use, as publishing leaves it."""
    import keras

    keras.utils.set_random_seed(0)
    root = tmp_path_factory.mktemp("web")
    settings = settings_of(root)
    gallery = gallery_of(embedding_space(settings))
    directory = settings.paths.models / "recogniser" / "v000001"
    directory.mkdir(parents=True)
    write_gallery(gallery, directory)
    write_json(directory / "card.json", {"source": "folder"})
    outputs = {"pnet": 5, "rnet": 5, "onet": 15}
    shapes = {"pnet": (None, None, 3), "rnet": (24, 24, 3), "onet": (48, 48, 3)}
    networks = {name: tiny(name, shapes[name], outputs[name]) for name in DETECTOR}
    networks["embedder"] = tiny("embedder", (150, 150, 3), 128)
    forms = {
        directory / "tfjs" / name: Form(
            model,
            probe_picture((2, *(24 if side is None else side for side in model.input_shape[1:]))),
            1e-4,
            "none",
            {"input": "RGB", "output": "numbers", "window": vars(DLIB_WINDOW)},
        )
        for name, model in networks.items()
    }
    forms[directory / "tfjs" / "classifier"] = classifier_form(build(gallery), gallery.means)
    embedder: Any = SimpleNamespace(
        model=mirrored(tiny("plain", (150, 150, 3), 16)), space=gallery.space, window=DLIB_WINDOW
    )
    forms[root / "mirrored"] = embedder_form(embedder, "none")
    export_forms(forms)
    replace_symlink(directory.parent / "current", "v000001")
    return root


@pytest.fixture
def version(models, tmp_path):
    """Settings and layout of a copy of it."""
    shutil.copytree(models, tmp_path / "site", symlinks=True)
    settings = settings_of(tmp_path / "site")
    return settings, Layout.of(settings)


def settings_of(root):
    paths = {"data": root / "data", "models": root / "models"}
    return load_settings(
        paths=paths,
        collect={"source": "folder", "folder": root, "max_megapixels": 12},
        embedding={"embedder": "dlib_resnet"},
        faces={"min_face_pixels": 24},
    )


def files_of(folder):
    return {p.relative_to(folder).as_posix(): p for p in folder.rglob("*") if p.is_file()}


def test_the_folder_holds_the_page_the_models_and_their_hashes(version, tmp_path):
    written = export_web(tmp_path / "out" / "page", *version)
    files = files_of(tmp_path / "out" / "page")
    meta = read_json(files.pop("meta.json"))
    assert meta["files"] == written.files
    assert meta["files"] == {
        name: {"bytes": path.stat().st_size, "sha256": file_sha256(path)}
        for name, path in files.items()
    }
    own = {path.name for path in PAGE.iterdir()}
    vendor = {f"vendor/{path.name}" for path in VENDOR.iterdir()}
    names = (*DETECTOR, "embedder", "classifier")
    models = {f"models/{name}/{file}" for name in names for file in ("model.json", "weights.bin")}
    assert files.keys() == own | vendor | models | {"labels.json"}
    assert list(meta["models"]) == list(names)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["page"]


def test_it_says_what_recognising_needs(version, tmp_path):
    settings, layout = version
    written = export_web(tmp_path / "page", settings, layout)
    meta = read_json(tmp_path / "page" / "meta.json")
    gallery = load_gallery(layout.recogniser / "v000001")
    people = read_json(tmp_path / "page" / "labels.json")["people"]
    assert [(p["id"], p["name"]) for p in people] == [(p.id, p.name) for p in gallery.people]
    assert (written.version, written.people) == (meta["version"], meta["people"])
    assert (meta["version"], meta["people"]) == ("v000001", PEOPLE)
    assert meta["max_megapixels"] == 12
    assert meta["detector"]["min_face_pixels"] == 24
    assert meta["detector"]["min_score"] == settings.faces.min_score
    assert meta["window"] == vars(DLIB_WINDOW)
    assert meta["space"] == vars(gallery.space)
    assert meta["calibration"]["threshold"] == 0.4


def test_the_probes_are_the_models_answers(version, tmp_path):
    export_web(tmp_path / "page", *version)
    meta = read_json(tmp_path / "page" / "meta.json")
    for name, probe in meta["probes"].items():
        shape = tuple(probe["shape"])
        given = np.array(probe["input"], np.float32).reshape(shape) if "input" in probe else None
        inputs = probe_picture(shape) if given is None else given
        answer = run_in_node(tmp_path / "page" / "models" / name, inputs).ravel()
        np.testing.assert_allclose(answer[-len(probe["last"]) :], probe["last"], atol=1e-6)
    unsure = meta["probes"]["classifier"]["last"]
    assert 0.1 < max(unsure) < 0.9  # half way between two people


def test_the_page_asks_the_same_probes():
    shape = (1, 7, 5, 3)
    lines = 'const { probePicture } = await use("numbers.js"); return [...probePicture(value)];'
    assert ask(lines, shape) == probe_picture(shape).ravel().tolist()


def test_an_embedder_that_averages_with_the_mirror_image_has_a_form(models):
    """Its two last products were taken for a product and its bias, which TF.js does not run."""
    form = models / "mirrored"
    probes = probe_picture((3, 150, 150, 3))
    both = [run_in_node(form, np.ascontiguousarray(p)) for p in (probes, probes[:, :, ::-1])]
    np.testing.assert_allclose(both[0], both[1], atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(both[0], axis=1), 1, atol=1e-5)


def test_the_readme_says_it_in_words_and_numbers(version, tmp_path):
    written = export_web(tmp_path / "page", *version)
    text = (tmp_path / "page" / "README.md").read_text()
    meta = read_json(tmp_path / "page" / "meta.json")
    assert "{{" not in text
    for said in (
        "v000001",
        "40 people",
        f"models of {written.megabytes:.1f} MB",
        "200×200 pixels from (28, 28)",
        "150×150",
        "0.4000",
        "40.0",
    ):
        assert said in text, said
    for name, probe in meta["probes"].items():
        assert f"`{name}`" in text
        assert f"{probe['last'][-1]:.5f}" in text
    (example,) = text.split("```html\n")[1:]
    example = example.split("```")[0]
    assert len(example.splitlines()) <= 32
    assert 'from "./recognise.js"' in example
    with pytest.raises(ExportError, match="colour"):
        readme("{{colour}}", meta, 1.0)


def test_the_same_version_gives_the_same_bytes(version, tmp_path):
    for name in ("one", "two"):
        export_web(tmp_path / name, *version)
    one, two = files_of(tmp_path / "one"), files_of(tmp_path / "two")
    assert {n: p.read_bytes() for n, p in one.items()} == {
        n: p.read_bytes() for n, p in two.items()
    }


def test_an_earlier_page_is_replaced_and_anything_else_left_alone(version, tmp_path):
    out = tmp_path / "page"
    export_web(out, *version)
    (out / "old.js").write_text("of the release before")
    export_web(out, *version)
    assert not (out / "old.js").exists()
    other = tmp_path / "mine"
    other.mkdir()
    (other / "meta.json").write_text('{"mine": 1}')
    with pytest.raises(ExportError, match="no such page"):
        export_web(other, *version)
    assert list(files_of(other)) == ["meta.json"]


def test_models_that_are_too_large_are_stored_in_fewer_bytes(version, tmp_path, monkeypatch):
    exact = export_web(tmp_path / "exact", *version)
    assert exact.stored["embedder"] == "float16"
    assert exact.stored["classifier"] == "float32"
    # What is left for embedder and classifier decides; the embedder gives first.
    monkeypatch.setitem(web.MEGABYTES_OF, "dlib_resnet", exact.megabytes * 0.75)
    rounded = export_web(tmp_path / "rounded", *version)
    assert rounded.megabytes < exact.megabytes
    assert rounded.stored["embedder"] == "uint8"
    assert all(rounded.stored[name] == "float32" for name in DETECTOR)
    meta = read_json(tmp_path / "rounded" / "meta.json")
    assert 0 < meta["models"]["embedder"]["max_difference"] <= web.TOLERANCE["embedder"] + 1e-4
    monkeypatch.setitem(web.MEGABYTES_OF, "dlib_resnet", 0.01)
    with pytest.raises(ExportError, match=r"models of 40 people do not fit into 0\.01 MB"):
        export_web(tmp_path / "none", *version)
    assert not (tmp_path / "none").exists()


def test_a_model_that_rounding_changes_too_much_is_refused(version, tmp_path, monkeypatch):
    monkeypatch.setitem(web.TOLERANCE, "embedder", 1e-9)
    with pytest.raises(ExportError, match="embedder differs by"):
        export_web(tmp_path / "page", *version)
    assert not (tmp_path / "page").exists()


def test_a_version_that_knows_a_forgotten_person_is_not_exported(version, tmp_path):
    settings, layout = version
    deny(layout, "id-7")
    with pytest.raises(ExportError, match="v000001 knows a person who was forgotten"):
        export_web(tmp_path / "page", settings, layout)
    assert not (tmp_path / "page").exists()


def test_a_damaged_form_is_not_exported(version, tmp_path):
    settings, layout = version
    form = layout.recogniser / "v000001" / "tfjs" / "embedder"
    (weights,) = form.glob("*.bin")
    weights.write_bytes(weights.read_bytes()[:-4] + b"\0\0\0\0")
    with pytest.raises(ExportError, match="embedder of v000001 is damaged"):
        export_web(tmp_path / "page", settings, layout)


def test_a_version_without_forms_and_no_version_are_said(version, tmp_path):
    settings, layout = version
    shutil.rmtree(layout.recogniser / "v000001" / "tfjs" / "classifier")
    with pytest.raises(ExportError, match=r"v000001 has no TF\.js form of its classifier"):
        export_web(tmp_path / "page", settings, layout)
    (layout.recogniser / "current").unlink()
    with pytest.raises(RegistryError, match="no version promoted"):
        export_web(tmp_path / "page", settings, layout)


def test_an_embedder_that_enlarges_its_window_is_refused(version, tmp_path):
    settings, layout = version
    path = layout.recogniser / "v000001" / "tfjs" / "embedder" / "meta.json"
    meta = json.loads(path.read_text())
    meta["window"] |= {"width": 100}
    path.write_text(json.dumps(meta))
    with pytest.raises(ExportError, match="enlarges its window"):
        export_web(tmp_path / "page", settings, layout)


@pytest.mark.parametrize(("source", "words"), [("tmdb", TMDB_NOTICE), ("folder", "")])
def test_the_words_that_tmdb_asks_for_go_along(version, tmp_path, source, words):
    settings, layout = version
    write_json(Registry(layout.recogniser).current() / "card.json", {"source": source})
    export_web(tmp_path / "page", settings, layout)
    assert read_json(tmp_path / "page" / "meta.json")["notice"] == words
