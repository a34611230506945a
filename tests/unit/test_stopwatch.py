"""How long a refresh and its steps took."""

import time

import pytest

from tasks.stopwatch import stopwatch, timed


@pytest.fixture
def clock(monkeypatch):
    """What the monotonic clock says, to be set."""
    says = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: says[0])
    return says


def test_steps_are_told_to_the_flow_that_asks(clock):
    with stopwatch() as watch:
        with timed("train"):
            clock[0] += 2
        clock[0] += 1
        with timed("export"):
            clock[0] += 40
    assert watch.steps == {"train": 2, "export": 40}
    assert watch.seconds == 43


def test_a_step_that_nobody_asks_about_is_done_as_well():
    with stopwatch() as watch:
        pass
    with timed("train"):
        pass
    assert watch.steps == {}
