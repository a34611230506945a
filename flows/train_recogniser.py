"""Curated embeddings -> a trained candidate, measured. The same inputs are trained once."""

from prefect import flow

from elenco.settings import load_settings
from elenco.types import CuratedRef, TrainedRef
from tasks.curate import find_curated
from tasks.names import of_day
from tasks.report import report_training
from tasks.train import train_candidate


@flow(name="train_recogniser", flow_run_name=of_day("train"))
def train_recogniser(
    curated: CuratedRef | None = None, config: str | None = None, people: int | None = None
) -> TrainedRef:
    """Train the recogniser and measure it.

    Args:
        curated: the embeddings, and which are left out; by default those joined last.
        config: a settings file; by default the one named by ELENCO_CONFIG or config/default.toml.
        people: how many people, in place of the settings' number.
    """
    settings = load_settings(config, collect={"people": people})
    trained = train_candidate(curated or find_curated(settings), settings)
    report_training(trained, settings)
    return trained
