"""From embeddings to a version: train a candidate, give it its TF.js form, judge and register it.

What is written beside a model is written before it is registered: a version never changes.

Each step finds what an earlier, perhaps killed, run finished: a version trained from the same
inputs, a complete candidate, a converted embedder.
"""

import os
import time
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from elenco.documents import write_documents
from elenco.embedding.base import load_embedder
from elenco.errors import NotEnoughData, RegistryError
from elenco.export.tfjs import (
    DETECTOR,
    Form,
    classifier_form,
    detector_forms,
    embedder_form,
    export_forms,
)
from elenco.faces.mtcnn_networks import WEIGHTS_SHA256
from elenco.fingerprint import digest
from elenco.integrity import write_digests
from elenco.layout import Layout
from elenco.progress import say
from elenco.pruning import prune
from elenco.recognition.drift import DRIFT_SCHEMA, drift_of, without_names_of_who_left
from elenco.recognition.files import load_classifier, load_gallery
from elenco.recognition.gate import Verdict, compare, judged_by
from elenco.recognition.quarantine import read_quarantine
from elenco.recognition.train import train_candidate, training_fingerprint
from elenco.registry import CANDIDATE, SHARED_FORM, Registry, discard
from elenco.rights.versions import candidates, knows_denied
from elenco.settings import Settings
from elenco.storage import build_directory, read_json, write_json
from elenco.types import CuratedRef, EmbeddingSpace, Outcome, PublishedRef, TrainedRef

PARITY_PEOPLE = 64  # classes that Keras and TF.js are asked about
FORMS = (*DETECTOR, "embedder", "classifier")
VERDICT, DRIFT = "verdict.json", "drift.json"
VERDICT_SCHEMA = 1


def train(curated: CuratedRef, settings: Settings, layout: Layout) -> TrainedRef:
    """Train on a data set, unless a version or a candidate is there that was trained on it.

    Raises:
        NotEnoughData: fewer than two people have a photograph to train on.
    """
    fingerprint = training_fingerprint(curated.digest, settings)
    version = Registry(layout.recogniser).find_by_fingerprint(fingerprint)
    path = layout.recogniser / (version or f"{CANDIDATE}{fingerprint[:16]}")
    reused = path.exists()
    if not reused:
        _remove_candidates(layout)
        with build_directory(path) as folder:
            created, started = now(), time.monotonic()
            quarantined = read_quarantine(layout.data / curated.quarantine)
            trained = train_candidate(
                layout.data / curated.dataset.train,
                layout.data / curated.dataset.test,
                folder,
                settings,
                layout,
                frozenset(quarantined),
                load_embedder(settings.embedding.embedder, settings, layout),
            )
            seconds = round(time.monotonic() - started, 2)
            made = {"fingerprint": fingerprint, "created": created, "seconds": seconds}
            write_documents(folder, curated, quarantined, trained, made, settings, layout)
            write_digests(folder)
    return replace(reference(path, layout, version), reused=reused)


def last_candidate(layout: Layout) -> TrainedRef:
    """The candidate that was trained and not published yet.

    Raises:
        NotEnoughData: there is none.
    """
    found = candidates(layout)
    if not found:
        raise NotEnoughData("there is no candidate to publish: run train_recogniser first")
    return reference(found[-1], layout, None)


def export(trained: TrainedRef, settings: Settings, layout: Layout) -> dict[str, float]:
    """Add the TF.js forms of all five networks to a candidate, compared with Keras in node.

    Detector and embedder are converted once for their weights; versions share their files by hard
    links.

    Returns:
        Form -> largest difference from Keras.

    Raises:
        ExportError: a form can't be made or differs; the candidate stays as it was.
    """
    target = layout.models / trained.path / "tfjs"
    if not all((target / name).exists() for name in FORMS):
        _export(target, settings, layout)
    return {name: read_json(target / name / "meta.json")["max_difference"] for name in FORMS}


def judge(trained: TrainedRef, settings: Settings, layout: Layout) -> Verdict | None:
    """Compare a candidate with the current version on the same held-out photographs.

    A version that holds somebody who was forgotten is not to stay in use: whatever is trained
    without them takes its place, and be it an old version that was judged before.

    The verdict, and what moved since the current version, are written beside the candidate:
    `verdict.json` and `drift.json`.

    Returns:
        The verdict; None for a version that was judged before, unless it was not promoted and
        `publish` asks for something else now.
    """
    registry = Registry(layout.recogniser)
    name = registry.current_name()
    current = layout.recogniser / name if name else None
    # The denylist alone says so where `elenco forget` was killed before it withdrew the version.
    if current is not None and (registry.withdrawn(current.name) or knows_denied(current, layout)):
        verdict = Verdict(True, f"{name} holds a person who was forgotten", {})
    elif trained.version is not None and registry.decided(trained.version, judged_by(settings)):
        return None
    else:
        verdict = compare(layout.models / trained.path, current, layout, settings)
    if trained.version is None:
        note(verdict, current, layout.models / trained.path)
    return verdict


