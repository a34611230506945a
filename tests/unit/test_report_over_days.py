"""What each refresh came to, remembered and shown."""

import errno
import json
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta

import pytest

from elenco.errors import ElencoError, SourceUnreachable
from elenco.report import history
from elenco.report.history import KEPT, SPARE, Refresh
from elenco.report.over_days import ROWS, over_days_markdown, over_days_plot
from elenco.storage import write_text
from elenco.types import PublishedRef, StageReport
from tasks.failure import advice

DAY = Refresh(
    ended="2026-11-26T07:02:03+00:00",
    seconds=3723.4,
    version="v000012",
    outcome="promoted",
    people=9_950,
    photographs=101_234,
    collected=312,
    top1=0.9812,
    named_right=0.95,
    strangers_called_unknown=None,
)


def days(count: int) -> list[Refresh]:
    first = datetime(2026, 1, 1, 7, tzinfo=UTC)
    moments = ((first + timedelta(days=n)).isoformat() for n in range(count))
    return [replace(DAY, ended=moment, collected=n) for n, moment in enumerate(moments)]


def test_a_refresh_in_numbers():
    metrics = {
        "people": 9_950,
        "train_photographs": 80_000,
        "test_photographs": 21_234,
        "top1": 0.9812,
        "named_right": 0.95,
        "strangers_called_unknown": None,
        "ece": 0.01,
    }
    published = PublishedRef("v000012", "promoted", "better", "v000012", metrics)
    stages = {"collect": StageReport(101_600, 101_300, 100_988), "detect": StageReport(9, 9)}
    assert Refresh.of(stages, published, DAY.ended, 3723.41) == DAY


def test_what_is_noted_is_read_again(layout):
    assert history.read(layout) == []
    for day in days(3):
        history.note(day, layout)
    assert history.read(layout) == days(3)


def test_the_file_does_not_grow_for_ever(layout):
    noted = days(KEPT + SPARE)
    lines = (json.dumps(asdict(day)) + "\n" for day in noted[:-1])
    write_text(layout.state / history.NAME, "".join(lines))
    history.note(noted[-1], layout)
    assert history.read(layout) == noted[SPARE:]
    assert not list(layout.state.glob(".tmp-*"))


@pytest.mark.parametrize("entry", ["{", '{"ended": "2026-11-26"}', "[]"])
def test_a_damaged_line_is_named(layout, entry):
    history.note(DAY, layout)
    path = layout.state / history.NAME
    path.write_text(path.read_text() + entry + "\n")
    with pytest.raises(ElencoError, match=r"refreshes.jsonl, line 2, is no.*: delete the line"):
        history.read(layout)


def test_the_newest_are_a_table_and_all_are_a_plot():
    text = over_days_markdown([*days(ROWS + 4), DAY])
    rows = [line for line in text.splitlines() if line.startswith("| 20")]
    assert len(rows) == ROWS
    assert rows[0] == (
        "| 2026-11-26 07:02 | promoted | v000012 | 9,950 | 101,234 | 312 | 98.12% "
        "| not measured | 62.1 |"
    )
    assert rows[1].startswith("| 2026-02-03 07:00 |")
    assert "\n5 older ones are in the plot alone.\n" in text
    assert text.count("data:image/png;base64,") == 1


@pytest.mark.parametrize(
    "refreshes",
    [
        [DAY],
        [replace(DAY, top1=None, named_right=None)],
        [*days(70), replace(DAY, outcome="not promoted")],
        [*days(2), replace(DAY, outcome="not promoted", top1=None)],
    ],
    ids=["one", "nothing measured", "many", "not measured at last"],
)
def test_any_history_can_be_plotted_and_equal_ones_give_equal_bytes(refreshes):
    plot = over_days_plot(refreshes)
    assert plot.startswith(b"\x89PNG")
    assert plot == over_days_plot(refreshes)


def test_the_plot_shows_what_was_not_promoted():
    promoted = over_days_plot([*days(2), DAY])
    assert over_days_plot([*days(2), replace(DAY, outcome="not promoted")]) != promoted


def test_a_failure_says_what_to_do():
    ours = SourceUnreachable("the source does not answer: run again later")
    assert advice(ours) == "the source does not answer: run again later"
    full = OSError(errno.ENOSPC, "No space left on device", "data/images")
    assert "make room there and run it again" in advice(full)
    other = advice(ZeroDivisionError("division by zero"))
    assert other.startswith("ZeroDivisionError: division by zero: ")
    assert "the run's log says where" in other
