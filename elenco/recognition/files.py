"""A gallery in a version's directory, and its Keras form."""

import io
import json
import tempfile
import zipfile
from dataclasses import asdict
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from elenco.errors import RegistryError
from elenco.integrity import verify_digests, write_digests
from elenco.quiet import import_tensorflow
from elenco.recognition.gallery import Gallery
from elenco.recognition.scoring import Cohort
from elenco.storage import read_json, read_npz, write_bytes, write_json, write_npz
from elenco.types import EmbeddingSpace, Person

if TYPE_CHECKING:
    import keras

LABELS_SCHEMA = 2
_ARRAYS = ("counts", "means", "projection", "vectors")


def write_gallery(gallery: Gallery, out: Path) -> None:
    """Write a gallery into a directory.

    classifier.keras   the recogniser as a network: see `build`
    gallery.npz        person_ids text (c,); counts i64 (c,); means f32 (c, d), unit length, of
                       the embeddings; projection f32 (d, d), vectors f32 (c, d),
                       cohort_people i64 (c, m), cohort_scores f32 (c, m): see `Gallery`
    labels.json        schema, embedding space, people (id, name) in the order of the outputs
    calibration.json   threshold, scale, cohort_weight, false_positive_rate
    sha256.json        of every file in the directory: see `write_digests`
    """
    _save(build(gallery), out / "classifier.keras")
    people = [{"id": person.id, "name": person.name} for person in gallery.people]
    write_npz(
        out / "gallery.npz",
        person_ids=np.array([person.id for person in gallery.people], dtype=str),
        **{name: getattr(gallery, name) for name in _ARRAYS},
        cohort_people=gallery.cohort.people,
        cohort_scores=gallery.cohort.scores,
    )
    space = asdict(gallery.space)
    write_json(out / "labels.json", {"schema": LABELS_SCHEMA, "space": space, "people": people})
    write_json(
        out / "calibration.json",
        {
            "threshold": gallery.threshold,
            "scale": gallery.scale,
            "cohort_weight": gallery.cohort_weight,
            "false_positive_rate": gallery.false_positive_rate,
        },
    )
    write_digests(out)


def load_gallery(directory: Path) -> Gallery:
    """The gallery in a version's directory. Imports no TensorFlow.

    Raises:
        RegistryError: the directory is damaged; the message says what to do.
    """
    verify_digests(directory, "labels.json", "gallery.npz", "calibration.json")
    try:
        labels = read_json(directory / "labels.json")
        if labels["schema"] != LABELS_SCHEMA:
            raise ValueError(f"it is of schema {labels['schema']}, made by another release")
        arrays = read_npz(directory / "gallery.npz")
        people = tuple(Person(str(p["id"]), str(p["name"])) for p in labels["people"])
        if [person.id for person in people] != arrays["person_ids"].tolist():
            raise ValueError("labels.json and gallery.npz do not fit one another")
        gallery = Gallery(
            space=EmbeddingSpace(**labels["space"]),
            people=people,
            **{name: arrays[name] for name in _ARRAYS},
            cohort=Cohort(arrays["cohort_people"], arrays["cohort_scores"]),
            **_numbers(directory),
        )
        _check(gallery)
    except _DAMAGE as error:
        raise _damaged(directory, error) from None
    return gallery


def _numbers(directory: Path) -> dict[str, Any]:
    return {k: float(v) for k, v in read_json(directory / "calibration.json").items()}


