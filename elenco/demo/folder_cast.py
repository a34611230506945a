"""A folder of photographs, laid out as `{person}/{photo}.jpg`, served as a cast."""

import contextlib
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import lru_cache
from pathlib import Path

import cv2

from elenco.demo.cast import CastPerson, Photo, Picture, PictureFace, fit
from elenco.errors import ConfigError, ImageError
from elenco.faces.images import decode, encode_jpeg, probe
from elenco.fingerprint import unit_interval

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp"})
FIRST_ID, IDS = 800_000_000, 100_000_000  # ids 800000000-899999999
MAX_MEGAPIXELS = 100.0
_FEWEST_TO_HOLD_BACK = 4  # photographs of a person: the others are still enough to learn from


@dataclass(frozen=True)
class _Entry:
    photo: Photo
    file: Path
    format: str  # as `probe` names it; empty for what is not a readable picture


class FolderCast:
    """The people of a folder; a person is as popular as they have photographs.

    Names are the folders' with spaces for underscores; ids follow from the folders' names alone
    (unless two names' hashes meet, when the second in alphabetical order takes the next id).
    Files that are not pictures are served as they are. The folder is read once: later changes in it
    are seen by the next cast.

    Args:
        folder: laid out as `{person}/{photo}`; JPEG, PNG and WebP by their suffixes. Hidden files
            and folders are left out.
        hold_back: of how many people the last photograph is never served, so that
            `new_pictures` has pictures nobody has seen. The most photographed people first.

    Raises:
        ConfigError: the folder is not there, or holds no photograph laid out like this.
    """

    def __init__(self, folder: Path, *, hold_back: int = 0) -> None:
        self._folder = folder
        self._files = _scan(folder)
        self._names: dict[int, str] = {}
        for name in sorted(self._files):
            self._names[_free_id(name, self._names)] = name
        by_count = sorted(
            self._names.items(), key=lambda item: (-len(self._files[item[1]]), item[1])
        )
        self.people: Sequence[CastPerson] = [
            CastPerson(i, _readable(name), float(len(self._files[name]))) for i, name in by_count
        ]
        self._by_id = {person.id: person for person in self.people}
        self._held: dict[int, Path] = {}
        for person in self.people[:hold_back]:
            files = self._files[self._names[person.id]]
            file = _last_readable(files) if len(files) >= _FEWEST_TO_HOLD_BACK else None
            if file is not None:
                files.remove(file)
                self._held[person.id] = file
        self._entries = lru_cache(maxsize=100_000)(self._read_entries)

    def find(self, person_id: int) -> CastPerson | None:
        return self._by_id.get(person_id)

    def photos(self, person: CastPerson) -> list[Photo]:
        return [entry.photo for entry in self._entries(person.id).values()]

    def image(self, path: str, size: str) -> bytes:
        digits = path[1:10]
        if not (digits.isdecimal() and int(digits) in self._names):
            raise LookupError(f"no photograph {path}")
        entry = self._entries(int(digits)).get(path)
        if entry is None or not entry.file.exists():
            raise LookupError(f"no photograph {path}")
        return _at_size(entry, size)

    def changed(self, start: date, end: date) -> list[int]:
        return [
            person_id
            for person_id, name in self._names.items()
            if any(start <= _day(file) <= end for file in self._files[name])
        ]

    def new_pictures(self, known: Sequence[str], count: int) -> list[Picture]:
        """Photographs held back of people with the ids `known`, then one of someone else if any.

        Args:
            known: ids of people of this cast, the ones to show.
            count: how many pictures at most.
        """
        held = [self._by_id[int(i)] for i in known if i.isdecimal() and int(i) in self._held]
        strangers = [person for person in self.people if str(person.id) not in set(known)][-1:]
        shown = [(self._held[p.id], p) for p in held[: max(0, count - len(strangers))]]
        shown += [(self._files[self._names[p.id]][0], None) for p in strangers]
        return [
            Picture(
                f"new-{number}{file.suffix.lower()}",
                file.read_bytes(),
                (PictureFace(str(person.id), person.name) if person else PictureFace(None, None),),
            )
            for number, (file, person) in enumerate(shown[:count], 1)
        ]

    def _read_entries(self, person_id: int) -> dict[str, _Entry]:
        entries = {}
        for file in self._files[self._names[person_id]]:
            data = file.read_bytes()
            name = f"{file.name}/{hashlib.sha256(data).hexdigest()}"
            path = f"/{person_id}{hashlib.sha256(name.encode()).hexdigest()[:18]}.jpg"
            try:
                kind, (form, width, height) = "plain", probe(data, MAX_MEGAPIXELS)
            except ImageError as error:
                kind, (form, width, height) = error.reason, ("", 0, 0)
            entries[path] = _Entry(Photo(path, width, height, kind), file, form)
        return entries


def _scan(folder: Path) -> dict[str, list[Path]]:
    layout = "lay it out as {person}/{photo}.jpg (or .jpeg, .png, .webp)"
    if not folder.is_dir():
        raise ConfigError(f"there is no folder {folder}: give one with photographs, and {layout}")
    files: dict[str, list[Path]] = {}
    for person in sorted(folder.iterdir()):
        if person.is_dir() and not person.name.startswith("."):
            found = sorted(
                file
                for file in person.iterdir()
                if file.suffix.lower() in SUFFIXES
                and not file.name.startswith(".")
                and file.is_file()
            )
            if found:
                files[person.name] = found
    if not files:
        raise ConfigError(f"there are no photographs in {folder}: {layout}")
    return files


def _last_readable(files: list[Path]) -> Path | None:
    for file in reversed(files):
        with contextlib.suppress(ImageError):
            probe(file.read_bytes(), MAX_MEGAPIXELS)
            return file
    return None


def _readable(name: str) -> str:
    return name.replace("_", " ").strip() or name


def _free_id(name: str, taken: dict[int, str]) -> int:
    offset = int(unit_interval(name) * IDS)
    while FIRST_ID + offset in taken:
        offset = (offset + 1) % IDS
    return FIRST_ID + offset


def _day(file: Path) -> date:
    return datetime.fromtimestamp(file.stat().st_mtime, UTC).date()


def _at_size(entry: _Entry, size: str) -> bytes:
    photo = entry.photo
    target = fit(photo.width, photo.height, size)
    data = entry.file.read_bytes()
    if not entry.format or (entry.format == "JPEG" and target == (photo.width, photo.height)):
        return data
    try:
        rgb = decode(data, MAX_MEGAPIXELS)
    except ImageError:
        return data  # as broken as it is: whoever downloads it must cope
    if target != (photo.width, photo.height):
        rgb = cv2.resize(rgb, target, interpolation=cv2.INTER_AREA)
    return encode_jpeg(rgb, 90)
