"""What runs are called in the interface: words for a person who looks at a list of them."""

from collections.abc import Callable, Sized
from typing import Any, cast

from prefect.runtime import flow_run
from prefect.tasks import TaskRunNameCallbackWithParameters

from elenco.types import ShardRef


def of_shard(stage: str, given: str, what: str) -> TaskRunNameCallbackWithParameters:
    """`detect 17/64 · 1,562 photos`: shards are counted from 1 here, so that the last is 64/64.

    Args:
        stage: the first word.
        given: the parameter of the task that its shard comes in: a `ShardRef`, or the people of
            the shard beside the parameter `shard`.
        what: the things that are in it.
    """

    # Prefect passes the parameters by this name.
    def name(parameters: dict[str, Any]) -> str:
        shards = parameters["settings"].collect.shards
        value: ShardRef | Sized = parameters[given]
        if isinstance(value, ShardRef):
            shard, count = value.shard, value.report.kept
        else:
            shard, count = parameters["shard"], len(value)
        return f"{stage} {shard + 1}/{shards} · {count:,} {what}"

    return cast(TaskRunNameCallbackWithParameters, name)


def of_day(what: str) -> Callable[[], str]:
    """`refresh 2026-11-26 06:00 UTC`: when a flow was to begin, also if it begins late."""

    def name() -> str:
        return f"{what} {flow_run.scheduled_start_time:%Y-%m-%d %H:%M} UTC"

    return name
