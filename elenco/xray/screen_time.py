"""How long everybody is on screen, as CSV (RFC 4180)."""

import csv
import io
from typing import Any

from elenco.xray.text import one_line
from elenco.xray.types import OnScreen, Unknown, XRay

_TEXTS = ["id", "name", "character"]
COLUMNS = [*_TEXTS, "seconds", "share", "appearances", "first", "last"]
# A spreadsheet takes what begins so for a formula; the wide ones of East Asian keyboards as well.
_FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def screen_time_rows(xray: XRay) -> list[dict[str, Any]]:
    """A row a person, in the order of `xray.json`; unknown ones, whose `id` is empty, follow.

    Returns:
        By column: texts on one line; `seconds`, `first` and `last` in seconds of the video,
        `share` of its length.
    """
    return [_row(who, xray.video.duration) for who in (*xray.people, *xray.unknown)]


def screen_time_csv(xray: XRay) -> str:
    """The rows with a header. A text that would be a formula has an apostrophe before it."""
    written = io.StringIO(newline="")
    writer = csv.DictWriter(written, COLUMNS, lineterminator="\r\n")
    writer.writeheader()
    for row in screen_time_rows(xray):
        texts = {column: _no_formula(row[column]) for column in _TEXTS}
        writer.writerow(row | texts)
    return written.getvalue()


def share_of(seconds: float, duration: float) -> float:
    """Of the video, 0..1."""
    return round(min(1.0, seconds / duration), 4) if duration else 0.0


def _row(who: OnScreen | Unknown, duration: float) -> dict[str, Any]:
    named = isinstance(who, OnScreen)
    texts = (who.id, who.name, who.character or "") if named else ("", who.label, "")
    numbers = (
        who.seconds,
        share_of(who.seconds, duration),
        len(who.appearances),
        who.appearances[0].start,
        max(appearance.end for appearance in who.appearances),
    )
    return dict(zip(COLUMNS, (*map(one_line, texts), *numbers), strict=True))


def _no_formula(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text
