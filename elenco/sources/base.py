"""What a source of photographs is, and the table of those there are."""

from collections.abc import Sequence
from importlib import import_module
from types import TracebackType
from typing import Any, Protocol, Self

from elenco.settings import Settings
from elenco.types import ImageRef, Person

# To add one: a module with open_source(settings) and edition(settings, people), and a line here.
SOURCES: dict[str, str] = {
    "tmdb": "elenco.sources.tmdb",
    "folder": "elenco.sources.folder",
}


class Source(Protocol):
    """People and their photographs. An async context manager; used within one event loop."""

    async def __aenter__(self) -> Self: ...
    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...

    async def people(self, limit: int) -> list[Person]:
        """At most `limit` people, the most popular first, nobody twice.

        Raises:
            SourceError, ConfigError: the run can't go on.
        """
        ...

    async def images(self, person: Person) -> list[ImageRef]:
        """A person's photographs, best first, no key twice.

        Raises:
            LookupError: there is no such person any more.
            SourceError: the run can't go on.
        """
        ...

    async def fetch(self, ref: ImageRef) -> bytes:
        """A photograph's file.

        Raises:
            ImageError: this one can't be had. Reason `unreachable` may pass, others will not.
            SourceError: the run can't go on.
        """
        ...


def open_source(settings: Settings) -> Source:
    """The source that the settings name. Raises ConfigError where it is not set up."""
    return _adapter(settings, "open_source")(settings)


def edition(settings: Settings, people: Sequence[Person]) -> str:
    """Names what the source would answer about these people, as far as that is told cheaply.

    While it stays the same, an earlier answer may be used again.
    """
    return _adapter(settings, "edition")(settings, people)


def _adapter(settings: Settings, function: str) -> Any:
    return getattr(import_module(SOURCES[settings.collect.source]), function)
