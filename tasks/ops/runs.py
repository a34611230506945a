"""Starts a deployment's run by hand, and watches it."""

import time
from collections.abc import Callable
from typing import Any
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import LogFilter, LogFilterFlowRunId
from prefect.client.schemas.objects import FlowRun, State
from prefect.client.schemas.sorting import LogSort
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError

from elenco.ops.errors import OperationsError
from tasks.ops.answers import said

LOOK_SECONDS = 1.0
# A process sends what it logs every two seconds, and the rest when it ends: after its last state.
SILENT_LOOKS = 5
LOGS_AT_ONCE = 200  # the most that a server gives
INVALID = (409, 422)


def start(client: SyncPrefectClient, flow: str, parameters: dict[str, Any]) -> FlowRun:
    """Hand a run to the workers.

    Raises:
        OperationsError: there is no such deployment, or it takes no such parameters.
    """
    try:
        deployment = client.read_deployment_by_name(f"{flow}/{flow}")
    except ObjectNotFound:
        raise OperationsError(
            f"the server knows no flow {flow}: `elenco deploy` tells it of them"
        ) from None
    schema = deployment.parameter_openapi_schema or {}
    known = sorted(schema.get("properties", {}))
    if unknown := sorted(set(parameters) - set(known)):
        raise OperationsError(f"{flow} has no parameter {unknown[0]}: it takes {', '.join(known)}")
    try:
        return client.create_flow_run_from_deployment(
            deployment.id, parameters=parameters, tags=["by-hand"]
        )
    except PrefectHTTPStatusError as error:
        if error.response.status_code not in INVALID:
            raise
        raise OperationsError(
            f"{flow} does not take these parameters: {said(error.response)}"
        ) from None


def watch(client: SyncPrefectClient, run: UUID, say: Callable[[str], None]) -> State[Any]:
    """Say its states and what it logs until it has ended and no more comes; the last state."""
    told, seen, silent = "", 0, 0
    while True:
        state = client.read_flow_run(run).state
        assert state is not None
        if state.name != told:
            told = state.name or ""
            say(f"{told}{f': {state.message}' if state.message else ''}")
        new = _say_logs(client, run, seen, say)
        seen += new
        silent = silent + 1 if state.is_final() and not new else 0
        if silent == SILENT_LOOKS:
            return state
        time.sleep(LOOK_SECONDS)


def _say_logs(client: SyncPrefectClient, run: UUID, seen: int, say: Callable[[str], None]) -> int:
    """Say all lines behind those that were seen; how many."""
    new = 0
    while True:
        logs = client.read_logs(
            log_filter=LogFilter(flow_run_id=LogFilterFlowRunId(any_=[run])),
            limit=LOGS_AT_ONCE,
            offset=seen + new,
            sort=LogSort.TIMESTAMP_ASC,
        )
        for log in logs:
            say(f"  {log.message}")
        new += len(logs)
        if len(logs) < LOGS_AT_ONCE:
            return new
