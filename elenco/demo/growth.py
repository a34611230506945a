"""On which days people of an invented cast got one more photograph."""

from datetime import UTC, date, datetime, timedelta

from elenco.demo.draws import Draws


class Growth:
    """Decides for each person and day, by draw; nothing is kept.

    Args:
        draws: of the cast.
        day: how many days have passed since the cast was first seen; it is today.
        share: of the people, how many get a photograph each day, 0..1.
    """

    def __init__(self, draws: Draws, day: int, share: float) -> None:
        self._draws, self._day, self._share = draws, day, share

    def days(self, number: int) -> list[int]:
        """Days, 1 to today, on which a person got one more photograph."""
        return [day for day in range(1, self._day + 1) if self._grows(number, day)]

    def between(self, people: int, start: date, end: date) -> list[int]:
        """Who of so many people got one from `start` to `end`, both included; their numbers."""
        days = range(max(1, self._number(start)), min(self._day, self._number(end)) + 1)
        return [n for n in range(people) if any(self._grows(n, day) for day in days)]

    def _grows(self, number: int, day: int) -> bool:
        return self._draws.unit("added", number, day) < self._share

    def _number(self, when: date) -> int:
        return self._day - (datetime.now(UTC).date() - when) // timedelta(days=1)
