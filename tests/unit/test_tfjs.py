"""TF.js forms: converted, loaded in node, compared; nothing half-made is left."""

import json
import re

import numpy as np
import pytest

from elenco.embedding.base import load_embedder
from elenco.errors import ExportError
from elenco.export.tfjs import (
    VENDOR,
    Form,
    check_parity,
    classifier_form,
    embedder_form,
    export_forms,
)
from elenco.fingerprint import file_sha256
from elenco.layout import Layout
from elenco.settings import load_settings
from elenco.storage import read_json


def head(classes=5, dim=16):
    """A small classifier with seeded weights; large ones, so that its answers differ."""
    import keras

    layers = [keras.Input((dim,)), keras.layers.Dense(classes, activation="softmax")]
    model = keras.Sequential(layers, name="head")
    random = np.random.default_rng(1)
    model.set_weights([random.normal(0, 5, w.shape) for w in model.get_weights()])
    return model


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """The packaged embedder and a classifier, exported together: folders, forms, differences."""
    folder = tmp_path_factory.mktemp("tfjs")
    settings = load_settings()
    embedder = load_embedder("dlib_resnet", settings, Layout.of(settings))
    forms = {
        folder / "embedder": embedder_form(embedder, "float16"),
        folder / "head": classifier_form(head()),
    }
    return folder, forms, export_forms(forms), embedder


def test_forms_answer_as_keras(exported):
    folder, forms, differences, _ = exported
    assert differences.keys() == forms.keys()
    for out, form in forms.items():
        assert 0 < differences[out] <= form.tolerance
        again = check_parity(form.model, out, form.probes, form.tolerance)
        assert again == pytest.approx(differences[out], rel=0.5)
    assert not list(folder.glob(".tmp-*"))


def test_a_classifiers_probes_are_unit_vectors_of_its_people_and_between_them():
    people = np.eye(16, dtype=np.float32)[:3]
    probes = classifier_form(head(), people).probes
    assert probes.dtype == np.float32
    np.testing.assert_array_equal(probes[:3], people)
    np.testing.assert_allclose(np.linalg.norm(probes, axis=1), 1, rtol=1e-6)
    np.testing.assert_allclose(np.sort(probes[3:] @ people.T, axis=1)[:, 1:], 0.5**0.5, rtol=1e-6)


def test_the_embedders_form_gives_unit_vectors_of_its_window(exported):
    folder, forms, _, embedder = exported
    form = forms[folder / "embedder"]
    assert form.probes.min() >= 0
    assert form.probes.max() <= 255
    vectors = np.asarray(form.model(form.probes))
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    meta = read_json(folder / "embedder" / "meta.json")
    assert meta["window"] == {"x": 28, "y": 28, "width": 200, "height": 200, "size": 150}
    assert meta["space"]["weights_sha256"] == embedder.space.weights_sha256
    assert meta["input_shape"] == [None, 150, 150, 3]
    assert meta["output_shape"] == [None, 128]


def test_meta_names_every_file_by_its_sha256(exported):
    folder, forms, differences, _ = exported
    for out in forms:
        meta = read_json(out / "meta.json")
        assert meta["max_difference"] == differences[out]
        assert meta["weights"] == forms[out].quantize
        files = {file.name for file in out.iterdir()} - {"meta.json"}
        assert files == meta["files"].keys()
        assert "model.json" in files
        assert all(file_sha256(out / name) == sha for name, sha in meta["files"].items())
    weights = json.loads((folder / "embedder" / "model.json").read_text())["weightsManifest"]
    kernels = [w for g in weights for w in g["weights"] if len(w["shape"]) == 4]
    assert kernels
    assert all(w["quantization"]["dtype"] == "float16" for w in kernels)


def test_a_form_that_differs_is_refused_with_the_figures(exported):
    folder, forms, *_ = exported
    form = forms[folder / "head"]
    other = head()
    other.set_weights([w * 1.1 for w in other.get_weights()])
    with pytest.raises(ExportError, match=r"head differs from Keras by \d\.\d+e.*2e-03"):
        check_parity(other, folder / "head", form.probes, 2e-3)


def test_a_form_of_another_shape_is_refused(exported):
    folder, forms, *_ = exported
    with pytest.raises(ExportError, match=r"shape \(32, 5\), Keras \(32, 6\)"):
        check_parity(head(classes=6), folder / "head", forms[folder / "head"].probes, 1e-3)


def test_a_form_that_does_not_load_is_refused(exported, tmp_path):
    folder, forms, *_ = exported
    form = forms[folder / "head"]
    with pytest.raises(ExportError, match=r"TF.js in node failed.*model.json"):
        check_parity(form.model, tmp_path, form.probes, 1e-3)


def test_a_model_that_tfjs_has_no_operation_for_leaves_nothing(tmp_path):
    import keras

    vector = keras.Input((4,))
    model = keras.Model(vector, keras.ops.erfinv(vector), name="odd")
    form = Form(model, np.zeros((1, 4), np.float32), 1e-4, "none")
    with pytest.raises(ExportError, match=r"converter failed.*[Uu]nsupported"):
        export_forms({tmp_path / "odd": form})
    assert list(tmp_path.iterdir()) == []


def test_an_existing_folder_is_left_alone(tmp_path):
    out = tmp_path / "head"
    out.mkdir()
    (out / "mine").write_text("mine")
    with pytest.raises(FileExistsError):
        export_forms({out: classifier_form(head())})
    assert [file.name for file in out.iterdir()] == ["mine"]


def test_an_answer_that_is_no_number_is_refused(exported):
    folder, forms, *_ = exported
    model = head()
    model.set_weights([np.full_like(w, np.nan) for w in model.get_weights()])
    with pytest.raises(ExportError, match="nan"):
        check_parity(model, folder / "head", forms[folder / "head"].probes, 1.0)


def test_vendored_files_are_the_published_ones():
    listed = dict(
        re.findall(
            r"^\| `([^`]+)` \|.*`([0-9a-f]{64})` \|$", (VENDOR / "README.md").read_text(), re.M
        )
    )
    files = {file.name for file in VENDOR.iterdir()} - {"README.md", "LICENSE"}
    assert listed.keys() == files
    assert {name: file_sha256(VENDOR / name) for name in files} == listed
