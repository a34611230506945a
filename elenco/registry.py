"""Versions of the recogniser on disk, which of them is in use, and which were before.

{root}/vNNNNNN/             a version: complete or absent, never changed afterwards
{root}/current              link to the version in use, replaced atomically
{root}/promotions.jsonl     append-only log: one JSON object a line

The link alone says what is in use; the log says what was before, and which numbers were ever given
away. Changes are written in such an order that a process killed between any two of them leaves
both readable, and the next change puts right what the log missed.

A version that holds someone who is to be forgotten is withdrawn: nothing goes back to it, and it
is removed as soon as another is in use.
"""

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from elenco.errors import Locked, RegistryError
from elenco.integrity import write_digests
from elenco.promotions import NAME, Promotions
from elenco.storage import TEMPORARY, read_json, replace_symlink
from elenco.version import Version, read_version

# What a version must hold to be registered. Its TF.js form is checked by whoever exports it.
FILES = (
    "classifier.keras",
    "gallery.npz",
    "labels.json",
    "calibration.json",
    "metrics.json",
    "card.json",
    "card.md",
    "datasheet.md",
    "statistics.json",
    "photographs.npz",
)
LOCK_SECONDS = 60
CANDIDATE = ".candidate-"  # begins the name of what was trained and is not a version yet
SHARED_FORM = ".tfjs-"  # begins the name of a TF.js form that versions share


