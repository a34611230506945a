"""The shards of a flow: what became of each stage's, and that none is left at work behind it."""

import time
from collections.abc import Iterator
from concurrent.futures import Future as Promise
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TypeVar

from prefect.context import FlowRunContext
from prefect.futures import PrefectFuture

from elenco.types import ShardRef, StageReport

F = TypeVar("F", bound=PrefectFuture[ShardRef])


@dataclass(frozen=True)
class Stage:
    """A stage that has ended.

    Attributes:
        refs: of all its shards.
        report: of all, in wall seconds from the first one's start to the last one's end.
    """

    refs: list[ShardRef]
    report: StageReport


class Shards:
    """What a flow has submitted, stage by stage."""

    def __init__(self) -> None:
        self._stages: dict[str, list[tuple[PrefectFuture[ShardRef], Promise[float]]]] = {}

    def add(self, stage: str, future: F) -> F:
        """Take note of a shard; returns it. Stages are added in the order of the work."""
        ended: Promise[float] = Promise()
        future.add_done_callback(lambda _: ended.set_result(time.monotonic()))
        self._stages.setdefault(stage, []).append((future, ended))
        return future

    def settle(self) -> dict[str, Stage]:
        """Wait for the shards, stage by stage.

        Raises the first failure: in this order it is the one that caused the others.
        """
        return {
            name: _stage([_settled(future, ended) for future, ended in shards])
            for name, shards in self._stages.items()
        }


@contextmanager
def all_shards() -> Iterator[Shards]:
    """Shards of which none is worked on any more when this ends, also where it ends with an error.

    To be entered while the data directory is held: Prefect closes a flow's runner when the flow has
    returned, and whoever got the lock by then would have its work undone. What was not begun is
    not begun any more.
    """
    try:
        yield Shards()
    except BaseException as error:
        context = FlowRunContext.get()
        assert context is not None
        context.task_runner.__exit__(type(error), error, error.__traceback__)
        raise


def _settled(
    future: PrefectFuture[ShardRef], ended: Promise[float]
) -> tuple[ShardRef, float | None]:
    """A shard's result and when this process heard of it; None for a stored one.

    A stored answer counts as work of an earlier run.
    """
    ref = future.result()
    if future.state.name == "Cached":
        return replace(ref, report=ref.report.again()), None
    return ref, ended.result()


def _stage(shards: list[tuple[ShardRef, float | None]]) -> Stage:
    """Sum up shards that were worked on side by side, here or on machines with other clocks.

    When a shard began is told by this process's clock and how long it took by its worker's.
    """
    refs = [ref for ref, _ in shards]
    spans = [(ended - ref.report.seconds, ended) for ref, ended in shards if ended is not None]
    wall = max(end for _, end in spans) - min(start for start, _ in spans) if spans else 0.0
    total = sum((ref.report for ref in refs), StageReport(0, 0))
    return Stage(refs, replace(total, seconds=round(wall, 3)))
