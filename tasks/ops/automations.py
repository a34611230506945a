"""What the server does by itself: marks dead runs, starts the next one, tells a person.

An automation is known by its name: applying them again changes nothing.
"""

import json
from datetime import timedelta
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ActionTypes, ChangeFlowRunState, RunDeployment
from prefect.events.schemas.automations import Automation, AutomationCore, EventTrigger, Posture

from elenco.settings import Alarms
from tasks.ops.events import DRIFT, NOT_PROMOTED, TEST
from tasks.ops.messages import MESSAGE, STATE, tell
from tasks.parts import DEPLOYED, PART

PREFIX = "elenco: "
ALARM_TEST = f"{PREFIX}alarm test"
RUN = "prefect.flow-run."
Labels = dict[str, str | list[str]]


def _tag(*any_of: str) -> Labels:
    ids = [f"prefect.tag.{name}" for name in any_of]
    return {"prefect.resource.id": ids, "prefect.resource.role": "tag"}


OURS = _tag(DEPLOYED)
OURS_AND_PARTS = _tag(DEPLOYED, PART)
SCHEDULED = _tag("auto-scheduled")  # what Prefect gives to runs that a schedule made


def wanted(alarms: Alarms, refresh: UUID, blocks: dict[str, UUID]) -> list[AutomationCore]:
    """All of them.

    Args:
        alarms: the settings.
        refresh: the deployment of `daily_refresh`.
        blocks: of the addresses that alarms go to, by kind.
    """
    of_refresh: Labels = {
        "prefect.resource.id": f"prefect.deployment.{refresh}",
        "prefect.resource.role": "deployment",
    }
    again = RunDeployment(
        source="selected", deployment_id=refresh, parameters=None, job_variables=None
    )
    # States have names of their own: whatever is heard of a run is a sign of life.
    automations = [
        _automation(
            "a vanished run is crashed",
            [_crash(f"no heartbeat for {alarms.vanished_seconds} s: its worker has vanished")],
            related=[OURS_AND_PARTS],
            after=("Running", "heartbeat"),
            absent=timedelta(seconds=alarms.vanished_seconds),
        ),
        _automation(
            "a run that never starts is crashed",
            [_crash(f"not started {alarms.unstarted_seconds} s after a worker took it")],
            related=[OURS],
            after=("Pending", "Submitting"),
            absent=timedelta(seconds=alarms.unstarted_seconds),
        ),
        # Once: what takes the place of a scheduled refresh has not its tag.
        _automation(
            "a crashed refresh is run again",
            [again],
            related=[of_refresh, SCHEDULED],
            state="CRASHED",
        ),
    ]
    return [*automations, *_alarms(alarms, of_refresh, blocks)] if blocks else automations


def _alarms(alarms: Alarms, of_refresh: Labels, blocks: dict[str, UUID]) -> list[AutomationCore]:
    def run(alarm: str, state: str = "", event: str = "*") -> AutomationCore:
        actions = tell(blocks, alarm, STATE)
        return _automation(f"alarm {alarm}", actions, related=[OURS], state=state, event=event)

    def said(alarm: str, event: str) -> AutomationCore:
        trigger = EventTrigger(posture=Posture.Reactive, expect={event}, within=timedelta(0))
        actions = tell(blocks, alarm, MESSAGE)
        return AutomationCore(name=f"{PREFIX}alarm {alarm}", trigger=trigger, actions=actions)

    silence = f"no refresh has finished for {alarms.silence_hours:g} hours"
    return [
        run("failed", state="FAILED"),
        run("crashed", state="CRASHED"),
        run("late", event="Late"),
        _automation(
            "alarm silence",
            tell(blocks, "silence", silence),
            related=[of_refresh],
            state="COMPLETED",
            absent=timedelta(hours=alarms.silence_hours),
        ),
        said("not promoted", NOT_PROMOTED),
        said("drift", DRIFT),
        said("test", TEST),
    ]


def _automation(
    name: str,
    actions: list[ActionTypes],
    *,
    related: list[Labels],
    state: str = "",
    event: str = "*",
    after: tuple[str, ...] = (),
    absent: timedelta | None = None,
) -> AutomationCore:
    """Acts when something is heard of a run, or when nothing is for so long."""
    match: Labels = {"prefect.resource.id": f"{RUN}*"}
    if state:
        match["prefect.state-type"] = state
    each = {"prefect.resource.id"} if after or absent is None else set[str]()
    trigger = EventTrigger(
        posture=Posture.Reactive if absent is None else Posture.Proactive,
        match=match,
        match_related=[*related],
        for_each=each,
        after={f"{RUN}{one}" for one in after},
        expect={f"{RUN}{event}"},
        within=absent or timedelta(0),
    )
    return AutomationCore(name=f"{PREFIX}{name}", trigger=trigger, actions=actions)


def _crash(message: str) -> ChangeFlowRunState:
    return ChangeFlowRunState(name=None, state=StateType.CRASHED, message=message, force=False)


def apply(client: SyncPrefectClient, automations: list[AutomationCore]) -> list[str]:
    """Create, change and delete until the server has these and no others of ours; what was done.

    One that an operator switched off stays off.
    """
    done = []
    there: dict[str, Automation] = {}
    twice: list[Automation] = []
    for one in read(client):
        if one.name in there:
            twice.append(one)
        else:
            there[one.name] = one
    for one in automations:
        found = there.pop(one.name, None)
        if found is None:
            client.create_automation(one)
            done.append(f"automation {one.name.removeprefix(PREFIX)!r} created")
        elif _comparable(found) != _comparable(one):
            kept = one.model_copy(update={"enabled": found.enabled})
            client.update_automation(found.id, kept)
            done.append(f"automation {one.name.removeprefix(PREFIX)!r} changed")
    for one in [*(there[name] for name in sorted(there)), *twice]:
        client.request("DELETE", "/automations/{id}", path_params={"id": one.id})
        done.append(f"automation {one.name.removeprefix(PREFIX)!r} deleted")
    return done


def read(client: SyncPrefectClient) -> list[Automation]:
    """Those of ours that the server has, among however many of others."""
    found: list[Automation] = []
    while True:  # a page is as long as the server's settings say
        answer = client.request("POST", "/automations/filter", json={"offset": len(found)})
        page = Automation.model_validate_list(answer.json())
        if not page:
            return [a for a in found if a.name.startswith(PREFIX)]
        found += page


def _comparable(automation: AutomationCore) -> object:
    kept = automation.model_dump(mode="json", include={"name", "description", "trigger", "actions"})
    return json.loads(json.dumps(kept, sort_keys=True), object_hook=_sorted)


def _sorted(node: dict[str, object]) -> dict[str, object]:
    """Sets come as lists in any order."""
    return {k: sorted(v) if k in _SETS and isinstance(v, list) else v for k, v in node.items()}


_SETS = ("after", "expect", "for_each")
