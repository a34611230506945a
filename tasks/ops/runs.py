"""Starts a deployment's run by hand, and watches it."""

import json
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

LOOK_SECONDS = 1.0
LOGS_AT_ONCE = 200
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
        said = error.response.json().get("detail", error.response.text)
        text = said if isinstance(said, str) else json.dumps(said)
        raise OperationsError(f"{flow} does not take these parameters: {text}") from None


def watch(client: SyncPrefectClient, run: UUID, say: Callable[[str], None]) -> State[Any]:
    """Say its states and what it logs until it has ended; the last state."""
    told, seen = "", 0
    while True:
        state = client.read_flow_run(run).state
        assert state is not None
        if state.name != told:
            told = state.name or ""
            say(f"{told}{f': {state.message}' if state.message else ''}")
        seen += _say_logs(client, run, seen, say)
        if state.is_final():
            _say_logs(client, run, seen, say)
            return state
        time.sleep(LOOK_SECONDS)


def _say_logs(client: SyncPrefectClient, run: UUID, seen: int, say: Callable[[str], None]) -> int:
    logs = client.read_logs(
        log_filter=LogFilter(flow_run_id=LogFilterFlowRunId(any_=[run])),
        limit=LOGS_AT_ONCE,
        offset=seen,
        sort=LogSort.TIMESTAMP_ASC,
    )
    for log in logs:
        say(f"  {log.message}")
    return len(logs)
