"""Embeddings of everybody -> a candidate version: a model, what goes with it, and its figures."""

import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from elenco.errors import NotEnoughData, SpaceMismatch
from elenco.fingerprint import digest
from elenco.recognition.dataset import (
    ClassVectors,
    Dataset,
    Labels,
    class_means,
    read_dataset,
    unit,
)
from elenco.recognition.evaluate import answers, dir_at_fpir, rank, top
from elenco.recognition.head import build, select_epochs, train
from elenco.recognition.svm import svm_baseline
from elenco.recognition.unknown import (
    Calibration,
    Cosines,
    Strangers,
    calibrate,
    evaluation_half,
    fit_scale,
    folds_of,
    leave_one_out,
    sample_rows,
    score_strangers,
)
from elenco.settings import Settings, Training
from elenco.storage import write_json, write_npz

# Raise it when the same embeddings and settings would give another model or other figures.
TRAIN_VERSION = "1"
LABELS_SCHEMA = 1


def training_fingerprint(dataset_digest: str, settings: Settings) -> str:
    """Names all that a model is trained from; equal fingerprints are trained once."""
    return digest("train", TRAIN_VERSION, dataset_digest, settings.training.model_dump())


def train_candidate(
    train_npz: Path,
    test_npz: Path,
    out: Path,
    settings: Settings,
    fingerprint: str,
    created: str,
) -> dict[str, Any]:
    """Train, measure, and write a version into the empty directory `out`.

    The directory then holds

        classifier.keras   unit-length embedding (n, d) -> probabilities (n, c + 1), unknown last
        gallery.npz        means f32 (c, d) unit length, counts i64 (c,), person_ids
        labels.json        schema, embedding space, people (id, name) in the order of the outputs
        calibration.json   threshold (cosine), scale, false-positive rate, and how it was found
        metrics.json       what is returned

    Only the training split is trained and calibrated on; the test split is measured on.

    Args:
        train_npz: as `elenco.embedding.stage.join_shards` writes it.
        test_npz: the same; may hold no rows, then the figures on it are None.
        out: where.
        settings: `training` is used.
        fingerprint: see `training_fingerprint`; noted in the metrics.
        created: when, in ISO 8601; noted in the metrics.

    Returns:
        Figures by name; shares are 0..1.

    Raises:
        NotEnoughData: fewer than two people have a training photograph.
        SpaceMismatch: the splits are of two embedding spaces.
    """
    started = time.monotonic()
    known, held_out = read_dataset(train_npz), read_dataset(test_npz)
    if known.space != held_out.space:
        raise SpaceMismatch(
            f"{train_npz.name} and {test_npz.name} are of two embedding spaces: "
            f"delete {train_npz.parent} and refresh again"
        )
    people = np.unique(known.person_ids)
    if len(people) < 2:
        raise NotEnoughData(
            f"{len(people)} of 2 people have a face to train on: "
            "add people, or photographs that show their faces"
        )
    labels = np.searchsorted(people, known.person_ids)
    learned = learn(known, labels, people.tolist(), settings.training)
    model = build(learned.class_vectors, learned.calibration.scale, learned.calibration.threshold)
    metrics = _measure(known, labels, held_out, people, learned, settings.training)

    names = dict(zip(known.person_ids.tolist(), known.names.tolist(), strict=True))
    model.save(out / "classifier.keras")
    write_npz(
        out / "gallery.npz",
        means=class_means(known.vectors, labels, len(people)),
        counts=np.bincount(labels, minlength=len(people)).astype(np.int64),
        person_ids=people,
    )
    entries = [{"id": person, "name": names[person]} for person in people.tolist()]
    space = asdict(known.space)
    write_json(out / "labels.json", {"schema": LABELS_SCHEMA, "space": space, "people": entries})
    write_json(out / "calibration.json", _calibration(learned, settings.training))
    metrics |= {
        "fingerprint": fingerprint,
        "created": created,
        "seconds": round(time.monotonic() - started, 2),
    }
    write_json(out / "metrics.json", metrics)
    return metrics


