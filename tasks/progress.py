"""Progress of a task in Prefect's UI."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from prefect.artifacts import create_progress_artifact, update_progress_artifact

from elenco.progress import PercentSink, also_to


@contextmanager
def progress_artifact() -> Iterator[None]:
    """A progress bar for the work done inside, made only if that takes longer than seconds."""
    bars: dict[str, UUID] = {}

    # `_sync`: the work may be inside an event loop, where these would return coroutines.
    def update(name: str, percent: float) -> None:
        if name in bars:
            update_progress_artifact(bars[name], progress=percent, _sync=True)  # pyright: ignore[reportCallIssue]
        else:
            bars[name] = create_progress_artifact(percent, description=name, _sync=True)  # pyright: ignore[reportCallIssue, reportAttributeAccessIssue]

    with also_to(PercentSink(update)):
        yield
