"""Sends a test to every address of alarms through the server, and says what became of it."""

import time
from collections.abc import Iterator
from typing import Any

from prefect.client.orchestration import SyncPrefectClient
from prefect.events import Event, Resource
from prefect.events.actions import CallWebhook, SendNotification
from prefect.events.schemas.automations import Automation

from elenco.errors import ConfigError
from elenco.ops.errors import OperationsError
from elenco.settings import Alarms
from tasks.ops import addresses, automations
from tasks.ops.events import TEST

WAIT_SECONDS = 60.0  # two mails at once, each of which may wait 15 s for its server, and some
LOOK_SECONDS = 0.5
EXECUTED, FAILED = "prefect.automation.action.executed", "prefect.automation.action.failed"
SENT = "sent"


def send(client: SyncPrefectClient, alarms: Alarms) -> Iterator[tuple[str, str]]:
    """The kind of each address and what became of it, in the order in which it is known.

    SENT is what the other side has taken. Everything else says what is wrong, never the address.

    Args:
        client: of the server.
        alarms: the settings, for what `elenco deploy` has not told the server yet.

    Raises:
        ConfigError: no address is set.
        OperationsError: one is, but the server does not know it, or its automation is off.
    """
    automation = _automation(client, alarms)
    stored = addresses.stored(client)
    waiting = {
        number: stored.get(action.block_document_id, "an address that is gone")
        for number, action in enumerate(automation.actions)
        if isinstance(action, CallWebhook | SendNotification)
    }
    for kind in alarms.addresses:
        if kind not in waiting.values():
            yield kind, "set, but the server does not know it yet: `elenco deploy` tells it"
    event = Event(
        event=TEST,
        resource=Resource({"prefect.resource.id": TEST, "prefect.resource.name": "test"}),
        payload={"message": "nothing has happened: this is what an alarm looks like"},
    )
    client.request("POST", "/events", json=[event.model_dump(mode="json")])
    deadline = time.monotonic() + WAIT_SECONDS
    while waiting and time.monotonic() < deadline:
        for answer in _answers(client, event):
            kind = waiting.pop(answer["payload"]["action_index"], None)
            if kind is not None:
                yield kind, _outcome(answer)
        time.sleep(LOOK_SECONDS)
    for kind in waiting.values():
        yield kind, f"no word of it from the server within {WAIT_SECONDS:.0f} s"


def _automation(client: SyncPrefectClient, alarms: Alarms) -> Automation:
    found = [a for a in automations.read(client) if a.name == automations.ALARM_TEST]
    if not found and not alarms.addresses:
        raise ConfigError(
            "alarms go nowhere: set ELENCO_ALARMS__WEBHOOK_URL, ELENCO_ALARMS__SLACK_URL or "
            "ELENCO_ALARMS__EMAIL_URL, or the same with _FILE, then `elenco deploy`"
        )
    if not found:
        raise OperationsError(
            f"{', '.join(alarms.addresses)}: set, but the server does not know it yet: "
            "`elenco deploy` tells it"
        )
    if not found[0].enabled:
        raise OperationsError(
            f"the automation {automations.ALARM_TEST!r} is switched off in the interface: switch "
            "it on"
        )
    return found[0]


def _answers(client: SyncPrefectClient, event: Event) -> list[dict[str, Any]]:
    wanted = {
        "event": {"name": [EXECUTED, FAILED]},
        "related": {"id": [f"prefect.event.{event.id}"]},
    }
    return client.request("POST", "/events/filter", json={"filter": wanted}).json()["events"]


def _outcome(answer: dict[str, Any]) -> str:
    """The reason is not said: it may have parts of the address."""
    if answer["event"] == FAILED:
        return f"not sent: /events of the interface says why, as {FAILED}"
    status = answer["payload"].get("status_code", 200)
    return SENT if 200 <= status < 300 else f"not taken: HTTP status {status}"