@dataclass(frozen=True)
class Learned:
    """What the training split taught.

    Attributes:
        class_vectors: (c, d) unit length.
        epochs: how long they were trained; 0: they are the class means.
        calibration: threshold and scale.
        strangers: everybody's training photographs as strangers.
    """

    class_vectors: ClassVectors
    epochs: int
    calibration: Calibration
    strangers: Strangers


def learn(data: Dataset, labels: Labels, person_ids: list[str], training: Training) -> Learned:
    """Train the head on one split and calibrate it on the same, each where it was not trained.

    Args:
        data: two people or more.
        labels: the class of each row.
        person_ids: the id of each class, each with a row.
        training: settings.
    """
    vectors, classes, seed = unit(data.vectors), len(person_ids), training.seed
    names = data.photographs()
    several = np.flatnonzero(np.bincount(labels)[labels] > 1)
    known = leave_one_out(vectors, labels, classes, sample_rows(several, names))
    sampled = sample_rows(np.arange(len(labels)), names)
    folds = folds_of(person_ids, training.stranger_folds)
    strangers = score_strangers(vectors, labels, folds, 0, 1.0, seed, sampled)
    scale = fit_scale(known, strangers.sample)
    chosen = select_epochs(data, labels, classes, scale, training.epochs, seed)
    if chosen.epochs:
        rows = sample_rows(np.flatnonzero(chosen.held_out), names)
        known = Cosines(vectors[rows] @ chosen.class_vectors.T, labels[rows])
        strangers = score_strangers(vectors, labels, folds, chosen.epochs, scale, seed, sampled)
    means = class_means(vectors, labels, classes)
    class_vectors = train(vectors, labels, means, scale, chosen.epochs, seed)
    rate = training.false_positive_rate
    calibration = calibrate(strangers, labels, person_ids, known, rate)
    return Learned(class_vectors, chosen.epochs, calibration, strangers)


def _measure(
    known: Dataset,
    labels: Labels,
    held_out: Dataset,
    people: np.ndarray,
    learned: Learned,
    training: Training,
) -> dict[str, Any]:
    in_gallery = np.isin(held_out.person_ids, people)
    vectors = unit(held_out.vectors[in_gallery])
    truth = np.searchsorted(people, held_out.person_ids[in_gallery])
    means = class_means(known.vectors, labels, len(people))
    ranked = rank(vectors, truth, learned.class_vectors)
    said = answers(ranked, learned.calibration.threshold)
    judges = evaluation_half(people.tolist())[labels]
    rate = training.false_positive_rate
    machine = svm_baseline(
        (known.vectors, labels),
        (vectors, truth),
        people.tolist(),
        training.svm_people,
        training.seed,
    )
    n = len(truth)
    return {
        "people": len(people),
        "train_photographs": len(labels),
        "test_photographs": n,
        "test_photographs_without_gallery": int((~in_gallery).sum()),
        "top1": top(ranked, 1),
        "top5": top(ranked, 5),
        "named_right": said.named_right / n if n else None,
        "called_unknown": said.called_unknown / n if n else None,
        "named_wrong": said.named_wrong / n if n else None,
        "dir_at_fpir": dir_at_fpir(ranked, learned.strangers.scores[judges], rate),
        "fpir": rate,
        "strangers_called_unknown": learned.calibration.called_unknown,
        "strangers_n": learned.calibration.evaluation_photographs,
        "strangers_people": learned.calibration.evaluation_people,
        "svm_top1": machine.top1,
        "svm_people": machine.people,
        "svm_test_photographs": machine.test_photographs,
        "nearest_mean_top1": top(rank(vectors, truth, means), 1),
        "epochs": learned.epochs,
    }


def _calibration(learned: Learned, training: Training) -> dict[str, Any]:
    found = learned.calibration
    return {
        "threshold": found.threshold,
        "scale": found.scale,
        "scale_photographs": found.scale_rows,
        "false_positive_rate": training.false_positive_rate,
        "strangers": {
            "called_unknown": found.called_unknown,
            "calibration": {
                "people": found.calibration_people,
                "photographs": found.calibration_photographs,
            },
            "evaluation": {
                "people": found.evaluation_people,
                "photographs": found.evaluation_photographs,
            },
        },
    }
