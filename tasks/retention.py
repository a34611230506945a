"""What was kept for long enough."""

from prefect import task

from elenco.layout import Layout
from elenco.rights import retention
from elenco.settings import Settings


@task(task_run_name="delete what is too old")
def delete_expired(settings: Settings) -> dict[str, int]:
    """Delete it, with all that was made of it; how much of what."""
    return retention.enforce_retention(settings, Layout.of(settings)).counts()
