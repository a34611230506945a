"""A version in use, trained on a few photographs with the packaged embedder, and its page."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from elenco.demo.synthetic import SyntheticCast
from elenco.embedding.base import load_embedder
from elenco.export.tfjs import (
    DETECTOR,
    classifier_form,
    detector_forms,
    embedder_form,
    export_forms,
)
from elenco.export.web import export_web
from elenco.faces.crops import align
from elenco.faces.images import decode
from elenco.faces.mtcnn import load_detector
from elenco.layout import Layout
from elenco.recognition.dataset import Dataset
from elenco.recognition.files import build, write_gallery
from elenco.recognition.fit import fit
from elenco.settings import Settings, load_settings
from elenco.storage import replace_symlink, write_json
from elenco.types import Person
from tests.conftest import ROOT

AT_ONCE = 32
Photographs = Mapping[Person, Sequence[bytes]]


def settings_of(root: Path) -> Settings:
    return load_settings(
        ROOT / "config" / "default.toml",
        paths={"data": root / "data", "models": root / "models"},
        embedding={"embedder": "dlib_resnet"},
    )


def make_version(root: Path, photographs: Photographs, like: Settings | None = None) -> Settings:
    """Train on the best face of each photograph, and make the version the one in use.

    Args:
        root: where data and models go.
        photographs: of each person.
        like: whose version has the forms of detector and embedder already.
    """
    settings = settings_of(root)
    layout = Layout.of(settings)
    gallery = fit(dataset(photographs, settings), settings)
    directory = layout.recogniser / "v000001"
    directory.mkdir(parents=True)
    write_gallery(gallery, directory)
    write_json(directory / "card.json", {"source": "tmdb"})
    forms = {"classifier": classifier_form(build(gallery), gallery.means)}
    if like is None:
        embedder = load_embedder("dlib_resnet", settings, layout)
        forms |= detector_forms() | {"embedder": embedder_form(embedder, "float16")}
    else:
        other = Layout.of(like).recogniser / "current" / "tfjs"
        for name in (*DETECTOR, "embedder"):
            shutil.copytree(other / name, directory / "tfjs" / name)
    export_forms({directory / "tfjs" / name: form for name, form in forms.items()})
    replace_symlink(layout.recogniser / "current", directory.name)
    return settings


def dataset(photographs: Photographs, settings: Settings) -> Dataset:
    detector = load_detector(settings)
    embedder = load_embedder("dlib_resnet", settings, Layout.of(settings))
    everything = [(person, data) for person, own in photographs.items() for data in own]
    owners: list[Person] = []
    crops: list[np.ndarray] = []
    for start in range(0, len(everything), AT_ONCE):
        part = everything[start : start + AT_ONCE]
        pictures = [decode(data, settings.collect.max_megapixels) for _, data in part]
        found = detector.detect(pictures, settings.faces.first_look_pixels)
        for (person, _), picture, faces in zip(part, pictures, found, strict=True):
            if len(faces):
                owners.append(person)
                crops.append(align(picture, faces.landmarks[0]))
    ids = np.array([person.id for person in owners])
    people = np.unique(ids)
    rows = len(ids)
    nothing = np.zeros(rows, np.float32)
    return Dataset(
        vectors=embedder.embed(np.stack(crops)),
        labels=np.searchsorted(people, ids),
        person_ids=ids,
        names=np.array([person.name for person in owners]),
        keys=np.array([f"k{row:05d}" for row in range(rows)]),
        people=people,
        quality=nothing,
        sizes=nothing,
        sharpness=nothing,
        yaws=nothing,
        space=embedder.space,
    )


def synthetic(cast: SyntheticCast) -> dict[Person, list[bytes]]:
    """The plain photographs of people who do not exist."""
    return {
        Person(str(person.id), person.name): [
            cast.image(photo.path, "h632") for photo in cast.photos(person) if photo.kind == "plain"
        ]
        for person in cast.people
    }


def export(root: Path, settings: Settings) -> Path:
    """The page of the version in use."""
    export_web(root / "page", settings, Layout.of(settings))
    return root / "page"
