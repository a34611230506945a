"""What each refresh came to, a line a refresh: `data/state/{source_id}/refreshes.jsonl`.

Numbers alone, no names: nothing in it is ever to be forgotten. The newest KEPT lines stay.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from elenco.errors import ElencoError
from elenco.layout import Layout
from elenco.storage import append_entry, read_entries, write_text
from elenco.types import Outcome, PublishedRef, StageReport

NAME = "refreshes.jsonl"
KEPT = 1000  # refreshes, almost three years of one a day
SPARE = 100  # how many more there may be before the file is written anew


@dataclass(frozen=True)
class Refresh:
    """One refresh in numbers. Shares are 0..1, None where nothing was measured.

    Attributes:
        ended: when, ISO 8601 UTC.
        seconds: wall time of the run.
        version: what it came to.
        outcome: `promoted`, `not promoted` or `nothing new`.
        people: whom the version knows.
        photographs: that it was trained and measured on.
        collected: photographs that were fetched by this run.
        top1: share of held-out photographs whose best person is the right one.
        named_right: the same, where unknown is an answer too.
        strangers_called_unknown: share of strangers' photographs, each person counting as much.
    """

    ended: str
    seconds: float
    version: str
    outcome: Outcome
    people: int
    photographs: int
    collected: int
    top1: float | None
    named_right: float | None
    strangers_called_unknown: float | None

    @staticmethod
    def of(
        stages: dict[str, StageReport], published: PublishedRef, ended: str, seconds: float
    ) -> "Refresh":
        """From what the stages did and what became of the model."""
        metrics, collect = published.metrics, stages["collect"]
        return Refresh(
            ended=ended,
            seconds=round(seconds, 1),
            version=published.version,
            outcome=published.outcome,
            people=metrics["people"],
            photographs=metrics["train_photographs"] + metrics["test_photographs"],
            collected=collect.kept - collect.reused,
            top1=metrics.get("top1"),
            named_right=metrics.get("named_right"),
            strangers_called_unknown=metrics.get("strangers_called_unknown"),
        )


def note(refresh: Refresh, layout: Layout) -> None:
    """Add a refresh. Call it while holding the data directory.

    Raises:
        ElencoError: the file holds a line that is none.
    """
    path = _path(layout)
    append_entry(path, asdict(refresh))
    found = read(layout)
    if len(found) >= KEPT + SPARE:
        lines = (json.dumps(asdict(one), ensure_ascii=False) for one in found[-KEPT:])
        write_text(path, "".join(f"{line}\n" for line in lines))


def read(layout: Layout) -> list[Refresh]:
    """Every refresh that is remembered, the oldest first.

    Raises:
        ElencoError: a line is none; the message names it.
    """
    path, found = _path(layout), list[Refresh]()
    try:
        for number, entry in enumerate(read_entries(path), 1):
            try:
                found.append(Refresh(**entry))
            except TypeError:
                raise ValueError(f"{path}, line {number}, is no refresh: delete the line") from None
    except ValueError as error:
        raise ElencoError(str(error)) from None
    return found


def _path(layout: Layout) -> Path:
    return layout.state / NAME
