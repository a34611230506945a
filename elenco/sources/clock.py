"""The clock of this machine, beside the server's.

By it photographs are dated when they are fetched, and deleted when they are too old: one that is
months ahead would delete what is days old.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from elenco.errors import ClockWrong

# As far as `retention.max_days` may go is three days more than it is by default, and an answer may
# have lain in a cache that does not say for how long.
MOST_APART = timedelta(days=3)


def compare(headers: Mapping[str, str], now: datetime, server: str) -> None:
    """See whether an answer was given about now; one without a date says nothing.

    Args:
        headers: `Date`, and `Age` (seconds) where it comes out of a cache.
        now: what this machine's clock says, with its time zone.
        server: who answered, for the message.

    Raises:
        ClockWrong: the two are more than three days apart.
    """
    try:
        told = parsedate_to_datetime(headers["Date"])
        told += timedelta(seconds=float(headers.get("Age", "0")))
    except (KeyError, ValueError, OverflowError):
        return
    told = told if told.tzinfo else told.replace(tzinfo=UTC)  # `-0000`
    if abs(now - told) > MOST_APART:
        here, there = (f"{time.astimezone(UTC):%Y-%m-%d %H:%M}" for time in (now, told))
        raise ClockWrong(
            f"this machine's clock says {here} UTC, and {server} says {there}: set the clock, then "
            "run again"
        )
