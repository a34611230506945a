import json
from dataclasses import asdict

import numpy as np
import pytest

from elenco.errors import NotEnoughData, SpaceMismatch
from elenco.layout import Layout
from elenco.recognition.dataset import read_dataset
from elenco.recognition.train import train_candidate, training_fingerprint
from elenco.settings import load_settings
from elenco.storage import read_json, read_npz, write_npz
from elenco.types import EmbeddingSpace
from elenco.vectors import unit

DIM = 16
SPACE = EmbeddingSpace("synthetic", "0", DIM, "none")
KEYS = {
    "people", "train_photographs", "test_photographs", "test_photographs_without_gallery", "top1",
    "top5", "named_right", "called_unknown", "named_wrong", "dir_at_fpir", "fpir",
    "strangers_called_unknown", "strangers_n", "svm_top1", "svm_people", "nearest_mean_top1", "ece",
    "dir_at_fpirs", "intervals", "people_without_test_photograph",
}  # fmt: skip


def write(folder, name, counts, space=SPACE, seed=0, people=None, spread=0.5):
    """`counts[n]` embeddings of person n."""
    people = people or max(len(counts), 1)
    centres = unit(np.random.default_rng(0).normal(size=(people, DIM)).astype(np.float32))
    labels = np.repeat(np.arange(len(counts), dtype=np.int64), counts)
    noise = np.random.default_rng(seed).normal(size=(len(labels), DIM)) * (spread / DIM**0.5)
    ids = np.array([f"p{n:03d}" for n in range(people)])
    folder.mkdir(exist_ok=True)
    write_npz(
        folder / f"{name}.npz",
        vectors=unit((centres[labels] + noise).astype(np.float32)),
        person_ids=ids[labels],
        names=np.array([f"Name of {person}" for person in ids])[labels],
        keys=np.array([f"{name}{n}" for n in range(len(labels))], dtype=str),
        labels=labels,
        people=ids,
        **{c: np.ones(len(labels), np.float32) for c in ("quality", "sizes", "sharpness", "yaws")},
        meta=np.array(json.dumps({"space": asdict(space), "version": "1"})),
    )
    return folder / f"{name}.npz"


def run(folder, train, test, quarantined=frozenset(), **options):
    paths = (
        write(folder, "train", train, people=20, **options),
        write(folder, "test", test, people=20, seed=1),
    )
    out = folder / "out"
    out.mkdir()
    settings = load_settings(evaluation={"bootstrap": 20, "gallery_sizes": [5]})
    trained = train_candidate(*paths, out, settings, Layout.of(settings), quarantined)
    return trained.metrics, out


@pytest.fixture(scope="module")
def version(tmp_path_factory):
    return run(tmp_path_factory.mktemp("version"), [6] * 20, [3] * 20)


def test_everything_is_written_and_agrees_in_order(version):
    import keras

    metrics, out = version
    assert {path.name for path in out.iterdir()} == {
        "classifier.keras", "gallery.npz", "labels.json", "calibration.json", "metrics.json",
        "sha256.json",
    }  # fmt: skip
    labels, gallery = read_json(out / "labels.json"), read_npz(out / "gallery.npz")
    assert labels["schema"] == 2
    assert EmbeddingSpace(**labels["space"]) == SPACE
    assert [person["id"] for person in labels["people"]] == gallery["person_ids"].tolist()
    assert labels["people"][3] == {"id": "p003", "name": "Name of p003"}
    assert gallery["counts"].tolist() == [6] * 20
    np.testing.assert_allclose(np.linalg.norm(gallery["means"], axis=1), 1, rtol=1e-5)
    assert read_json(out / "metrics.json") == metrics

    model = keras.saving.load_model(out / "classifier.keras")
    said = np.asarray(model(gallery["means"]))
    assert said.shape == (20, 21)
    assert said.argmax(axis=1).tolist() == list(range(20))


