"""Versions of the recogniser on disk, which of them is in use, and which were before.

{root}/vNNNNNN/             a version: complete or absent, never changed afterwards
{root}/current              link to the version in use, replaced atomically
{root}/promotions.jsonl     append-only log: one JSON object a line

The link alone says what is in use; the log says what was before, and which numbers were ever given
away. Changes are written in such an order that a process killed between any two of them leaves
both readable, and the next change puts right what the log missed.
"""

import errno
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock, Timeout

from elenco.errors import Locked, RegistryError
from elenco.storage import read_json, replace_symlink

# What a version must hold to be registered. Its TF.js form is checked by whoever exports it.
FILES = (
    "classifier.keras",
    "gallery.npz",
    "labels.json",
    "calibration.json",
    "metrics.json",
    "card.json",
    "card.md",
)
LOCK_SECONDS = 60
_NAME = re.compile(r"v(\d{6,})")

Event = Literal["registered", "promoted", "not promoted", "rolled back"]


@dataclass(frozen=True)
class Version:
    """A version as `elenco models list` shows it.

    Attributes:
        name: `vNNNNNN`.
        created: when it was trained, ISO 8601 UTC.
        people: how many it knows.
        embedder: whose vectors it takes.
        top1: share of held-out photographs whose best person is the right one; None if unmeasured.
        current: it is the one in use.
        damage: why its card can't be read; the other fields are then empty.
    """

    name: str
    created: str = ""
    people: int = 0
    embedder: str = ""
    top1: float | None = None
    current: bool = False
    damage: str = ""

    def line(self) -> str:
        """One line to print; the version in use is marked with `*`."""
        head = f"{'*' if self.current else ' '} {self.name}"
        if self.damage:
            return f"{head}  damaged: {self.damage}"
        top1 = "not measured" if self.top1 is None else f"{self.top1:.2%}"
        created = self.created[:16].replace("T", " ")
        return f"{head}  {created}  {self.people:>6,} people  {self.embedder}  top-1 {top1}"


