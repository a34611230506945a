"""Embeddings of everybody -> a candidate version: a recogniser, and how good it is."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from elenco.embedding.base import Embedder
from elenco.errors import SpaceMismatch
from elenco.evaluation.evaluation import Evaluation
from elenco.evaluation.version import evaluate_gallery
from elenco.fingerprint import digest
from elenco.layout import Layout
from elenco.recognition.dataset import Dataset, read_dataset
from elenco.recognition.files import write_gallery
from elenco.recognition.fit import fit
from elenco.recognition.gallery import Gallery
from elenco.recognition.svm import svm_baseline
from elenco.settings import Settings
from elenco.storage import write_json
from elenco.vectors import unit

# Raise it when the same embeddings and settings would give another model or other figures.
TRAIN_VERSION = "3"


@dataclass(frozen=True)
class Trained:
    """A candidate.

    Attributes:
        gallery: the recogniser.
        evaluation: everything measured on held-out photographs; None where there is none.
        metrics: what `metrics.json` holds.
    """

    gallery: Gallery
    evaluation: Evaluation | None
    metrics: dict[str, Any]


def training_fingerprint(inputs: str, settings: Settings) -> str:
    """Names all that a model is made from and measured by; equal fingerprints are trained once."""
    measured = settings.training.model_dump(), settings.evaluation.model_dump(mode="json")
    return digest("train", TRAIN_VERSION, inputs, *measured)


def train_candidate(
    train_npz: Path,
    test_npz: Path,
    out: Path,
    settings: Settings,
    layout: Layout,
    quarantined: frozenset[str] = frozenset(),
    embedder: Embedder | None = None,
) -> Trained:
    """Train and measure, and write the recogniser and `metrics.json` into the directory `out`.

    Only the training split is trained and calibrated on; the test split is measured on. Equal
    inputs give equal files: neither times nor dates are in them.

    Args:
        train_npz: as `elenco.embedding.stage.join_shards` writes it.
        test_npz: the same; may hold no rows, then nothing is measured.
        out: where; see `elenco.recognition.files.write_gallery`.
        settings: `training` and `evaluation` are used.
        layout: where the aligned faces are.
        quarantined: `person_id/key` of photographs that are neither trained nor measured on.
        embedder: to embed degraded faces with; None to leave these figures out.

    Raises:
        NotEnoughData: fewer than two people have a training photograph.
        SpaceMismatch: the splits are of two embedding spaces.
    """
    known, held_out = (read_dataset(path, quarantined) for path in (train_npz, test_npz))
    if known.space != held_out.space:
        raise SpaceMismatch(
            f"{train_npz.name} and {test_npz.name} are of two embedding spaces: "
            f"delete {train_npz.parent} and refresh again"
        )
    gallery = fit(known, settings)
    evaluation = None
    if len(held_out):
        evaluation = evaluate_gallery(
            "candidate", gallery, known, held_out, len(quarantined), settings, layout, embedder
        )
    metrics = _metrics(gallery, known, held_out, evaluation, settings)
    write_gallery(gallery, out)
    write_json(out / "metrics.json", metrics)
    return Trained(gallery, evaluation, metrics)


def _metrics(
    gallery: Gallery,
    known: Dataset,
    held_out: Dataset,
    evaluation: Evaluation | None,
    settings: Settings,
) -> dict[str, Any]:
    """The figures that matter most, by name; shares are 0..1, None where nothing was measured."""
    people = [person.id for person in gallery.people]
    asked = np.isin(held_out.person_ids, people)
    truth = np.searchsorted(people, held_out.person_ids[asked])
    vectors = unit(held_out.vectors[asked])
    labels = np.searchsorted(people, known.person_ids)
    machine = svm_baseline(
        (known.vectors, labels),
        (vectors, truth),
        people,
        settings.training.svm_people,
        settings.training.seed,
    )
    counts = {
        "people": len(people),
        "people_without_test_photograph": len(people) - len(np.unique(truth)),
        "train_photographs": len(known),
        "test_photographs": len(truth),
        "test_photographs_without_gallery": int((~asked).sum()),
        "fpir": gallery.false_positive_rate,
        "svm_top1": machine.top1,
        "svm_people": machine.people,
        "svm_test_photographs": machine.test_photographs,
        "nearest_mean_top1": _nearest_mean(gallery, vectors, truth),
    }
    nothing = dict.fromkeys(_FIGURES) | {"strangers_n": 0, "strangers_people": 0}
    return counts | (_figures(evaluation) if evaluation else nothing)


_FIGURES = (
    *("top1", "top5", "named_right", "called_unknown", "named_wrong"),
    *("strangers_called_unknown", "strangers_n", "strangers_people"),
    *("dir_at_fpir", "dir_at_fpirs", "ece", "intervals"),
)


def _figures(evaluation: Evaluation) -> dict[str, Any]:
    figures = evaluation.figures
    estimates = {
        "top1": figures.top1,
        "top5": figures.top5,
        "named_right": figures.named_right,
        "called_unknown": figures.called_unknown,
        "named_wrong": figures.named_wrong,
        "strangers_called_unknown": figures.strangers_called_unknown_by_person,
        "ece": evaluation.calibration.all.ece,
    }
    found = {point.rate: point.found.value for point in figures.dir_at_fpir}
    return {
        **{name: estimate.value for name, estimate in estimates.items()},
        "strangers_n": figures.stranger_photographs,
        "strangers_people": figures.stranger_people,
        "dir_at_fpir": found.get(evaluation.false_positive_rate),
        "dir_at_fpirs": {f"{rate:g}": value for rate, value in found.items()},
        "intervals": {name: [e.low, e.high] for name, e in estimates.items()},
    }


def _nearest_mean(gallery: Gallery, vectors: np.ndarray, truth: np.ndarray) -> float | None:
    """Share of faces whose highest plain cosine with a mean is with the right person's."""
    if not len(vectors):
        return None
    rows = range(0, len(vectors), 1024)
    best = [(vectors[i : i + 1024] @ gallery.means.T).argmax(axis=1) for i in rows]
    return float((np.concatenate(best) == truth).mean())
