"""Who is in an invented cast: ids, names, departments, and popularity by rank."""

from collections.abc import Sequence
from typing import overload

from elenco.demo.cast import CastPerson
from elenco.demo.names import TOTAL, name

FIRST_ID = 900_000_001  # far above any id of TMDB's
_DEPARTMENTS = ("Directing", "Writing", "Production", "Sound")


class Crowd(Sequence[CastPerson]):
    """People who do not exist, most popular first, each made when asked for: they cost no memory.

    Args:
        actors: how many of them act; every tenth entry is from another department.
        seed: another seed, other names.
        adult: flag every 25th entry as adult.

    Raises:
        ValueError: no actors, or more people than there are names.
    """

    def __init__(self, actors: int, seed: int, adult: bool = False) -> None:
        entries = actors + (actors - 1) // 9
        if actors < 1 or entries > TOTAL:
            raise ValueError(f"{actors:,} actors: give 1 to {TOTAL * 9 // 10:,}")
        self._seed, self._adult, self._numbers = seed, adult, range(entries)

    def __len__(self) -> int:
        return len(self._numbers)

    @overload
    def __getitem__(self, index: int) -> CastPerson: ...
    @overload
    def __getitem__(self, index: slice) -> list[CastPerson]: ...
    def __getitem__(self, index: int | slice) -> CastPerson | list[CastPerson]:
        if isinstance(index, slice):
            return [self._person(number) for number in self._numbers[index]]
        return self._person(self._numbers[index])

    def find(self, person_id: int) -> CastPerson | None:
        """The person with this id."""
        number = person_id - FIRST_ID
        return self._person(number) if number in self._numbers else None

    def _person(self, number: int) -> CastPerson:
        popularity = round(300 * (1 + number / 50) ** -0.6, 4)
        acting = number % 10 != 9
        department = "Acting" if acting else _DEPARTMENTS[number // 10 % len(_DEPARTMENTS)]
        adult = self._adult and number % 25 == 24
        return CastPerson(
            FIRST_ID + number, name(self._seed, number), popularity, department, adult
        )
