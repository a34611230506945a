"""What a source of photographs is, and the table of those there are."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import date
from importlib import import_module
from types import TracebackType
from typing import Any, BinaryIO, Protocol, Self

from elenco.settings import Settings
from elenco.types import ImageRef, Person, Skipped

# To add one: a module with open_source(settings) and edition(settings, people), and a line here.
SOURCES: dict[str, str] = {
    "tmdb": "elenco.sources.tmdb",
    "folder": "elenco.sources.folder",
}
EXPORT_UNAVAILABLE = "export_unavailable"  # a `Skipped.reason`: the source lists more people


@dataclass(frozen=True)
class Candidate:
    """Someone that a source lists. `actor` is None where the list does not say."""

    person: Person
    actor: bool | None = True
    adult: bool = False


@dataclass(frozen=True)
class Told:
    """What a source says of one person: their photographs best first, no key twice."""

    name: str
    actor: bool = True
    adult: bool = False
    images: tuple[ImageRef, ...] = ()


class Source(Protocol):
    """People and their photographs. An async context manager; used within one event loop.

    Attributes:
        tries: how often a photograph may be asked for that arrives broken, 1 or more.
        remembers: it can tell what changed, so that its answers may be kept until then.
    """

    tries: int
    remembers: bool

    async def __aenter__(self) -> Self: ...
    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...

    def candidates(self, limit: int) -> AsyncIterator[list[Candidate | Skipped]]:
        """People in order of popularity, nobody twice, in parts of any length.

        Ends with the last of them, or when whoever asks has enough. A `Skipped` is a part of the
        source that could not be read, for the reason `EXPORT_UNAVAILABLE`.

        Args:
            limit: how many actors are wanted: what is read ahead.

        Raises:
            SourceError, ConfigError: the run can't go on.
        """
        ...

    async def changed(self, since: date, until: date) -> set[str] | None:
        """Ids of the people of whom something else may be told now than on the day `since`.

        Returns:
            None where it can't tell of so many days: everybody has to be asked about.
        """
        ...

    async def ask(self, person_id: str) -> Told:
        """What there is of a person.

        Raises:
            LookupError: there is no such person any more.
            SourceUnreachable, UnexpectedAnswer: not of this one now; others may be had.
            SourceError: the run can't go on.
        """
        ...

    async def address(self, ref: ImageRef) -> str:
        """Where a photograph is from, for the manifest."""
        ...

    async def fetch(self, ref: ImageRef, file: BinaryIO) -> None:
        """Write a photograph's bytes to an empty file.

        Raises:
            ImageError: this one can't be had. Reason `unreachable` may pass, others will not.
            SourceError: the run can't go on.
        """
        ...


def open_source(settings: Settings) -> Source:
    """The source that the settings name. Raises ConfigError where it is not set up."""
    return _adapter(settings).open_source(settings)


def edition(settings: Settings, people: Sequence[Person]) -> str:
    """Names what the source would answer about these people, as far as that is told cheaply.

    While it stays the same, what was collected may be used again.
    """
    return _adapter(settings).edition(settings, people)


def _adapter(settings: Settings) -> Any:
    return import_module(SOURCES[settings.collect.source])
