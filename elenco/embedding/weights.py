"""Weights that are not in the package: fetched once, checked, never used unchecked."""

import hashlib
import http.client
import os
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from elenco.errors import WeightsError
from elenco.fingerprint import file_sha256
from elenco.progress import say, track
from elenco.storage import TEMPORARY

TIMEOUT_SECONDS = 60.0
BLOCK = 1 << 20


@dataclass(frozen=True)
class RemoteFile:
    """A file at a pinned address: the name it gets, where it is, and its sha256 (hex)."""

    name: str
    url: str
    sha256: str


def fetch(file: RemoteFile, folder: Path) -> Path:
    """The file in `folder`, downloaded if it is not there; its sha256 is checked either way.

    The folder gets the whole, checked file or nothing.

    Raises:
        WeightsError: unreachable, or not the bytes expected; says what to do.
    """
    path = folder / file.name
    by_hand = (
        f"place the file of {file.url} with sha256 {file.sha256} at {path} by hand, "
        "or set ELENCO_EMBEDDING__EMBEDDER=dlib_resnet, which needs no download"
    )
    if path.exists():
        check_sha256(path, file.sha256, f"delete it to fetch it again, {by_hand}")
        return path
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=TEMPORARY, dir=folder)
        try:
            found = hashlib.sha256()
            with os.fdopen(handle, "wb") as target:
                for block in _blocks(file):
                    found.update(block)
                    target.write(block)
                target.flush()
                os.fsync(target.fileno())
            if found.hexdigest() != file.sha256:
                raise WeightsError(
                    f"what {file.url} gave for {file.name} has sha256 {found.hexdigest()}, which "
                    f"is not the one expected: {by_hand}"
                )
            os.chmod(name, 0o644)
            os.replace(name, path)
        finally:
            Path(name).unlink(missing_ok=True)
    except (OSError, http.client.HTTPException) as error:
        if isinstance(error, urllib.error.HTTPError):
            error.close()  # it holds the connection
        raise WeightsError(f"{file.name} can't be fetched ({error}): {by_hand}") from None
    return path


def check_sha256(path: Path, sha256: str, remedy: str) -> None:
    """Raise WeightsError, ending in `remedy`, unless the file's content has this sha256."""
    try:
        found = file_sha256(path)
    except OSError as error:
        raise WeightsError(f"{path} can't be read ({error.strerror}): {remedy}") from None
    if found != sha256:
        raise WeightsError(f"{path} is damaged or another file (sha256 {found}): {remedy}")


def _blocks(file: RemoteFile) -> Iterator[bytes]:
    with urllib.request.urlopen(file.url, timeout=TIMEOUT_SECONDS) as answer:
        total = int(answer.headers.get("Content-Length") or 0)
        say(f"Fetching {file.name} from {file.url}")
        with track(file.name, total) as advance:
            while block := answer.read(BLOCK):
                yield block
                advance(len(block))