def _check(gallery: Gallery) -> None:
    """Raise ValueError where arrays are not as `write_gallery` says, or numbers are none."""
    classes, dim = len(gallery.people), gallery.space.dim
    width = gallery.cohort.scores.shape[-1]
    for array, kind, shape in (
        (gallery.counts, np.int64, (classes,)),
        (gallery.means, np.float32, (classes, dim)),
        (gallery.projection, np.float32, (dim, dim)),
        (gallery.vectors, np.float32, (classes, dim)),
        (gallery.cohort.people, np.int64, (classes, width)),
        (gallery.cohort.scores, np.float32, (classes, width)),
    ):
        if array.shape != shape or array.dtype != kind:
            raise ValueError("labels.json and gallery.npz do not fit one another")
        if not np.isfinite(array).all():
            raise ValueError("gallery.npz holds what is no number")
    if not ((gallery.cohort.people >= 0) & (gallery.cohort.people < classes)).all():
        raise ValueError("gallery.npz has cohorts of people who are not in it")
    numbers = gallery.threshold, gallery.scale, gallery.cohort_weight, gallery.false_positive_rate
    if not np.isfinite(numbers).all():
        raise ValueError("calibration.json holds what is no number")


_DAMAGE = (
    *(OSError, EOFError, ValueError, KeyError, TypeError, AttributeError, IndexError),
    zipfile.BadZipFile,
)


def _damaged(directory: Path, error: Exception) -> RegistryError:
    problem = " ".join(str(error).split())[:200] or type(error).__name__
    return RegistryError(
        f"version {directory.name} is damaged ({problem}): "
        "run `elenco models rollback`, or `elenco refresh` for a new one"
    )


def build(gallery: Gallery) -> "keras.Model":
    """The recogniser as a network of plain layers, for Keras and TF.js.

    Returns:
        float32 (n, d), of any length -> probabilities (n, c + 1), `unknown` last; the same as
        `Gallery.probabilities` but for single precision: the scale is some 600 with `dlib_resnet`,
        and the two are then up to 2e-4 apart.
    """
    keras = _keras()
    classes, dim = gallery.vectors.shape
    embedding = keras.Input((dim,), name="embedding")
    x = keras.layers.UnitNormalization(name="unit")(embedding)
    project = keras.layers.Dense(dim, use_bias=False, name="projection")
    x = keras.layers.UnitNormalization(name="projected")(project(x))
    head = keras.layers.Dense(classes + 1, activation="softmax", name="probabilities")
    model = keras.Model(embedding, head(x), name="classifier")
    project.set_weights([gallery.projection])
    scale = np.float32(gallery.scale)
    kernel = np.zeros((dim, classes + 1), np.float32)
    kernel[:, :-1] = scale * gallery.vectors.T
    bias = np.append(-scale * gallery.offsets, scale * np.float32(gallery.threshold))
    head.set_weights([kernel, bias.astype(np.float32)])
    return model


def _save(model: "keras.Model", path: Path) -> None:
    """Save a network, equal ones to equal bytes: Keras writes the time and addresses into it."""
    with tempfile.TemporaryDirectory() as folder:
        saved = Path(folder) / path.name
        model.save(saved)
        buffer = io.BytesIO()
        with zipfile.ZipFile(saved) as old, zipfile.ZipFile(buffer, "w") as new:
            for member in old.infolist():
                data = old.read(member)
                if member.filename.endswith(".json"):
                    data = json.dumps(_plain(json.loads(data), {})).encode()
                new.writestr(zipfile.ZipInfo(member.filename), data)
    write_bytes(path, buffer.getvalue())


def _plain(value: Any, seen: dict[int, int]) -> Any:
    """What Keras says of a network without the time, and shared objects numbered in order."""
    if isinstance(value, list):
        return [_plain(one, seen) for one in value]
    if not isinstance(value, dict):
        return value
    kept = {key: _plain(one, seen) for key, one in value.items() if key != "date_saved"}
    if isinstance(address := kept.get("shared_object_id"), int):
        kept["shared_object_id"] = seen.setdefault(address, len(seen))
    return kept


def load_classifier(directory: Path) -> "keras.Model":
    """The network in a version's directory. Raises RegistryError if it is damaged."""
    path = directory / "classifier.keras"
    verify_digests(directory, path.name)
    keras = _keras()
    try:
        return keras.models.load_model(path, compile=False, safe_mode=True)
    except _DAMAGE as error:
        raise _damaged(directory, error) from None


def _keras() -> ModuleType:
    import_tensorflow()
    import keras

    return keras
