"""Embeddings -> a trained candidate with its measurements. The same inputs are trained once."""

from prefect import flow

from elenco.settings import load_settings
from elenco.types import DatasetRef, TrainedRef
from tasks.report import report_training
from tasks.train import find_dataset, train_candidate


@flow(name="train_recogniser")
def train_recogniser(
    dataset: DatasetRef | None = None, config: str | None = None, people: int | None = None
) -> TrainedRef:
    """Train the recogniser and measure it.

    Args:
        dataset: the embeddings; by default those joined last.
        config: a settings file; by default the one named by ELENCO_CONFIG or config/default.toml.
        people: how many people, in place of the settings' number.
    """
    settings = load_settings(config, collect={"people": people})
    trained = train_candidate(dataset or find_dataset(settings), settings)
    report_training(trained, settings)
    return trained
