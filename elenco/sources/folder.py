"""A folder of photographs as a source: `{person}/*.{jpg,jpeg,png,webp}`."""

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator, Sequence
from datetime import date
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from elenco.errors import ConfigError, ImageError
from elenco.fingerprint import digest
from elenco.layout import safe_name
from elenco.settings import Settings
from elenco.sources.base import Candidate, Told
from elenco.types import ImageRef, Person, Skipped

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
    return Folder(folder, settings.collect.max_megabytes)


def edition(settings: Settings, people: Sequence[Person]) -> str:
    """The files that are there now, with their dates and sizes."""
    source = open_source(settings)
    found: list[tuple[str, str]] = []
    for person in sorted(people, key=lambda person: person.id):
        with contextlib.suppress(LookupError):  # their folder is gone: so are their files
            found += [(ref.url, ref.version) for ref in source.images(person.id)]
    return digest(found)


class Folder:
    """A `Source`. A person's id is the folder's name; as popular as they have photographs.

    Hidden files and files with other suffixes are not listed.
    """

    tries = 1
    remembers = False

    def __init__(self, folder: Path, max_megabytes: float) -> None:
        self._folder = folder
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

    async def candidates(self, limit: int) -> AsyncIterator[list[Candidate | Skipped]]:
        """The people with most photographs first, then by name.

        Raises:
            ConfigError: there are no people in it, or a name is not UTF-8.
        """
        counts = await asyncio.to_thread(self._count)
        if not counts:
            raise ConfigError(f"there are no photographs in {self._folder}: {LAYOUT}")
        yield [
            Candidate(Person(safe_name(name), _readable(name), float(counts[name])))
            for name in sorted(counts, key=lambda name: (-counts[name], name))
        ]

    async def changed(self, since: date, until: date) -> None:
        """Never asked: a folder is looked at anew each time."""

    async def ask(self, person_id: str) -> Told:
        """A person's pictures by file name. A key is a hash of the path below the folder.

        Raises:
            LookupError: their folder is gone.
            ConfigError: a file's name is not UTF-8.
        """
        images = await asyncio.to_thread(self.images, person_id)
        return Told(_readable(person_id), images=tuple(images))

    async def address(self, ref: ImageRef) -> str:
        """The file's path."""
        return ref.url

    async def fetch(self, ref: ImageRef, file: BinaryIO) -> None:
        """The file's bytes."""
        file.write(await asyncio.to_thread(self._read, Path(ref.url)))

    def images(self, person_id: str) -> list[ImageRef]:
        """What `ask` finds, without an event loop."""
        folder = self._folder / person_id
        if not folder.is_dir():
            raise LookupError(f"{folder} is gone")
        refs: list[ImageRef] = []
        for path in _pictures(folder):
            relative = path.relative_to(self._folder).as_posix()
            key = hashlib.sha256(relative.encode()).hexdigest()[:20]
            with contextlib.suppress(FileNotFoundError):  # deleted since it was listed
                stat = path.stat()
                version = f"{stat.st_mtime_ns}-{stat.st_size}"
                refs.append(ImageRef(person_id, key, str(path), version=version))
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


def _readable(name: str) -> str:
    return " ".join(name.split("_")).strip() or name


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
