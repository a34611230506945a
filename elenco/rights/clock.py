"""Whether a clock is to be believed by which photographs are too old.

A machine whose clock is half a year ahead for a moment would delete all of TMDB's photographs. What
it can be told by, without a network, is what happened last: a list of people was written, which
TMDB's own clock agreed with (`elenco.sources.clock`), or this was asked for.
"""

from datetime import UTC, datetime, timedelta

from elenco.errors import ClockWrong
from elenco.layout import Layout
from elenco.sources.people import newest_list
from elenco.storage import read_json, write_json

# As long as `retention.max_days` is after `retention.refresh_days`: by a clock that is no further
# ahead nothing is too old that refreshes keep fetching anew.
MOST_DAYS = 30


def look(source: Layout, now: datetime, *, due: bool, is_right: bool) -> None:
    """See whether `now` may be the time, and remember it if so; where nothing ever happened it may.

    Args:
        source: whose photographs it is about.
        now: what the clock says, with its time zone.
        due: whether anything is too old by it.
        is_right: a person says that it is.

    Raises:
        ClockWrong: something is due, and nothing is known of the 30 days before.
    """
    last = _last(source)
    if last is None or is_right or now - last <= timedelta(days=MOST_DAYS):
        # Never less than before: a clock that is behind once makes no other one look ahead.
        known = max(now.astimezone(UTC), last or now)
        write_json(source.retention, {"looked": known.isoformat(timespec="seconds")})
    elif due:
        raise ClockWrong(
            f"the clock says {now.astimezone(UTC):%Y-%m-%d}, and the last that is known of "
            f"{source.source_id} is from {last:%Y-%m-%d}, so nothing was deleted: if the clock is "
            "wrong, set it; if it is right, refresh, or `elenco run enforce_retention --param "
            "clock_is_right=true`"
        )


def _last(source: Layout) -> datetime | None:
    newest = newest_list(source)
    listed = [datetime.fromisoformat(newest.name[:10]).replace(tzinfo=UTC)] if newest else []
    noted = _noted(source)
    return max([*listed, *([noted] if noted else [])], default=None)


def _noted(source: Layout) -> datetime | None:
    try:
        return datetime.fromisoformat(read_json(source.retention)["looked"])
    except FileNotFoundError:
        return None
