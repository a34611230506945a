"""What the demo server serves: people, their photographs, and the bytes of each photograph."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal, Protocol, runtime_checkable

SIZES = ("w45", "w185", "h632", "original")  # TMDB's profile sizes


@dataclass(frozen=True)
class CastPerson:
    """Someone in a cast. `id` is a number that TMDB does not use."""

    id: int
    name: str
    popularity: float
    department: str = "Acting"
    adult: bool = False


@dataclass(frozen=True)
class Photo:
    """A photograph that a cast offers.

    Attributes:
        path: TMDB's `file_path`, `/<stem>.jpg`; the content behind a path never changes.
        width: of the original in pixels, as the server states it; 0 where it can't be known.
        height: likewise.
        kind: what it shows or how it is broken, for tests and reports; never served.
    """

    path: str
    width: int
    height: int
    kind: str = "plain"


@dataclass(frozen=True)
class PictureFace:
    """Who a face in a new picture is: `person_id` and `name` are None for a stranger.

    `box` is x1, y1, x2, y2 in pixels, None where it is not known.
    """

    person_id: str | None
    name: str | None
    box: tuple[float, float, float, float] | None = None


@dataclass(frozen=True)
class Picture:
    """A picture that no server offers, with the truth about it. `data` are the file's bytes."""

    name: str
    data: bytes
    faces: tuple[PictureFace, ...]


@runtime_checkable
class Cast(Protocol):
    """People and photographs to serve. All methods may be called from several threads."""

    @property
    def people(self) -> Sequence[CastPerson]:
        """Everyone, most popular first."""
        ...

    def find(self, person_id: int) -> CastPerson | None:
        """The person with this id."""
        ...

    def photos(self, person: CastPerson) -> Sequence[Photo]:
        """A person's photographs, best first."""
        ...

    def image(self, path: str, size: str) -> bytes:
        """The bytes served for a photograph at one of `SIZES`. Raises LookupError if unknown."""
        ...

    def changed(self, start: date, end: date) -> list[int]:
        """Ids of the people who got a photograph from `start` to `end`, both included."""
        ...

    def new_pictures(self, known: Sequence[str], count: int) -> list[Picture]:
        """Pictures that are never served, of people with the ids `known` and of a stranger."""
        ...


@runtime_checkable
class InstantCast(Cast, Protocol):
    """A cast that answers within microseconds, but for `changed`: asked without a thread."""

    instant: Literal[True]


def fit(width: int, height: int, size: str) -> tuple[int, int]:
    """Width and height of a photograph at a size: `w…` and `h…` bound one side, none enlarges.

    Unknown ones (0) stay unknown.

    Raises:
        LookupError: not one of `SIZES`.
    """
    if size not in SIZES:
        raise LookupError(f"no size {size}")
    if size == "original" or not (width and height):
        return width, height
    bound = int(size[1:])
    ratio = min(1.0, bound / (width if size[0] == "w" else height))
    return max(1, round(width * ratio)), max(1, round(height * ratio))
