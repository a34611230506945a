"""Flows that are part of another."""

from contextlib import AbstractContextManager, nullcontext

from prefect import tags
from prefect.runtime import flow_run

DEPLOYED = "elenco"  # the tag of every deployment, and so of the runs that workers start
PART = "elenco-part"


def parts() -> AbstractContextManager[object]:
    """Mark the flows that are called in this, where a worker runs the one that calls them.

    A part has a run and a heartbeat of its own, and inherits no tag: if its process is killed, the
    server would take it for running for ever, and never delete it. With DEPLOYED itself there would
    be two alarms for each failure.
    """
    return tags(PART) if DEPLOYED in flow_run.tags else nullcontext()
