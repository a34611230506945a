"""Whether a version's files are still those that were written: their sha256 lies beside them.

Against damage (a disk, a copy that was cut short, a hand that edited), not against somebody who may
write there: they could write the digests too.
"""

import os
import threading
from pathlib import Path

from elenco.errors import RegistryError
from elenco.fingerprint import file_sha256
from elenco.storage import TEMPORARY, read_json, write_json

DIGESTS = "sha256.json"


class Digests:
    """sha256 of files, read again only where size, times or inode changed. For several threads."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, int, int, int, int], str] = {}
        self._turn = threading.Lock()

    def of(self, path: Path) -> str:
        """sha256 (hex) of a file. Raises OSError."""
        # Before reading: a file that changes meanwhile is known under what it was, and read again.
        found = path.stat()
        key = str(path), found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino
        with self._turn:
            known = self._known.get(key)
        if known is None:
            known = file_sha256(path)
            with self._turn:
                self._known[key] = known
        return known


_digests = Digests()  # of this process


def write_digests(directory: Path) -> None:
    """Write `sha256.json`: path within the directory -> sha256 (hex), of every file, sorted.

    Call it when all else is written; called again, it replaces what was there.

    Args:
        directory: of a version that is being built.
    """
    files = {
        path.relative_to(directory).as_posix(): path
        for path in directory.rglob("*")
        if path.is_file() and path.name != DIGESTS and not path.name.startswith(TEMPORARY)
    }
    found = {name: _digests.of(path) for name, path in sorted(files.items())}
    write_json(directory / DIGESTS, found)


def verify_digests(directory: Path, *names: str) -> None:
    """Compare files of a version with its `sha256.json`.

    A file that is as it was at the last call (path, size, times, inode) is not read again.

    Args:
        directory: of the version.
        names: paths within it; by default every file that `sha256.json` names. Files that it does
            not name, nobody loads: they are passed over.

    Raises:
        RegistryError: a file is missing or another, or has no digest; the message names it.
    """
    try:
        told = read_json(directory / DIGESTS)
        if not isinstance(told, dict):
            raise ValueError("it is no object")
    except FileNotFoundError:
        raise _damaged(directory, f"it has no {DIGESTS}") from None
    except (OSError, ValueError) as error:
        raise _damaged(directory, f"{DIGESTS} can't be read: {type(error).__name__}") from None
    for name in names or sorted(told):
        if name not in told:
            raise _damaged(directory, f"{DIGESTS} does not name {name}")
        try:
            # Through a link or a folder above, a name could lead anywhere.
            inside = not os.path.isabs(name) and ".." not in Path(name).parts
            same = inside and _digests.of(directory / name) == told[name]
        except FileNotFoundError:
            raise _damaged(directory, f"{name} is missing") from None
        except OSError as error:
            raise _damaged(directory, f"{name} can't be read: {error.strerror}") from None
        if not same:
            raise _damaged(directory, f"{name} is not what was written")


def _damaged(directory: Path, problem: str) -> RegistryError:
    return RegistryError(
        f"version {directory.name} is damaged ({problem}): "
        "run `elenco models rollback`, or `elenco refresh` for a new one"
    )
