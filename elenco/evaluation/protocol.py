"""Which photographs are in the gallery, which are asked about, and who is a stranger."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from elenco.errors import NotEnoughData, SpaceMismatch
from elenco.evaluation.scale import Fit
from elenco.evaluation.trial import Searchable, Trial, compact, indices, only
from elenco.fingerprint import unit_interval
from elenco.recognition.dataset import Dataset
from elenco.settings import Settings

Strangers = Literal["others", "left out in turn", "others, and left out in turn"]


@dataclass(frozen=True)
class Protocol:
    """How the photographs were used. Counts are of photographs with a usable face.

    Attributes:
        gallery_people: in the gallery.
        gallery_photographs: that it was made from.
        without_probe: people in the gallery of whom there is no photograph to ask about.
        strangers: who they are: people who are not in the gallery, or those who are, each asked
            about in a gallery without them.
        left_out: photographs that are quarantined; of a folder, that are there twice.
        min_photos: with so many photographs a person is known; None where a version says who is.
        empty_folders: of people without any photograph.
    """

    gallery_people: int
    gallery_photographs: int
    without_probe: int
    strangers: Strangers
    left_out: int
    min_photos: int | None
    empty_folders: int


def version_trial(gallery: Searchable, train: Dataset, test: Dataset) -> Trial:
    """A version on its held-out photographs.

    Those of people it knows are asked about twice: as they are, and as strangers, in a gallery
    without the person. Those of people whom it does not know are strangers.

    Args:
        gallery: the version.
        train: the training split; photographs of people whom the version does not know are left
            out of it.
        test: the test split.

    Raises:
        SpaceMismatch: the embeddings are not of the version's space.
        NotEnoughData: there is no held-out photograph.
    """
    for data in (train, test):
        if data.space != gallery.space:
            raise SpaceMismatch(
                f"the embeddings here are of {data.space.embedder} as it is now, the version takes "
                f"others of {gallery.space.embedder}: refresh, or promote a version of these"
            )
    if not len(test):
        raise NotEnoughData(
            "there is no held-out photograph to measure on: set collect.test_fraction "
            "(ELENCO_COLLECT__TEST_FRACTION) above 0, or collect more photographs, and refresh"
        )
    known = only(train, indices(gallery, train) >= 0)
    place = indices(gallery, test)
    return Trial(gallery, known, only(test, place >= 0), test, place)


def folder_trial(data: Dataset, min_photos: int, fit: Fit, settings: Settings) -> Trial:
    """A recogniser of half of the photographs of those who have enough.

    The others' photographs are of strangers. Where there are no others, the photographs asked
    about are: each in a gallery without the person.

    Args:
        data: all photographs.
        min_photos: how many are enough, 2 or more.
        fit: makes a recogniser.
        settings: handed to it.

    Raises:
        NotEnoughData: fewer than two people have enough.
    """
    people, labels, counts = np.unique(data.person_ids, return_inverse=True, return_counts=True)
    known = counts >= min_photos
    if known.sum() < 2:
        raise NotEnoughData(
            f"{known.sum()} of {len(people)} people have {min_photos} photographs with a face, "
            "and 2 are needed: add photographs, or lower --min-photos"
        )
    hashes = np.array([unit_interval(f"evaluation {name}") for name in data.photographs()])
    order = np.lexsort((hashes, labels))
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order)) - np.searchsorted(labels[order], labels[order])
    in_gallery = known[labels] & (rank < (counts[labels] + 1) // 2)
    made_from = compact(only(data, in_gallery))
    gallery = fit(made_from, settings)
    probes = only(data, known[labels] & ~in_gallery)
    strangers = only(data, ~known[labels]) if not known.all() else probes
    return Trial(gallery, made_from, probes, strangers, indices(gallery, strangers))


def protocol_of(
    trial: Trial, left_out: int, min_photos: int | None = None, empty_folders: int = 0
) -> Protocol:
    """Counts of a trial; arguments as in `Protocol`."""
    place = indices(trial.gallery, trial.probes)
    out = trial.leave_out >= 0
    strangers: Strangers = "others, and left out in turn"
    if out.all() or not out.any():
        strangers = "left out in turn" if out.any() else "others"
    return Protocol(
        gallery_people=len(trial.gallery.people),
        gallery_photographs=int(trial.gallery.counts.sum()),
        without_probe=len(trial.gallery.people) - len(np.unique(place)),
        strangers=strangers,
        left_out=left_out,
        min_photos=min_photos,
        empty_folders=empty_folders,
    )