def note(verdict: Verdict, current: Path | None, candidate: Path) -> None:
    """Write into a candidate why it is promoted or not, and what moved since the current version.

    Args:
        verdict: on the candidate.
        current: directory of the version in use, None if there is none.
        candidate: directory of the candidate.
    """
    against = current.name if current else None
    value = {"schema": VERDICT_SCHEMA, "against": against, **asdict(verdict)}
    write_json(candidate / VERDICT, value)
    if current is not None:
        write_json(candidate / DRIFT, _drift(current, candidate))


def register(
    trained: TrainedRef, verdict: Verdict | None, settings: Settings, layout: Layout
) -> PublishedRef:
    """Make a candidate a version, and current if the verdict says so; remove what is too old.

    Args:
        trained: what was trained; a killed run may have registered it already.
        verdict: what `judge` said.
        settings: `publish` is used, as it was by `judge`.
        layout: where.

    Raises:
        RegistryError: a person was forgotten while the candidate was trained on them.
    """
    registry = Registry(layout.recogniser)
    if knows_denied(layout.models / trained.path, layout):
        raise RegistryError(
            f"{trained.path} was trained on a person who was forgotten since: `elenco refresh` "
            "trains one without them; repeat `elenco forget` first if it was interrupted"
        )
    version = trained.version or registry.register(layout.models / trained.path)
    outcome: Outcome
    if verdict is None:
        outcome = "nothing new"
        reason = f"{version} was trained on the same photographs with the same settings"
    elif verdict.promote:
        outcome, reason = "promoted", verdict.reason
        registry.promote(version, reason)
    else:
        outcome, reason = "not promoted", verdict.reason
        registry.decline(version, reason, judged_by(settings))
    registry.remove_withdrawn()
    pruned = prune(registry, settings.publish.keep_versions, version)
    if pruned.removed:
        say(f"removed {', '.join(pruned.removed)}, kept {len(pruned.kept)} versions")
    return PublishedRef(version, outcome, reason, registry.current_name(), trained.metrics)


def drift(published: PublishedRef, layout: Layout) -> dict[str, Any] | None:
    """What moved since the version that was in use when this one was made.

    Where there was nothing new, since the one in use. None for a first version, and for the one in
    use itself.
    """
    directory = layout.recogniser / published.version
    if published.outcome != "nothing new":
        return read_json(directory / DRIFT) if (directory / DRIFT).exists() else None
    if published.current in (None, published.version):
        return None
    return _drift(layout.recogniser / published.current, directory)


def now() -> str:
    """The time it is, ISO 8601 UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _drift(before: Path, after: Path) -> dict[str, Any]:
    """What moved, as it is stored; where it can't be told, why."""
    try:
        return without_names_of_who_left(drift_of(before, after))
    except RegistryError as error:
        return {"schema": DRIFT_SCHEMA, "from": before.name, "damage": str(error)}


def _export(target: Path, settings: Settings, layout: Layout) -> None:
    gallery = load_gallery(target.parent)
    shared = _shared_forms(gallery.space, settings, layout)
    forms: dict[Path, Form] = {}
    if not shared["embedder"].exists():
        embedder = load_embedder(gallery.space.embedder, settings, layout)
        forms[shared["embedder"]] = embedder_form(embedder, settings.publish.tfjs_quantize)
    if missing := [name for name in DETECTOR if not shared[name].exists()]:
        detector = detector_forms()
        forms |= {shared[name]: detector[name] for name in missing}
    if not (target / "classifier").exists():
        model, means = load_classifier(target.parent), gallery.means[:PARITY_PEOPLE]
        forms[target / "classifier"] = classifier_form(model, means)
    if forms:
        export_forms(forms)
    for name, form in shared.items():
        if not (target / name).exists():
            with build_directory(target / name) as folder:
                for file in form.iterdir():
                    os.link(file, folder / file.name)


def _shared_forms(space: EmbeddingSpace, settings: Settings, layout: Layout) -> dict[str, Path]:
    """Network -> folder of its form, named by what it is made from."""
    made_of = {name: WEIGHTS_SHA256 for name in DETECTOR}
    made_of["embedder"] = digest(space, settings.publish.tfjs_quantize)
    named = {name: name for name in DETECTOR} | {"embedder": space.embedder}
    return {
        name: layout.recogniser / f"{SHARED_FORM}{named[name]}-{made_of[name][:16]}"
        for name in made_of
    }


def reference(path: Path, layout: Layout, version: str | None) -> TrainedRef:
    """The reference to a candidate or version in a directory."""
    relative = path.relative_to(layout.models).as_posix()
    fingerprint = read_json(path / "card.json")["fingerprint"]
    return TrainedRef(relative, fingerprint, version, read_json(path / "metrics.json"))


def _remove_candidates(layout: Layout) -> None:
    """Delete candidates of other inputs: they were never published and never will be."""
    for path in candidates(layout):
        discard(path)
