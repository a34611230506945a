"""Choosing a person's face in photographs of several, by their other photographs.

The vectors are those of `dlib_resnet`, whatever embedder is set: changing the embedder chooses
nothing again. They are compared and forgotten; vectors of other people are stored nowhere.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from elenco.embedding.base import Embedder, load_embedder
from elenco.errors import ImageError
from elenco.faces.entries import Entry, crop_of, faces_of, keep_face
from elenco.faces.geometry import area
from elenco.faces.images import Picture, decode
from elenco.faces.photograph import read_photograph
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


@dataclass(frozen=True)
class _Candidates:
    """The faces of a person that are compared.

    Attributes:
        known: crops of photographs of one face, each alone in its list.
        crops: crops of each several-faced photograph's candidates.
        faces: which of the entry's faces these are.
        entries: the entries of these photographs.
        unusable: why others can't be used, by their place in `several`.
    """

    known: list[list[Picture]]
    crops: list[list[Picture]]
    faces: list[list[int]]
    entries: list[Entry]
    unusable: dict[int, ImageError]

    def photographs(self) -> list[list[Picture]]:
        return [*self.known, *self.crops]


def decide(
    people: Sequence[Undecided], embedder: Embedder, settings: Settings, layout: Layout
) -> list[list[Entry | ImageError]]:
    """Choose the face of every several-faced photograph of some people and write its crop.

    Args:
        people: whose; they are embedded together, which fills the network's batches.
        embedder: as `load_chooser` gives it.
        settings: `collect.max_megapixels`.
        layout: where photographs and crops are.

    Returns:
        For each of a person's `several`, the entry with the chosen face, or why the photograph can
        no longer be used.
    """
    cap = settings.collect.max_megapixels
    candidates = [_candidates(person, layout, cap) for person in people]
    groups = [group for one in candidates for group in one.photographs()]
    crops = [crop for group in groups for crop in group]
    if not crops:
        return [list(one.unusable.values()) for one in candidates]
    vectors = embedder.embed(np.stack(crops))
    by_photograph = iter(np.split(vectors, np.cumsum([len(group) for group in groups])[:-1]))
    return [
        _chosen(person, one, [next(by_photograph) for _ in one.photographs()], layout)
        for person, one in zip(people, candidates, strict=True)
    ]


def _candidates(person: Undecided, layout: Layout, max_megapixels: float) -> _Candidates:
    found = _Candidates([], [], [], [], {})
    for place, entry in enumerate(person.several):
        longest = max(entry["width"], entry["height"])
        photograph = read_photograph(entry, layout, max_megapixels, longest)
        if isinstance(photograph, ImageError):
            found.unusable[place] = photograph
            continue
        picture = photograph.full()
        areas = area(faces_of(entry).boxes)
        largest = sorted(np.argsort(-areas, kind="stable")[:MOST_FACES].tolist())
        crops: dict[int, Picture] = {}
        for face in largest:
            with suppress(ValueError):  # its landmarks coincide: it is nobody's face
                crops[face] = crop_of(entry, face, picture)
        if not crops:
            found.unusable[place] = ImageError("no_alignment", "of no face")
            continue
        found.entries.append(entry)
        found.faces.append(list(crops))
        found.crops.append(list(crops.values()))
    for entry in sorted(person.single, key=lambda e: e["sha256"])[:MOST_OTHERS]:
        with suppress(ImageError):  # a damaged crop is told of when it is embedded
            found.known.append([decode(_crop_path(entry, layout).read_bytes(), max_megapixels)])
    return found


def _chosen(
    person: Undecided, found: _Candidates, vectors: list[np.ndarray], layout: Layout
) -> list[Entry | ImageError]:
    fallback = [0] * len(found.known)
    for entry, own in zip(found.entries, found.faces, strict=True):
        largest = choose(faces_of(entry), entry["width"], entry["height"])
        fallback.append(own.index(largest) if largest in own else 0)
    choices = choose_by_agreement(vectors, fallback)[len(found.known) :]
    among = person.among()
    kept: list[Entry] = []
    for entry, own, crops, choice in zip(
        found.entries, found.faces, found.crops, choices, strict=True
    ):
        agreement = None if np.isnan(choice.agreement) else round(choice.agreement, 4)
        chosen = {"by": choice.by, "agreement": agreement, "among": among}
        kept.append(keep_face(entry, own[choice.index], crops[choice.index], chosen, layout))
    usable = iter(kept)
    return [found.unusable.get(place) or next(usable) for place in range(len(person.several))]


def _crop_path(entry: Entry, layout: Layout) -> Path:
    return layout.crop(entry["split"], entry["person_id"], entry["key"])
