"""The model card of a version: what it was made from, how good it is, what it is for.

After Mitchell et al. 2019, "Model Cards for Model Reporting" (arXiv:1810.03993). Every figure is
measured; what was not measured is said not to be known.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from elenco.fingerprint import code_version
from elenco.report.groups import groups_section
from elenco.report.metrics import metrics_table, share
from elenco.settings import Settings
from elenco.storage import read_json, write_json, write_text

CARD_SCHEMA = 2
LICENCES = {
    "facenet": "MIT (davidsandberg/facenet 20180402-114759, trained on VGGFace2)",
    "dlib_resnet": "CC0 1.0 (Davis King, dlib face recognition ResNet v1)",
}
PHOTOGRAPHS = {
    "tmdb": "none that allows for this: TMDB's terms of use (20 October 2023) forbid machine "
    "learning on its content without a separate written agreement",
    "folder": "not known: that of whoever filled the folder",
}


def write_card(
    directory: Path,
    settings: Settings,
    metrics: Mapping[str, Any],
    told: Mapping[str, Any],
) -> dict[str, Any]:
    """Write `card.json` (for machines; the registry reads it) and `card.md` (for people).

    Args:
        directory: a version being built; its `labels.json` and `calibration.json` are read.
        settings: how it was trained; no secret is written.
        metrics: as `elenco.recognition.train.train_candidate` returns them.
        told: `fingerprint` (names all that it was trained from), `inputs` (names of digests ->
            digests), `created` (ISO 8601 UTC), `seconds`, `groups` (JSON of
            `elenco.evaluation.groups.Grouping`s, None if not measured), `data` (what
            `datasheet.md` tells of, as `elenco.documents` gathers it).

    Returns:
        The card.
    """
    labels = read_json(directory / "labels.json")
    embedder = labels["space"]["embedder"]
    card = {
        "schema": CARD_SCHEMA,
        **{name: told[name] for name in ("fingerprint", "inputs", "created", "seconds")},
        "code": code_version(),
        "people": len(labels["people"]),
        "source": settings.collect.source,
        "space": labels["space"],
        "licences": {
            "weights": LICENCES.get(embedder, "not known"),
            "photographs": _licence(settings),
        },
        "calibration": read_json(directory / "calibration.json"),
        "settings": {
            name: getattr(settings, name).model_dump(mode="json")
            for name in ("training", "curation", "evaluation", "retention")
        },
        "data": told["data"],
        "groups": told["groups"],
        "metrics": dict(metrics),
    }
    write_json(directory / "card.json", card)
    write_text(directory / "card.md", card_markdown(card))
    return card


def card_markdown(card: Mapping[str, Any]) -> str:
    """The card for people, from the card for machines; `elenco.amend` adds `amends` to it."""
    space, metrics, code = card["space"], card["metrics"], card["code"]
    photographs, calibration = card["data"]["photographs"], card["calibration"]
    rows = [
        ("trained", f"{card['created']}, in {card['seconds']:,.1f} s"),
        *_amended(card),
        ("people", f"{card['people']:,}"),
        (
            "photographs",
            f"{photographs['train']:,} to train on, {photographs['test']:,} held out, "
            f"{sum(card['data']['quarantined'].values()):,} quarantined",
        ),
        ("source of the photographs", card["source"]),
        ("licence of the photographs", card["licences"]["photographs"]),
        ("embedder", f"{space['embedder']}, {space['dim']} dimensions"),
        ("weights of the embedder", f"sha256 {space['weights_sha256']}"),
        ("licence of these weights", card["licences"]["weights"]),
        ("preprocessing", space["preprocessing"]),
        ("classifier", f"unknown under a score of {calibration['threshold']:.4f}"),
        ("code", f"elenco {code['version']}, sources {code['digest']}"),
        ("all inputs", f"fingerprint {card['fingerprint']}"),
        *((name, f"digest {digest}") for name, digest in card["inputs"].items()),
    ]
    table = "\n".join(f"| {name} | {value} |" for name, value in rows)
    chosen = "\n".join(
        f"| {section}.{key} | {value} |"
        for section in ("training", "curation", "evaluation")
        for key, value in card["settings"][section].items()
    )
    rate = calibration["false_positive_rate"]
    unknown = metrics["strangers_called_unknown"]
    strangers = metrics["strangers_n"]
    return f"""# Face recogniser of {card["people"]:,} people

Says which of the people that it was trained on a face belongs to, or that it is none of them.

| | |
|---|---|
{table}

## Figures

{metrics_table(metrics)}
The threshold is set for {rate:.1%} of strangers to be given a name, on training photographs alone.
Of strangers that did not choose it, {share(unknown)} were called unknown (n = {strangers:,}).

The figures hold for photographs like those it was trained on. They say nothing about film scenes,
small or blurred faces, or other sources, but for what follows.

## Figures by group

{groups_section(card["groups"])}
Figures by sex, age or skin colour are not known: the source does not say them and they were not
measured. Face recognition is known to work less well for some groups than for others (NIST IR
8280).

## Intended use

Suggesting who is on screen in films and photographs of the people that it knows, for a person to
check.

Not for: deciding anything about a person, identifying people who did not agree to it, surveillance,
or access control.

## Limits

- It knows only the people in `labels.json`. Everybody else should be called unknown; how often that
  fails is among the figures.
- Siblings, look-alikes and people with few photographs: expect more mistakes there.
- A wrong photograph in the source is learned like a right one, unless it was quarantined.

## Settings

| | |
|---|---|
{chosen}

## Data

`datasheet.md` tells of the photographs, `statistics.json` of their embeddings. `gallery.npz` and
`classifier.keras` hold a vector for each person made from photographs of their face. Embeddings of
faces are biometric data (GDPR Article 9; Illinois BIPA): keep, share and delete them as such. The
photographs are not part of this version.
"""


def _licence(settings: Settings) -> str:
    """Under which licence the photographs are used, as far as anybody said."""
    agreed = settings.collect.source == "tmdb" and settings.tmdb.terms_accepted
    said = ", which the operator says to have (tmdb.terms_accepted)" if agreed else ""
    return PHOTOGRAPHS[settings.collect.source] + said


def _amended(card: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What was done by hand to a version that was trained, the first change first."""
    rows: list[tuple[str, str]] = []
    for step in card.get("amends", []):
        digests = [f"photograph sha256 {sha256}" for sha256 in step.get("photographs", [])]
        whom = f" {step['person_id']}" if "person_id" in step else ""
        what = "; ".join([f"{step['version']} {step['what']}{whom}", *digests])
        rows.append(("made of", f"{what}. Figures are those of the version that was trained"))
    return rows
