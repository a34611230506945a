"""What lies beside a model in its version: statistics of its data, card, datasheet."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from elenco.fingerprint import file_sha256
from elenco.layout import Layout
from elenco.recognition.drift import PHOTOGRAPHS, STATISTICS
from elenco.recognition.statistics import data_statistics, photograph_digests, photograph_ids
from elenco.recognition.train import Trained
from elenco.report.card import write_card
from elenco.report.datasheet import datasheet_markdown
from elenco.report.evaluation_files import write_evaluation
from elenco.report.origin import origin_of
from elenco.rights.denylist import denied
from elenco.settings import Settings
from elenco.storage import read_npz, write_json, write_npz, write_text
from elenco.types import SPLITS, CuratedRef, Split

DATASHEET = "datasheet.md"
EVALUATION = "evaluation"


def write_documents(
    directory: Path,
    curated: CuratedRef,
    quarantined: Mapping[str, str],
    trained: Trained,
    made: Mapping[str, Any],
    settings: Settings,
    layout: Layout,
) -> None:
    """Write what lies beside the model into a version being built.

        statistics.json   as `elenco.recognition.statistics.data_statistics` returns them
        photographs.npz   {split} u64 (n,), a digest of each `person_id/key`, sorted; and
                          {split}_people u64 (n,), of the person id
        card.json, card.md, datasheet.md
        evaluation/       as `elenco.report.evaluation_files.write_evaluation` writes it, if there
                          was a photograph to measure on

    Args:
        directory: of the version; the model's files are there.
        curated: what it was trained from.
        quarantined: `person_id/key` -> reason, of the photographs that were left out.
        trained: the model's figures.
        made: `fingerprint`, `created` and `seconds`, as for `elenco.report.card.write_card`.
        settings: with which it was trained.
        layout: where data set and records are.
    """
    paths: dict[Split, str] = {"train": curated.dataset.train, "test": curated.dataset.test}
    splits = {split: read_npz(layout.data / paths[split]) for split in SPLITS}
    statistics = data_statistics(splits, quarantined, settings.curation.min_quality)
    write_json(directory / STATISTICS, statistics)
    if trained.evaluation is not None:
        write_evaluation(trained.evaluation, settings, layout, directory / EVALUATION)
    digests: dict[str, Any] = {}
    for split, arrays in splits.items():
        found = photograph_digests(arrays, quarantined)
        digests |= {split: found["photographs"], f"{split}_people": found["people"]}
    write_npz(directory / PHOTOGRAPHS, **digests)
    every = frozenset(name for arrays in splits.values() for name in photograph_ids(arrays))
    data = {
        "photographs": statistics["photographs"],
        "quarantined": {split: statistics["quarantined"][split] for split in SPLITS},
        "quarantined_by_reason": statistics["quarantined"]["reasons"],
        "forgotten": len(denied(layout).digests),
        "origin": origin_of(every, layout),
    }
    file = layout.data / curated.quarantine
    inputs = {
        "data set": curated.dataset.digest,
        "quarantine": file_sha256(file) if file.exists() else "none",
        "both": curated.digest,
    }
    groups = [asdict(one) for one in trained.evaluation.groups] if trained.evaluation else None
    told = {"inputs": inputs, **made, "groups": groups, "data": data}
    card = write_card(directory, settings, trained.metrics, told)
    write_text(directory / DATASHEET, datasheet_markdown(card, statistics))
