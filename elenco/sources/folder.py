"""A folder of photographs as a source: `{person}/*.{jpg,jpeg,png,webp}`."""

import asyncio
import contextlib
import hashlib
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from elenco.errors import ConfigError, ImageError
from elenco.fingerprint import digest
from elenco.layout import safe_name
from elenco.settings import Settings
from elenco.types import ImageRef, Person

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp"})
LAYOUT = "lay it out as {person}/{photo}.jpg (or .jpeg, .png, .webp)"


def open_source(settings: Settings) -> "Folder":
    """The folder that `collect.folder` names.

    Raises:
        ConfigError: none is named, or it is not there.
    """
    folder = settings.collect.folder
    if folder is None:
        raise ConfigError("no folder is named: set ELENCO_COLLECT__FOLDER, and " + LAYOUT)
    if not folder.is_dir():
        raise ConfigError(f"there is no folder {folder}: set ELENCO_COLLECT__FOLDER, and {LAYOUT}")
    return Folder(folder, settings.collect.photos_per_person, settings.collect.max_megabytes)


def edition(settings: Settings, people: Sequence[Person]) -> str:
    """The files that are there now, with their dates and sizes."""
    source = open_source(settings)
    found: list[tuple[str, str]] = []
    for person in sorted(people, key=lambda person: person.id):
        with contextlib.suppress(LookupError):  # their folder is gone: so are their files
            found += [(ref.url, ref.version) for ref in source.refs(person)]
    return digest(found)


class Folder:
    """A `Source`. A person's id is the folder's name; as popular as they have photographs.

    Hidden files and files with other suffixes are not listed.
    """

    def __init__(self, folder: Path, photos_per_person: int, max_megabytes: float) -> None:
        self._folder = folder
        self._limit = photos_per_person
        self._max_bytes = int(max_megabytes * 1e6)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        return None

    async def people(self, limit: int) -> list[Person]:
        """The people with most photographs first, then by name.

        Raises:
            ConfigError: there are no people in it, or a name is not UTF-8.
        """
        counts = await asyncio.to_thread(self._count)
        if not counts:
            raise ConfigError(f"there are no photographs in {self._folder}: {LAYOUT}")
        ranked = sorted(counts, key=lambda name: (-counts[name], name))
        return [
            Person(safe_name(name), " ".join(name.split("_")).strip() or name, float(counts[name]))
            for name in ranked[:limit]
        ]

    async def images(self, person: Person) -> list[ImageRef]:
        """A person's pictures by file name. A key is a hash of the path below the folder.

        Raises:
            LookupError: their folder is gone.
            ConfigError: a file's name is not UTF-8.
        """
        return await asyncio.to_thread(self.refs, person)

    async def fetch(self, ref: ImageRef) -> bytes:
        """The file's bytes."""
        return await asyncio.to_thread(self._read, Path(ref.url))

    def refs(self, person: Person) -> list[ImageRef]:
        """`images`, without an event loop."""
        folder = self._folder / person.id
        if not folder.is_dir():
            raise LookupError(f"{folder} is gone")
        refs: list[ImageRef] = []
        for path in _pictures(folder)[: self._limit]:
            relative = path.relative_to(self._folder).as_posix()
            key = hashlib.sha256(relative.encode()).hexdigest()[:20]
            with contextlib.suppress(FileNotFoundError):  # deleted since it was listed
                stat = path.stat()
                version = f"{stat.st_mtime_ns}-{stat.st_size}"
                refs.append(ImageRef(person.id, key, str(path), version=version))
        return refs

    def _read(self, path: Path) -> bytes:
        try:
            if path.stat().st_size > self._max_bytes:
                raise ImageError("too_large", f"over {self._max_bytes:,} bytes")
            return path.read_bytes()
        except OSError as error:
            raise ImageError("unreadable", error.strerror or type(error).__name__) from None

    def _count(self) -> dict[str, int]:
        entries = self._folder.iterdir()
        people = [p for p in entries if p.is_dir() and not p.name.startswith(".")]
        counts = {person.name: len(_pictures(person)) for person in people}
        return {name: count for name, count in counts.items() if count}


def _pictures(folder: Path) -> list[Path]:
    found = sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file()
    )
    for path in found:
        try:
            str(path).encode()
        except UnicodeEncodeError:
            raise ConfigError(f"the name of {str(path)!a} is not UTF-8: rename it") from None
    return found
