"""Choosing a person's face in photographs of several, by their other photographs.

The vectors are those of `dlib_resnet`, whatever embedder is set: changing the embedder chooses
nothing again. They are compared and forgotten; vectors of other people are stored nowhere.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from elenco.embedding.base import Embedder, load_embedder
from elenco.errors import ImageError
from elenco.faces.entries import Entry, crop_of, faces_of, keep_face
from elenco.faces.images import decode
from elenco.faces.photograph import Photograph, Picture
from elenco.faces.select import MARGIN, SAME_PERSON, choose, choose_by_agreement
from elenco.fingerprint import digest
from elenco.layout import Layout
from elenco.settings import Settings

EMBEDDER = "dlib_resnet"
MOST_OTHERS = 6  # photographs of one face that several-faced ones are compared with: time, not gain
MOST_FACES = 8  # faces of a photograph that are compared, the largest


@dataclass(frozen=True)
class Undecided:
    """A person with photographs of several faces.

    Attributes:
        single: entries of photographs of one face, kept already.
        several: entries of the others.
    """

    single: list[Entry]
    several: list[Entry]

    def among(self) -> str:
        """Name what a choice depends on beside the photograph itself."""
        photographs = sorted(entry["sha256"] for entry in (*self.single, *self.several))
        return digest(photographs, EMBEDDER, MOST_OTHERS, MOST_FACES, SAME_PERSON, MARGIN)


def load_chooser(settings: Settings, layout: Layout) -> Embedder:
    """The embedder whose vectors are compared, whatever `settings.embedding` says."""
    plain = settings.embedding.model_copy(update={"embedder": EMBEDDER, "mirror": False})
    return load_embedder(EMBEDDER, settings.model_copy(update={"embedding": plain}), layout)


def decide(
    person: Undecided, embedder: Embedder, settings: Settings, layout: Layout
) -> list[Entry | ImageError]:
    """Choose the face of every several-faced photograph of a person and write its crop.

    Args:
        person: whose.
        embedder: as `load_chooser` gives it.
        settings: `collect.max_megapixels`.
        layout: where photographs and crops are.

    Returns:
        For each of `person.several`, the entry with the chosen face, or why the photograph can
        no longer be used.
    """
    cap = settings.collect.max_megapixels
    pictures = [_read(entry, layout, cap) for entry in person.several]
    usable = [i for i, picture in enumerate(pictures) if not isinstance(picture, ImageError)]
    crops: list[list[Picture]] = []
    faces: list[list[int]] = []
    for i in usable:
        entry, picture = person.several[i], pictures[i]
        assert not isinstance(picture, ImageError)
        areas = np.prod(np.diff(faces_of(entry).boxes.reshape(-1, 2, 2), axis=1)[:, 0], axis=1)
        largest = np.argsort(-areas, kind="stable")[:MOST_FACES]
        faces.append(sorted(largest.tolist()))
        crops.append([crop_of(entry, face, picture) for face in faces[-1]])
    others = sorted(person.single, key=lambda e: e["sha256"])[:MOST_OTHERS]
    known = [[decode(_crop_path(e, layout).read_bytes(), cap)] for e in others]
    groups = [*known, *crops]
    vectors = embedder.embed(np.concatenate([np.stack(group) for group in groups]))
    ends = np.cumsum([len(group) for group in groups])[:-1]
    fallback = [0] * len(known)
    for i, own in zip(usable, faces, strict=True):
        entry = person.several[i]
        largest = choose(faces_of(entry), entry["width"], entry["height"])
        fallback.append(own.index(largest) if largest in own else 0)
    choices = choose_by_agreement(np.split(vectors, ends), fallback)[len(known) :]
    among = person.among()
    results: dict[int, Entry | ImageError] = {
        i: picture for i, picture in enumerate(pictures) if isinstance(picture, ImageError)
    }
    for i, own, own_crops, choice in zip(usable, faces, crops, choices, strict=True):
        agreement = None if np.isnan(choice.agreement) else round(choice.agreement, 4)
        chosen = {"by": choice.by, "agreement": agreement, "among": among}
        entry, crop = person.several[i], own_crops[choice.index]
        results[i] = keep_face(entry, own[choice.index], crop, chosen, layout)
    return [results[i] for i in range(len(pictures))]


def _crop_path(entry: Entry, layout: Layout) -> Path:
    return layout.crop(entry["split"], entry["person_id"], entry["key"])


def _read(entry: Entry, layout: Layout, max_megapixels: float) -> Picture | ImageError:
    path = layout.image(entry["split"], entry["person_id"], entry["key"])
    try:
        longest = max(entry["width"], entry["height"])
        return Photograph(path, entry["sha256"], max_megapixels, longest).full()
    except ImageError as error:
        return error
