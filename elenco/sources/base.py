"""What a source of photographs is, and the table of those there are."""

from importlib import import_module
from types import TracebackType
from typing import Protocol, Self

from elenco.settings import Settings
from elenco.types import ImageRef, Person

SOURCES: dict[str, str] = {
    "tmdb": "elenco.sources.tmdb:open_source",
    "folder": "elenco.sources.folder:open_source",
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
    module, function = SOURCES[settings.collect.source].split(":")
    return getattr(import_module(module), function)(settings)
