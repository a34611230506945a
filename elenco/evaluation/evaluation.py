"""All figures of a recogniser, as one value that becomes JSON, Markdown and plots."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from elenco.embedding.base import Embedder
from elenco.evaluation.bootstrap import Resampling
from elenco.evaluation.calibration import Calibration, calibration
from elenco.evaluation.confusions import Confusions, confusions
from elenco.evaluation.groups import (
    GALLERY_PHOTOGRAPHS,
    PHOTOGRAPHS,
    QUALITIES,
    SIZES,
    YAWS,
    Grouping,
    grouping,
)
from elenco.evaluation.histograms import Histograms, histograms
from elenco.evaluation.open_set import OpenSet, is_unknown, open_set, outcomes
from elenco.evaluation.protocol import Protocol
from elenco.evaluation.robustness import Robustness, robustness
from elenco.evaluation.scale import Fit, Scale, scale
from elenco.evaluation.trial import Trial
from elenco.evaluation.verification import Verification
from elenco.layout import Layout
from elenco.recognition.search import Search
from elenco.settings import Settings
from elenco.types import EmbeddingSpace

EVALUATION_SCHEMA = 1


@dataclass(frozen=True)
class StageCounts:
    """What a stage did with the photographs: kept + skipped == given."""

    given: int
    kept: int
    skipped: dict[str, int]


@dataclass(frozen=True)
class Evaluation:
    """Everything that was measured. `dataclasses.asdict` of it is JSON; equal inputs, equal JSON.

    Attributes:
        schema: of this value.
        name: what was measured: a version or a folder.
        space: of the embeddings.
        protocol: which photographs were used for what.
        stages: what became of a folder's photographs; empty for a version.
        false_positive_rate: share of strangers that the threshold was set for.
        figures: of all photographs.
        calibration: of all answers.
        histograms: of the best scores.
        groups: figures by what a photograph is like.
        scale: figures by the number of people.
        robustness: figures of degraded photographs; None where it was not asked for, or no aligned
            face is on disk.
        confusions: the worst people and pairs.
        verification: of pairs; None where none were given.
    """

    schema: int
    name: str
    space: EmbeddingSpace
    protocol: Protocol
    stages: dict[str, StageCounts]
    false_positive_rate: float
    figures: OpenSet
    calibration: Calibration
    histograms: Histograms
    groups: list[Grouping]
    scale: Scale
    robustness: Robustness | None
    confusions: Confusions
    verification: Verification | None


def evaluate(
    name: str,
    trial: Trial,
    protocol: Protocol,
    settings: Settings,
    layout: Layout,
    *,
    fit: Fit,
    larger: bool = False,
    embedder: Embedder | None = None,
    verification: Verification | None = None,
    stages: Mapping[str, StageCounts] | None = None,
) -> Evaluation:
    """Measure a trial.

    Args:
        name: of what is measured.
        trial: recogniser and photographs.
        protocol: how they were chosen.
        settings: `evaluation`, `training`, `compute`.
        layout: where the aligned faces are.
        fit: makes recognisers of other numbers of people.
        larger: whether of more people than the trial's has, too.
        embedder: to embed degraded faces with; None to leave these out.
        verification: of pairs, measured before.
        stages: what became of the photographs before.

    Raises:
        SpaceMismatch: the embedder is of another space.
    """
    resampling = Resampling(trial.strata, settings.evaluation.bootstrap, settings.training.seed)
    known = trial.gallery.search(trial.probes.vectors)
    strangers = trial.gallery.search(trial.strangers.vectors, trial.leave_out)
    threshold = trial.gallery.threshold
    asked = (known, trial.truth, trial.people, strangers, trial.stranger_people, threshold)
    sizes = settings.evaluation.gallery_sizes
    figures = open_set(*asked, resampling, curve=True)
    return Evaluation(
        schema=EVALUATION_SCHEMA,
        name=name,
        space=trial.gallery.space,
        protocol=protocol,
        stages=dict(stages or {}),
        false_positive_rate=trial.gallery.false_positive_rate,
        figures=figures,
        calibration=calibration(*asked, resampling),
        histograms=histograms(known, trial.truth, strangers),
        groups=_groups(trial, known, strangers, resampling),
        scale=scale(trial, figures, sizes, fit, settings, larger),
        robustness=robustness(trial, embedder, settings, layout) if embedder else None,
        confusions=confusions(trial, known, strangers),
        verification=verification,
    )


def _groups(
    trial: Trial, known: Search, strangers: Search, resampling: Resampling
) -> list[Grouping]:
    threshold, probes, others = trial.gallery.threshold, trial.probes, trial.strangers
    hits = outcomes(known, trial.truth, threshold)
    unknown = is_unknown(strangers, threshold)
    own = trial.gallery.counts[trial.truth]
    groups = [
        grouping(
            "photographs in the gallery",
            PHOTOGRAPHS,
            GALLERY_PHOTOGRAPHS,
            (own, hits, trial.people),
            None,
            resampling,
        )
    ]
    measures = (
        ("face size", "pixels between the eyes", SIZES, probes.sizes, others.sizes),
        ("quality", "", QUALITIES, probes.quality, others.quality),
        ("yaw", "degrees", YAWS, np.abs(probes.yaws), np.abs(others.yaws)),
    )
    for by, unit, edges, ours, theirs in measures:
        mine, else_ = (ours, hits, trial.people), (theirs, unknown, trial.stranger_people)
        groups.append(grouping(by, unit, edges, mine, else_, resampling))
    return groups
