"""The model card of a version: what it was made from, how good it is, what it is for.

After Mitchell et al. 2019, "Model Cards for Model Reporting" (arXiv 1810.03993). Every figure is
measured; what was not measured is said not to be known.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from elenco.report.metrics import metrics_table, share
from elenco.settings import Settings
from elenco.storage import read_json, write_json, write_text

CARD_SCHEMA = 1
LICENCES = {
    "facenet": "MIT (davidsandberg/facenet 20180402-114759, trained on VGGFace2)",
    "dlib_resnet": "CC0 1.0 (Davis King, dlib face recognition ResNet v1)",
}


def write_card(
    directory: Path,
    settings: Settings,
    metrics: Mapping[str, Any],
    fingerprint: str,
    created: str,
) -> None:
    """Write `card.json` (for machines; the registry reads it) and `card.md` (for people).

    Args:
        directory: a version being built; its `labels.json` and `calibration.json` are read.
        settings: how it was trained; no secret is written.
        metrics: as `elenco.recognition.train.train_candidate` returns them.
        fingerprint: names all that it was trained from.
        created: when, ISO 8601 UTC.
    """
    labels = read_json(directory / "labels.json")
    card = {
        "schema": CARD_SCHEMA,
        "fingerprint": fingerprint,
        "created": created,
        "people": len(labels["people"]),
        "photographs": {
            "train": metrics["train_photographs"],
            "test": metrics["test_photographs"],
        },
        "source": settings.collect.source,
        "space": labels["space"],
        "weights_licence": LICENCES.get(labels["space"]["embedder"], "not known"),
        "threshold": read_json(directory / "calibration.json")["threshold"],
        "training": settings.training.model_dump(mode="json"),
        "metrics": dict(metrics),
    }
    write_json(directory / "card.json", card)
    write_text(directory / "card.md", card_markdown(card))


def card_markdown(card: Mapping[str, Any]) -> str:
    """The card for people, from the card for machines."""
    space, metrics, photographs = card["space"], card["metrics"], card["photographs"]
    rate = card["training"]["false_positive_rate"]
    unknown, strangers = metrics["strangers_called_unknown"], metrics["strangers_n"]
    return f"""# Face recogniser of {card["people"]:,} people

Says which of the people that it was trained on a face belongs to, or that it is none of them.

| | |
|---|---|
| trained | {card["created"]} |
| people | {card["people"]:,} |
| photographs | {photographs["train"]:,} to train on, {photographs["test"]:,} held out |
| source of the photographs | {card["source"]} |
| embedder | {space["embedder"]}, {space["dim"]} dimensions |
| weights of the embedder | sha256 {space["weights_sha256"]} |
| licence of these weights | {card["weights_licence"]} |
| preprocessing | {space["preprocessing"]} |
| classifier | cosine softmax; unknown under a cosine of {card["threshold"]:.4f} |
| inputs | fingerprint {card["fingerprint"]} |

## Figures

{metrics_table(metrics)}
The threshold is set for {rate:.1%} of strangers to be given a name. It is chosen on training
photographs alone, by training without some of the people and asking about them. Of the strangers
that did not choose it, {share(unknown)} were called unknown (n = {strangers:,}).

The figures hold for photographs like those it was trained on. They say nothing about film scenes,
small or blurred faces, or other sources.

## Intended use

Suggesting who is on screen in films and photographs of the people that it knows, for a person to
check.

Not for: deciding anything about a person, identifying people who did not agree to it, surveillance,
or access control.

## Limits

- It knows only the people in `labels.json`. Everybody else should be called unknown; how often that
  fails is among the figures.
- Siblings, look-alikes and people with few photographs were not measured by themselves. Expect more
  mistakes there.
- A wrong photograph in the source is learned like a right one.
- Figures by sex, age or skin colour are not known: the source does not say them and they were not
  measured. Face recognition is known to work less well for some groups than for others (NIST IR
  8280).

## Data

`gallery.npz` and `classifier.keras` hold a vector for each person made from photographs of their
face. Embeddings of faces are biometric data (GDPR Article 9; Illinois BIPA): keep, share and delete
them as such. The photographs are not part of this version.
"""
