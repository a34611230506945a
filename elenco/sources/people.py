"""The lists of people on disk: one dated file a day, never changed afterwards."""

import re
from collections.abc import Sequence
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

from elenco.errors import NotEnoughData
from elenco.layout import Layout
from elenco.storage import read_json, write_json
from elenco.types import Person, Skipped

_NAME = re.compile(r"(\d{4}-\d{2}-\d{2})(?:-(\d+))?\.json")


def write_people(
    layout: Layout, today: date, people: Sequence[Person], skipped: Sequence[Skipped], asked: int
) -> Path:
    """Write the list of the day; another list of the same day gets a number behind the date.

    So does one of an earlier day than the newest, whose clock was set back meanwhile: the list
    that was written last is the last by its name.

    The file holds `date`, `asked` (how many were asked for), `people` with `rank` from 1, `id`,
    `name` and `popularity`, and `skipped`: who was looked at and left out, with the reason.

    Returns:
        The file; the newest that was there if it is not older and has the same people in order.
    """
    value: dict[str, Any] = {
        "date": today.isoformat(),
        "asked": asked,
        "people": [{"rank": rank, **asdict(p)} for rank, p in enumerate(people, 1)],
        "skipped": [asdict(skip) for skip in skipped],
    }
    newest = newest_list(layout)
    day, number = today.isoformat(), 1
    if newest is not None and _order(newest)[0] >= day:
        if [p["id"] for p in read_json(newest)["people"]] == [p.id for p in people]:
            return newest
        day, number = _order(newest)[0], _order(newest)[1] + 1
    name = day if number == 1 else f"{day}-{number}"
    path = layout.people / f"{name}.json"
    write_json(path, value)
    return path


def read_people(layout: Layout) -> list[Person]:
    """The people that were listed last.

    Raises:
        NotEnoughData: nobody was listed yet.
    """
    newest = newest_list(layout)
    if newest is None:
        raise NotEnoughData(f"no people were listed in {layout.data}: collect first")
    return _people(newest)


def people_before(layout: Layout, today: date) -> list[Person] | None:
    """The people of the newest list from before a day, None if there is none."""
    older = [path for path in _lists(layout) if _order(path)[0] < today.isoformat()]
    return _people(older[-1]) if older else None


def newest_list(layout: Layout) -> Path | None:
    """The list written last, None if there is none."""
    lists = _lists(layout)
    return lists[-1] if lists else None


def delete_lists_before(layout: Layout, day: date) -> int:
    """Delete lists older than a day, but for the newest: names are kept no longer than faces."""
    old = [path for path in _lists(layout)[:-1] if _order(path)[0] < day.isoformat()]
    for path in old:
        path.unlink()
    return len(old)


def _lists(layout: Layout) -> list[Path]:
    if not layout.people.is_dir():
        return []
    return sorted((p for p in layout.people.iterdir() if _NAME.fullmatch(p.name)), key=_order)


def _order(path: Path) -> tuple[str, int]:
    match = _NAME.fullmatch(path.name)
    assert match is not None
    return match[1], int(match[2] or 1)


def _people(path: Path) -> list[Person]:
    return [Person(p["id"], p["name"], p["popularity"]) for p in read_json(path)["people"]]
