"""Events that alarms wait for."""

from typing import Any

from prefect.events import emit_event

TEST = "elenco.alarm.test"
NOT_PROMOTED = "elenco.refresh.not-promoted"
DRIFT = "elenco.refresh.drift"


def emit(event: str, message: str, **payload: Any) -> None:
    """Tell the server of something that a person should know; inside a flow its run goes with it.

    Args:
        event: NOT_PROMOTED or DRIFT.
        message: one line for a person.
        payload: JSON values that belong to it.
    """
    emit_event(
        event=event,
        resource={"prefect.resource.id": event, "prefect.resource.name": message[:200]},
        payload={"message": message, **payload},
    )