class Registry:
    """The versions under one directory.

    Reading takes no lock and sees the state before or after a change, never between.

    Args:
        root: `models/recogniser`; made when the first version is registered.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._link = root / "current"
        self._log = root / "promotions.jsonl"

    def list_versions(self) -> list[Version]:
        """Every version there is, oldest first."""
        current = self.current_name()
        return [_read_version(self.root / name, name == current) for name in self._names()]

    def current_name(self) -> str | None:
        """The name of the version in use, None before the first promotion.

        Raises:
            RegistryError: `current` is not a link to a version.
        """
        try:
            name = os.readlink(self._link)
        except FileNotFoundError:
            return None
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            name = ""
        if not _NAME.fullmatch(name):
            raise RegistryError(
                f"{self._link} is not a link to a version: delete it, "
                f"then `elenco models promote` one of: {self._known()}"
            )
        return name

    def current(self) -> Path:
        """The directory of the version in use.

        Raises:
            RegistryError: none was promoted yet, or it is gone.
        """
        name = self.current_name()
        if name is None:
            raise RegistryError("no version promoted yet: run `elenco refresh` or `elenco demo`")
        if not (self.root / name).is_dir():
            raise RegistryError(
                f"{name} is current but its directory is gone: run `elenco models rollback`"
            )
        return self.root / name

    def path(self, version: str) -> Path:
        """The directory of a version, or of the one in use for `current`.

        Raises:
            RegistryError: there is none of that name; the message lists those there are.
        """
        if version == "current":
            return self.current()
        if not _NAME.fullmatch(version) or not (self.root / version).is_dir():
            raise RegistryError(f"there is no version {version!r}: there are {self._known()}")
        return self.root / version

    def show(self, version: str) -> str:
        """The model card of a version or of `current`, in Markdown. Raises RegistryError."""
        card = self.path(version) / "card.md"
        try:
            return card.read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise RegistryError(f"the model card {card} can't be read: {error}") from None

    def find_by_fingerprint(self, fingerprint: str) -> str | None:
        """The newest version trained from these inputs, None if there is none."""
        for name in reversed(self._names()):
            try:
                if read_json(self.root / name / "card.json")["fingerprint"] == fingerprint:
                    return name
            except (OSError, ValueError, KeyError, TypeError):
                continue  # a damaged version answers for no inputs: they are trained again
        return None

    def register(self, built: Path) -> str:
        """Move a complete directory in as the next version; does not promote it.

        Numbers are never given twice, even after a version was deleted.

        Args:
            built: the directory, on the same file system.

        Returns:
            The version's name.

        Raises:
            RegistryError: a file is missing; nothing is moved.
        """
        missing = [name for name in FILES if not (built / name).is_file()]
        if missing:
            raise RegistryError(f"{built} is not a complete version: it has no {missing[0]}")
        with self._locked():
            numbers = [int(name[1:]) for name in self._names()]
            numbers += [int(entry["version"][1:]) for entry in self._entries()]
            name = f"v{max(numbers, default=0) + 1:06d}"
            # Log first: if killed before the move, a number is lost; the other way round a number
            # could be given again once its directory is deleted.
            self._append("registered", name, "")
            os.rename(built, self.root / name)
        return name

    def promote(self, version: str, reason: str) -> None:
        """Make a version the one in use; does nothing if it is already.

        Args:
            version: `vNNNNNN`.
            reason: why, in one line, for the log.

        Raises:
            RegistryError: no such version.
        """
        name = self.path(version).name
        with self._locked():
            if name == self._agree():
                return
            # Link first: if killed before the log, `_agree` notes what the link says.
            replace_symlink(self._link, name)
            self._append("promoted", name, reason)

    def decline(self, version: str, reason: str) -> None:
        """Note that a version was judged and not promoted. Raises RegistryError if unknown."""
        name = self.path(version).name
        with self._locked():
            self._append("not promoted", name, reason)

    def decided(self, version: str) -> bool:
        """Whether it was said of a version if it is to be used.

        False where a process was killed after registering it and before judging it.
        """
        return version == self.current_name() or any(
            entry["version"] == version and entry["event"] != "registered"
            for entry in self._entries()
        )

    def rollback(self) -> str:
        """Make the version the one in use that was before it; again, the one before that.

        Returns:
            Its name.

        Raises:
            RegistryError: there was none before, or none that is still there.
        """
        with self._locked():
            current = self._agree()
            if current is None:
                raise RegistryError("no version promoted yet: there is nothing to roll back")
            for name in reversed(self._history()[:-1]):
                if name != current and (self.root / name).is_dir():
                    # Log first: if killed before the link, the old version is still in use, and
                    # the next rollback ends at the same one as this.
                    self._append("rolled back", name, f"from {current}")
                    replace_symlink(self._link, name)
                    return name
            raise RegistryError(
                f"there is no version before {current} to go back to: "
                f"`elenco models promote` one of: {self._known()}"
            )

    def _agree(self) -> str | None:
        """Note in the log what the link says, if a killed process did not; what it says."""
        current = self.current_name()
        history = self._history()
        if current is not None and (not history or history[-1] != current):
            self._append("promoted", current, "found in use: the log had missed it")
        return current

    def _history(self) -> list[str]:
        """What was in use, each version above the one to go back to; the last is in use now."""
        history: list[str] = []
        for entry in self._entries():
            name = entry["version"]
            if entry["event"] == "promoted":
                history.append(name)
            elif entry["event"] == "rolled back" and name in history:
                last = len(history) - 1 - history[::-1].index(name)
                del history[last + 1 :]
        return history

    def _names(self) -> list[str]:
        if not self.root.is_dir():
            return []
        names = [p.name for p in self.root.iterdir() if _NAME.fullmatch(p.name) and p.is_dir()]
        return sorted(names, key=lambda name: int(name[1:]))

    def _known(self) -> str:
        return ", ".join(self._names()) or "none yet (run `elenco refresh` or `elenco demo`)"

    def _entries(self) -> Iterator[dict[str, Any]]:
        """The log's lines; what follows the last newline was cut short and does not count."""
        try:
            lines = self._log.read_bytes().split(b"\n")[:-1]
        except FileNotFoundError:
            return
        for number, line in enumerate(lines, 1):
            entry = _entry(line)
            if entry is None:
                raise RegistryError(f"{self._log}, line {number}, is not an entry: delete the line")
            yield entry

    def _append(self, event: Event, version: str, reason: str) -> None:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        entry = {"time": now, "event": event, "version": version, "reason": reason}
        line = json.dumps(entry, ensure_ascii=False).encode() + b"\n"
        handle = os.open(self._log, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            size = os.fstat(handle).st_size
            if size:
                whole = os.pread(handle, size, 0).rfind(b"\n") + 1
                os.ftruncate(handle, whole)  # a line that a killed process or a full disk cut short
                size = whole
            if os.write(handle, line) != len(line):
                os.ftruncate(handle, size)
                raise OSError(errno.ENOSPC, "the disk is full", str(self._log))
            os.fsync(handle)
        finally:
            os.close(handle)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self.root.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.root / ".lock", timeout=LOCK_SECONDS)
        try:
            lock.acquire()
        except Timeout:
            raise Locked(f"another process is changing {self.root}: try again") from None
        try:
            yield
        finally:
            lock.release()


def _entry(line: bytes) -> dict[str, Any] | None:
    """An entry of the log, None if the line is not one."""
    try:
        entry = json.loads(line)
        return entry if entry["event"] and _NAME.fullmatch(entry["version"]) else None
    except (ValueError, KeyError, TypeError):
        return None


def _read_version(directory: Path, current: bool) -> Version:
    try:
        card = read_json(directory / "card.json")
        return Version(
            name=directory.name,
            created=str(card["created"]),
            people=int(card["people"]),
            embedder=str(card["space"]["embedder"]),
            top1=card["metrics"].get("top1"),
            current=current,
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        damage = f"card.json can't be read ({type(error).__name__})"
        return Version(directory.name, current=current, damage=damage)
