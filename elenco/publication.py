"""From embeddings to a version: train a candidate, give it its TF.js form, judge and register it.

Each step finds what an earlier, perhaps killed, run finished: a version trained from the same
inputs, a complete candidate, a converted embedder.
"""

import os
from datetime import UTC, datetime
from pathlib import Path

from elenco.embedding.base import load_embedder
from elenco.errors import NotEnoughData, RegistryError
from elenco.export.tfjs import Form, classifier_form, embedder_form, export_forms
from elenco.fingerprint import digest
from elenco.layout import Layout
from elenco.recognition.gate import Verdict, compare
from elenco.recognition.recogniser import Recogniser
from elenco.recognition.train import train_candidate, training_fingerprint
from elenco.registry import CANDIDATE, Registry, discard
from elenco.report.card import write_card
from elenco.rights.versions import candidates, knows_denied
from elenco.settings import Settings
from elenco.storage import build_directory, read_json, read_npz
from elenco.types import DatasetRef, Outcome, PublishedRef, TrainedRef

PARITY_PEOPLE = 64  # classes that Keras and TF.js are asked about
FORMS = ("embedder", "classifier")


def train(dataset: DatasetRef, settings: Settings, layout: Layout) -> TrainedRef:
    """Train on a data set, unless a version or a candidate is there that was trained on it.

    Raises:
        NotEnoughData: fewer than two people have a photograph to train on.
    """
    fingerprint = training_fingerprint(dataset.digest, settings)
    version = Registry(layout.recogniser).find_by_fingerprint(fingerprint)
    path = layout.recogniser / (version or f"{CANDIDATE}{fingerprint[:16]}")
    if not path.exists():
        _remove_candidates(layout)
        with build_directory(path) as folder:
            created = datetime.now(UTC).isoformat(timespec="seconds")
            metrics = train_candidate(
                layout.data / dataset.train,
                layout.data / dataset.test,
                folder,
                settings,
                fingerprint,
                created,
            )
            write_card(folder, settings, metrics, fingerprint, created)
    return _reference(path, layout, version)


def last_candidate(layout: Layout) -> TrainedRef:
    """The candidate that was trained and not published yet.

    Raises:
        NotEnoughData: there is none.
    """
    found = candidates(layout)
    if not found:
        raise NotEnoughData("there is no candidate to publish: run train_recogniser first")
    return _reference(found[-1], layout, None)


def export(trained: TrainedRef, settings: Settings, layout: Layout) -> dict[str, float]:
    """Add the TF.js forms of embedder and classifier to a candidate, compared with Keras in node.

    An embedder is converted once for its weights; versions share its files by hard links.

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

    Returns:
        The verdict; None for a version that was judged before.
    """
    registry = Registry(layout.recogniser)
    name = registry.current_name()
    # The denylist alone says so where `elenco forget` was killed before it withdrew the version.
    if name is not None and (
        registry.withdrawn(name) or knows_denied(layout.recogniser / name, layout)
    ):
        return Verdict(True, f"{name} holds a person who was forgotten", {})
    if trained.version is not None and registry.decided(trained.version):
        return None
    current = layout.recogniser / name if name else None
    return compare(layout.models / trained.path, current, layout, settings)


def register(trained: TrainedRef, verdict: Verdict | None, layout: Layout) -> PublishedRef:
    """Make a candidate a version, and current if the verdict says so.

    Args:
        trained: what was trained; a killed run may have registered it already.
        verdict: what `judge` said.
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
        registry.decline(version, reason)
    registry.remove_withdrawn()
    return PublishedRef(version, outcome, reason, registry.current_name(), trained.metrics)


def _export(target: Path, settings: Settings, layout: Layout) -> None:
    recogniser = Recogniser.load(target.parent)
    space, quantize = recogniser.space, settings.publish.tfjs_quantize
    embedder = layout.recogniser / f".tfjs-{space.embedder}-{digest(space, quantize)[:16]}"
    forms: dict[Path, Form] = {}
    if not embedder.exists():
        forms[embedder] = embedder_form(load_embedder(space.embedder, settings, layout), quantize)
    if not (target / "classifier").exists():
        means = read_npz(target.parent / "gallery.npz")["means"][:PARITY_PEOPLE]
        forms[target / "classifier"] = classifier_form(recogniser.model, means)
    if forms:
        export_forms(forms)
    if not (target / "embedder").exists():
        with build_directory(target / "embedder") as folder:
            for file in embedder.iterdir():
                os.link(file, folder / file.name)


def _reference(path: Path, layout: Layout, version: str | None) -> TrainedRef:
    relative = path.relative_to(layout.models).as_posix()
    fingerprint = read_json(path / "card.json")["fingerprint"]
    return TrainedRef(relative, fingerprint, version, read_json(path / "metrics.json"))


def _remove_candidates(layout: Layout) -> None:
    """Delete candidates of other inputs: they were never published and never will be."""
    for path in candidates(layout):
        discard(path)
