"""What shards that were worked on side by side come to; how none is left: tests/flows."""

import time
from concurrent.futures import Future
from uuid import uuid4

import pytest
from prefect.futures import PrefectConcurrentFuture
from prefect.states import Completed

from elenco.types import ShardRef, StageReport
from tasks.shards import Shards


@pytest.fixture
def clock(monkeypatch):
    """What the monotonic clock says, to be set."""
    says = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: says[0])
    return says


def shard(number: int, seconds: float) -> ShardRef:
    report = StageReport(10, 9, 1, {"no_face": 1}, seconds)
    return ShardRef("detect", number, f"{number}.json", "ab", report)


def submitted(shards: Shards, stage: str) -> Future:
    wrapped: Future = Future()
    shards.add(stage, PrefectConcurrentFuture(uuid4(), wrapped))
    return wrapped


def test_the_seconds_of_a_stage_are_from_its_first_start_to_its_last_end(clock):
    shards = Shards()
    one, two, three = (submitted(shards, "detect") for _ in range(3))
    clock[0] = 110  # began at 104
    two.set_result(Completed(data=shard(1, 6)))
    clock[0] = 111  # began at 102
    one.set_result(Completed(data=shard(0, 9)))
    clock[0] = 115.5  # began at 113.5: nobody was at work for a while
    three.set_result(Completed(data=shard(2, 2)))
    clock[0] = 999  # when it is asked about
    found = shards.settle()["detect"]
    assert [ref.shard for ref in found.refs] == [0, 1, 2]
    assert found.report == StageReport(30, 27, 3, {"no_face": 3}, 13.5)


def test_a_stored_answer_is_earlier_work_and_takes_no_time(clock):
    shards = Shards()
    stored, alone = submitted(shards, "detect"), submitted(shards, "embed")
    stored.set_result(Completed(name="Cached", data=shard(0, 500)))
    alone.set_result(Completed(name="Cached", data=shard(0, 500)))
    new = submitted(shards, "detect")
    clock[0] = 110
    new.set_result(Completed(data=shard(1, 4)))
    found = shards.settle()
    assert found["detect"].report == StageReport(20, 18, 10, {"no_face": 2}, 4)
    assert found["embed"].report == StageReport(10, 9, 9, {"no_face": 1}, 0)


def test_the_failure_that_caused_the_others_is_raised(clock):
    shards = Shards()
    detected, embedded = submitted(shards, "detect"), submitted(shards, "embed")
    embedded.set_exception(RuntimeError("what it is made from was not made"))
    detected.set_exception(OSError("no space"))
    with pytest.raises(OSError, match="no space"):
        shards.settle()