class Registry:
    """The versions under one directory.

    Reading takes no lock and sees the state before or after a change, never between.

    Args:
        root: `models/recogniser`; made when the first version is registered.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._link = root / "current"
        self._log = Promotions(root / "promotions.jsonl")

    def list_versions(self) -> list[Version]:
        """Every version there is, oldest first."""
        current, gone = self.current_name(), self._log.gone()
        return [
            read_version(self.root / name, name == current, name in gone) for name in self.names()
        ]

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
        if not NAME.fullmatch(name):
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
        if not NAME.fullmatch(version) or not (self.root / version).is_dir():
            raise RegistryError(f"there is no version {version!r}: there are {self._known()}")
        return self.root / version

    def show(self, version: str) -> str:
        """The model card of a version or of `current`, in Markdown. Raises RegistryError."""
        card = self.path(version) / "card.md"
        try:
            return card.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise RegistryError(f"the model card {card} can't be read: {error}") from None

    def find_by_fingerprint(self, fingerprint: str) -> str | None:
        """The newest version trained from these inputs, None if there is none; none withdrawn."""
        gone = self._log.gone()
        for name in reversed(self.names()):
            if name in gone:
                continue
            try:
                if read_json(self.root / name / "card.json")["fingerprint"] == fingerprint:
                    return name
            except (OSError, ValueError, KeyError, TypeError):
                continue  # a damaged version answers for no inputs: they are trained again
        return None

    def register(self, built: Path) -> str:
        """Move a complete directory in as the next version; does not promote it.

        The digests of its files are written into it: see `elenco.integrity`. Numbers are never
        given twice, even after a version was deleted.

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
        write_digests(built)
        with self._locked():
            numbers = [int(name[1:]) for name in self.names()]
            numbers += [int(entry["version"][1:]) for entry in self._log.entries()]
            name = f"v{max(numbers, default=0) + 1:06d}"
            # Log first: if killed before the move, a number is lost; the other way round a number
            # could be given again once its directory is deleted.
            self._log.append("registered", name, "")
            os.rename(built, self.root / name)
        return name

    def promote(self, version: str, reason: str) -> None:
        """Make a version the one in use; does nothing if it is already.

        Withdrawn versions that are in use no more are removed.

        Args:
            version: `vNNNNNN`.
            reason: why, in one line, for the log.

        Raises:
            RegistryError: no such version, or it is withdrawn.
        """
        name = self.path(version).name
        with self._locked():
            if name in self._log.gone():
                raise RegistryError(
                    f"{name} is withdrawn: `elenco models list` shows the others, and "
                    "`elenco refresh` trains a new one"
                )
            if name != self._agree():
                # Link first: if killed before the log, `_agree` notes what the link says.
                replace_symlink(self._link, name)
                self._log.append("promoted", name, reason)
            self._remove_withdrawn()

    def decline(
        self, version: str, reason: str, judged_by: Mapping[str, Any] | None = None
    ) -> None:
        """Note that a version was judged and not promoted.

        Args:
            version: `vNNNNNN`.
            reason: why, in one line, for the log.
            judged_by: the settings that this depended on, JSON; None if they are not known.

        Raises:
            RegistryError: no such version.
        """
        name = self.path(version).name
        more = {} if judged_by is None else {"judged_by": dict(judged_by)}
        with self._locked():
            self._log.append("not promoted", name, reason, **more)

    def decided(self, version: str, judged_by: Mapping[str, Any] | None = None) -> bool:
        """Whether it was said of a version if it is to be used.

        False where a process was killed after registering it and before judging it, and where the
        last that was said is that it was not promoted, by other settings.

        Args:
            version: `vNNNNNN`.
            judged_by: the settings of today, as `decline` has them; None if any will do.
        """
        if version == self.current_name():
            return True
        entries = [e for e in self._log.entries() if e["version"] == version]
        said = [e for e in entries if e["event"] != "registered"]
        if not said or said[-1]["event"] != "not promoted":
            return bool(said)
        noted = said[-1].get("judged_by")
        # Entries of earlier releases have no settings: what they say stands.
        return None in (noted, judged_by) or noted == judged_by

    def withdraw(self, version: str, reason: str) -> None:
        """Say that a version is not to stay: it may be in use until there is another.

        Args:
            version: `vNNNNNN`; it may be the one in use.
            reason: why, in one line, for the log.

        Raises:
            RegistryError: no such version.
        """
        name = self.path(version).name
        with self._locked():
            if not self.withdrawn(name):
                self._log.append("withdrawn", name, reason)

    def withdrawn(self, version: str) -> bool:
        """Whether a version is not to stay."""
        return version in self._log.gone()

    def remove(self, version: str, reason: str) -> None:
        """Delete a version that is not in use; its number is not given again.

        Args:
            version: `vNNNNNN`.
            reason: why, in one line, for the log.

        Raises:
            RegistryError: no such version, or it is in use.
        """
        name = self.path(version).name
        with self._locked():
            if name == self.current_name():
                raise RegistryError(
                    f"{name} is in use and can't be removed: `elenco models promote` another first"
                )
            self._remove(name, reason)

    def remove_withdrawn(self) -> None:
        """Delete the withdrawn versions that are not in use."""
        with self._locked():
            self._remove_withdrawn()

    def take_out_of_use(self, reason: str) -> None:
        """Leave no version in use; the one that was stays where it is. Nothing if there is none."""
        with self._locked():
            name = self.current_name()
            if name is not None:
                self._link.unlink()
                self._log.append("taken out of use", name, reason)

    def rollback(self) -> str:
        """Make the version the one in use that was before it; again, the one before that.

        Withdrawn versions are passed over, and removed once they are in use no more.

        Returns:
            Its name.

        Raises:
            RegistryError: there was none before, or none that is still there.
        """
        with self._locked():
            current = self._agree()
            if current is None:
                raise RegistryError("no version promoted yet: there is nothing to roll back")
            name = self.previous_name()
            if name is None:
                raise RegistryError(
                    f"there is no version before {current} to go back to: "
                    f"`elenco models promote` one of: {self._known()}"
                )
            # Log first: if killed before the link, the old version is still in use, and the next
            # rollback ends at the same one as this.
            self._log.append("rolled back", name, f"from {current}")
            replace_symlink(self._link, name)
            self._remove_withdrawn()
            return name

    def previous_name(self) -> str | None:
        """The name of the version that a rollback would go to, None if there is none."""
        current, gone = self.current_name(), self._log.gone()
        history = self._log.history()
        # A process that was killed may have left the log behind the link.
        before = history[:-1] if history[-1:] == [current] else history
        for name in reversed(before):
            if name != current and name not in gone and (self.root / name).is_dir():
                return name
        return None

    def names(self) -> list[str]:
        """The names of the versions there are, oldest first."""
        if not self.root.is_dir():
            return []
        names = [p.name for p in self.root.iterdir() if NAME.fullmatch(p.name) and p.is_dir()]
        return sorted(names, key=lambda name: int(name[1:]))

    def _agree(self) -> str | None:
        """Note in the log what the link says, if a killed process did not; what it says."""
        current = self.current_name()
        history = self._log.history()
        if current is not None and (not history or history[-1] != current):
            self._log.append("promoted", current, "found in use: the log had missed it")
        return current

    def _remove(self, name: str, reason: str) -> None:
        # Log first: if killed before the rest, nothing goes back to it, and it is removed again.
        self._log.append("removed", name, reason)
        discard(self.root / name)

    def _remove_withdrawn(self) -> None:
        current, gone = self.current_name(), self._log.gone()
        for name in self.names():
            if name in gone and name != current:
                self._remove(name, "withdrawn, and not in use any more")

    def _known(self) -> str:
        return ", ".join(self.names()) or "none yet (run `elenco refresh` or `elenco demo`)"

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


def discard(directory: Path) -> None:
    """Delete a version's or candidate's directory: for a reader it is whole or gone."""
    temporary = Path(tempfile.mkdtemp(prefix=TEMPORARY, dir=directory.parent))
    os.rename(directory, temporary / directory.name)
    shutil.rmtree(temporary)