def test_the_metrics_are_those_of_the_saved_model(version):
    import keras

    metrics, out = version
    assert metrics.keys() >= KEYS
    test = read_dataset(out.parent / "test.npz")
    said = np.asarray(keras.saving.load_model(out / "classifier.keras")(test.vectors))
    answer = said.argmax(axis=1)
    assert metrics["called_unknown"] == pytest.approx((answer == 20).mean())
    assert metrics["named_right"] == pytest.approx((answer == test.labels).mean())
    assert metrics["top1"] == pytest.approx((said[:, :20].argmax(axis=1) == test.labels).mean())
    assert metrics["named_right"] + metrics["called_unknown"] + metrics[
        "named_wrong"
    ] == pytest.approx(1)
    assert metrics["top1"] > 0.95
    assert (metrics["people"], metrics["train_photographs"], metrics["test_photographs"]) == (
        20, 120, 60,
    )  # fmt: skip


def test_the_test_split_decides_nothing(version, tmp_path):
    _, out = version
    _, other = run(tmp_path, [6] * 20, [0, 9])
    assert read_json(out / "calibration.json") == read_json(other / "calibration.json")
    ours, theirs = (read_npz(path / "gallery.npz") for path in (out, other))
    np.testing.assert_array_equal(ours["means"], theirs["means"])


def test_two_people_with_one_photograph_each(tmp_path):
    metrics, out = run(tmp_path, [1, 1], [0, 1])
    calibration = read_json(out / "calibration.json")
    assert (metrics["people"], metrics["strangers_n"]) == (2, 1)
    assert np.isfinite([calibration["threshold"], calibration["scale"]]).all()


def test_an_empty_test_split_has_no_figures(tmp_path):
    metrics, _ = run(tmp_path, [3, 3, 3], [])
    assert metrics["test_photographs"] == 0
    assert [metrics[key] for key in ("top1", "top5", "named_right", "dir_at_fpir", "svm_top1")] == [
        None
    ] * 5
    assert metrics["strangers_n"] == metrics["strangers_people"] == 0


def test_a_quarantined_photograph_is_neither_trained_nor_measured_on(version, tmp_path):
    _, out = version
    names = read_dataset(out.parent / "train.npz").photographs()[:2]
    names += read_dataset(out.parent / "test.npz").photographs()[:3]
    metrics, _ = run(tmp_path, [6] * 20, [3] * 20, frozenset(names))
    assert (metrics["train_photographs"], metrics["test_photographs"]) == (118, 57)


def test_people_without_a_training_photograph_are_counted_apart(tmp_path):
    metrics, _ = run(tmp_path, [3, 0, 3], [2, 4, 2])
    assert metrics["people"] == 2
    assert (metrics["test_photographs"], metrics["test_photographs_without_gallery"]) == (4, 4)


@pytest.mark.parametrize("counts", [[], [5]])
def test_fewer_than_two_people_is_one_clear_line(tmp_path, counts):
    with pytest.raises(NotEnoughData, match=f"{len(counts)} of 2 people have a face") as caught:
        run(tmp_path, counts, [1])
    assert "\n" not in str(caught.value)


def test_splits_of_two_spaces_are_not_mixed(tmp_path):
    with pytest.raises(SpaceMismatch, match="two embedding spaces"):
        run(tmp_path, [3, 3], [1, 1], space=EmbeddingSpace("other", "0", DIM, "none"))


def test_a_missing_or_damaged_data_set_says_what_to_do(tmp_path):
    with pytest.raises(NotEnoughData, match="refresh first"):
        read_dataset(tmp_path / "train.npz")
    path = write(tmp_path, "train", [2, 2])
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(NotEnoughData, match="refresh again"):
        read_dataset(path)


def test_the_same_inputs_give_the_same_version(version, tmp_path):
    metrics, out = version
    again, other = run(tmp_path, [6] * 20, [3] * 20)
    assert again == metrics
    for path in out.iterdir():  # the network too, which Keras would put the time into
        assert path.read_bytes() == (other / path.name).read_bytes(), path.name


def test_the_fingerprint_changes_with_data_and_training_settings_alone():
    settings = load_settings(None)
    first = training_fingerprint("a", settings)
    assert first == training_fingerprint("a", load_settings(None, publish={"tolerance": 0.1}))
    assert first != training_fingerprint("b", settings)
    assert first != training_fingerprint("a", load_settings(None, training={"seed": 1}))
