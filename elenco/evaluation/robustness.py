"""The same photographs, had they been smaller or blurred."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int64

from elenco.compute.lanes import in_lanes, lanes_of
from elenco.embedding.base import Embedder
from elenco.errors import ImageError, SpaceMismatch
from elenco.evaluation.bootstrap import Resampling
from elenco.evaluation.degrade import DEGRADATIONS, degrade
from elenco.evaluation.open_set import OpenSet, open_set
from elenco.evaluation.trial import Trial, only
from elenco.faces.crops import CROP_SIZE
from elenco.faces.images import Picture, decode
from elenco.fingerprint import unit_interval
from elenco.layout import Layout
from elenco.progress import track
from elenco.recognition.dataset import Dataset
from elenco.settings import Settings
from elenco.types import SPLITS

AS_IT_IS = "as it is"
AT_ONCE = 24  # photographs that a core works on at a time

Wanted = tuple[str, str, float]  # person id, key, size


@dataclass(frozen=True)
class Condition:
    """Figures of degraded photographs.

    Attributes:
        label: what was done to them; `as it is` for nothing.
        median_size: pixels between the eyes, of the known faces.
        figures: of known faces and strangers, both degraded.
    """

    label: str
    median_size: float
    figures: OpenSet


@dataclass(frozen=True)
class Robustness:
    """Figures of one sample of photographs under each degradation.

    Attributes:
        conditions: as they are first.
        photographs: how many were asked for, known faces and strangers; one that is both counts
            once.
        without_crop: how many of them were left out, as their aligned face is not on disk.
    """

    conditions: list[Condition]
    photographs: int
    without_crop: int


def robustness(
    trial: Trial, embedder: Embedder, settings: Settings, layout: Layout
) -> Robustness | None:
    """Measure photographs as they are and under each of `DEGRADATIONS`.

    Args:
        trial: a sample of its probes and one of its strangers is taken by stable hash; a
            photograph that is both is so in the samples too, as far as they go.
        embedder: of the space of the trial's gallery.
        settings: `evaluation`, `compute`, `training.seed`, `collect.max_megapixels`.
        layout: where the crops are.

    Returns:
        The figures; None where no crop of a known face is there.

    Raises:
        SpaceMismatch: the embedder is of another space.
    """
    if embedder.space != trial.gallery.space:
        raise SpaceMismatch(
            f"the recogniser takes vectors of {trial.gallery.space.embedder}, the embedder here "
            "makes others: set embedding as it was when the recogniser was made"
        )
    most = settings.evaluation.robustness_photographs
    probes = sample(trial.probes.photographs(), most)
    strangers = sample(trial.strangers.photographs(), most)
    wanted = _wanted(trial, probes, strangers)
    embedded = _embedded(wanted, embedder, settings, layout)
    lost = len(wanted) - len(embedded)
    part = Trial(
        trial.gallery,
        trial.made_from,
        only(trial.probes, _there(trial.probes, probes, embedded)),
        only(trial.strangers, rows := _there(trial.strangers, strangers, embedded)),
        trial.leave_out[rows],
    )
    if not len(part.probes):
        return None
    resampling = Resampling(part.strata, settings.evaluation.bootstrap, settings.training.seed)
    conditions = []
    for index, (label, factor) in enumerate([(AS_IT_IS, 1.0), *_labels()]):
        known, others = (_vectors(data, embedded, index) for data in (part.probes, part.strangers))
        figures = open_set(
            part.gallery.search(known),
            part.truth,
            part.people,
            part.gallery.search(others, part.leave_out),
            part.stranger_people,
            part.gallery.threshold,
            resampling,
        )
        size = float(np.median(part.probes.sizes) * factor)
        conditions.append(Condition(label, round(size, 2), figures))
    return Robustness(conditions, len(wanted), lost)


def sample(photographs: list[str], most: int) -> Int64[np.ndarray, " n"]:
    """At most so many rows, by stable hash of the photographs' names; ascending."""
    hashes = [unit_interval(f"robustness {name}") for name in photographs]
    return np.sort(np.argsort(hashes, kind="stable")[:most])


def _wanted(trial: Trial, probes: np.ndarray, strangers: np.ndarray) -> dict[str, Wanted]:
    wanted: dict[str, Wanted] = {}
    for data, rows in ((trial.probes, probes), (trial.strangers, strangers)):
        names = data.photographs()
        for row in rows.tolist():
            person, key = str(data.person_ids[row]), str(data.keys[row])
            wanted[names[row]] = (person, key, float(data.sizes[row]))
    return wanted


def _embedded(
    wanted: Mapping[str, Wanted], embedder: Embedder, settings: Settings, layout: Layout
) -> dict[str, Float32[np.ndarray, "k d"]]:
    """Vectors of photographs as they are and degraded; without those whose crop is gone."""
    names = list(wanted)
    chunks = [names[start : start + AT_ONCE] for start in range(0, len(names), AT_ONCE)]
    embedded: dict[str, Float32[np.ndarray, "k d"]] = {}

    def work(chunk: list[str]) -> dict[str, Float32[np.ndarray, "k d"]]:
        crops = {n: read_crop(*wanted[n][:2], settings, layout) for n in chunk}
        there = {name: crop for name, crop in crops.items() if crop is not None}
        if not there:
            return {}
        stacked = np.stack(list(there.values()))
        sizes = np.array([wanted[name][2] for name in there], np.float32)
        states = [stacked, *(degrade(stacked, sizes, how) for how in DEGRADATIONS)]
        vectors = np.stack([embedder.embed(state) for state in states], axis=1)
        return dict(zip(there, vectors, strict=True))

    with track("degrade and embed", len(names)) as advance:
        for chunk, found in zip(
            chunks, in_lanes(work, chunks, lanes_of(settings.compute)), strict=True
        ):
            embedded |= found
            advance(len(chunk))
    return embedded


def read_crop(person_id: str, key: str, settings: Settings, layout: Layout) -> Picture | None:
    """A face's canonical crop, in whichever split it is; None where it is gone or damaged."""
    for split in SPLITS:
        try:
            data = layout.crop(split, person_id, key).read_bytes()
            crop = decode(data, settings.collect.max_megapixels)
        except (FileNotFoundError, ImageError):
            continue
        if crop.shape == (CROP_SIZE, CROP_SIZE, 3):
            return crop
    return None


def _there(data: Dataset, rows: np.ndarray, embedded: Mapping[str, object]) -> np.ndarray:
    names = data.photographs()
    return np.array([row for row in rows.tolist() if names[row] in embedded], np.int64)


def _vectors(
    data: Dataset, embedded: Mapping[str, np.ndarray], index: int
) -> Float32[np.ndarray, "n d"]:
    own = [embedded[name][index] for name in data.photographs()]
    return np.array(own, np.float32).reshape(-1, data.space.dim)


def _labels() -> list[tuple[str, float]]:
    return [(how.label, how.factor) for how in DEGRADATIONS]
