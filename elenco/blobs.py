"""Content by its digest, and named documents, in a folder or any place that fsspec has a URL for.

blobs/ab/abcdef…    content, by its sha256: written once, never changed
…                   documents, which name it: written when all that they need is there
"""

import errno
import hashlib
import os
import re
import shutil
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from elenco import s3
from elenco.errors import ConfigError, ElencoError
from elenco.storage import TEMPORARY, remove_leftovers, write_bytes

BLOCK = 1 << 20
THREADS = min(8, 2 * (os.cpu_count() or 1))  # that read and write a disk side by side
REQUESTS = 32  # under way at once, where an answer takes a journey and not a core
# What is a disk's own trouble, which the command line tells of.
_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS)
_SHA256 = re.compile(r"[0-9a-f]{64}")
_PASSWORD = re.compile(r"://[^@]*:[^@]*@")  # a secret key may hold a slash


class Damaged(ElencoError):
    """A blob is missing, or its content is not what its name says."""


class Changed(ElencoError):
    """What arrived is not what was sent: the file changed meanwhile, or the place lost some."""


class Blobs:
    """Blobs and documents at one place. For several threads.

    Args:
        place: a folder, or a URL. Who may write there is for the file system's own settings to say
            (`AWS_ACCESS_KEY_ID` and the like), not for the URL.

    Attributes:
        place: where, as it may be shown.
        folder: where, if it is a folder; else None.

    Raises:
        ConfigError: there is no such kind of place, or what reads it is not installed.
    """

    def __init__(self, place: str) -> None:
        from fsspec.core import url_to_fs  # takes a tenth of a second
        from fsspec.implementations.local import LocalFileSystem

        scheme = place.partition("://")[0] if "://" in place else "file"
        if _PASSWORD.search(place):
            raise ConfigError(
                f"the {scheme}:// address holds a password, which others can see: give it to the "
                "file system by its own variables or files"
            )
        try:
            # Nothing is remembered of a listing: others write there too.
            options = s3.options(scheme, REQUESTS) if scheme in s3.SCHEMES else {}
            self._fs, root = url_to_fs(place, use_listings_cache=False, **options)
        except ImportError:
            what = "elenco[s3]" if scheme in s3.SCHEMES else f"what fsspec needs for {scheme}://"
            raise ConfigError(f"{scheme}:// can't be read here: install {what}") from None
        except ValueError:
            raise ConfigError(
                f"{place} is neither a folder nor an address that fsspec knows"
            ) from None
        self._root = str(root).rstrip("/")
        self._is_s3 = scheme in s3.SCHEMES
        self.folder = Path(self._root) if isinstance(self._fs, LocalFileSystem) else None
        self.place = self._root if self.folder else f"{scheme}://{self._root.lstrip('/')}"

    def threads(self) -> ThreadPoolExecutor:
        """As many as put, get and read side by side here at best."""
        return ThreadPoolExecutor(THREADS if self.folder else REQUESTS)

    def blobs(self) -> dict[str, int]:
        """sha256 -> size of all content there is. Raises ElencoError or OSError."""
        sizes = self._sizes("blobs")
        named = {path.rsplit("/", 1)[-1]: size for path, size in sizes.items()}
        return {name: size for name, size in named.items() if _SHA256.fullmatch(name)}

    def put(self, file: Path, sha256: str) -> None:
        """Store a file's content and read it back.

        Raises:
            Changed: what arrived is not of this digest; nothing is left of it.
            FileNotFoundError: there is no such file.
            OSError: the disk is full, or may not be written to.
        """
        path = self._blob(sha256)
        with file.open("rb") as source:  # outside: that it is gone is no fault of the place
            try:
                with self._reaching():
                    if self.folder is None:
                        self._fs.put_file(str(file), path)  # an object is whole or not there
                    else:
                        Path(path).parent.mkdir(parents=True, exist_ok=True)
                        with _whole(Path(path)) as sink:
                            shutil.copyfileobj(source, sink, BLOCK)
            except ElencoError:
                if file.exists():
                    raise
                raise FileNotFoundError(file) from None
        if self.digest(sha256) != sha256:
            self.delete([sha256])
            raise Changed(
                f"{file} did not arrive whole at {self.place}, or changed meanwhile: "
                "run the same command again"
            )

    def get(self, sha256: str, target: Path) -> None:
        """Write a blob's content to a file, whole and of its digest, or not at all.

        Raises:
            Damaged: it is missing, or has another digest.
            OSError: the disk is full.
        """
        found = hashlib.sha256()
        with _whole(target) as file:
            for block in self._blocks(sha256):
                found.update(block)
                file.write(block)
            if found.hexdigest() != sha256:
                raise Damaged(f"content {sha256} is not what was stored")

    def digest(self, sha256: str) -> str:
        """sha256 (hex) of what is stored under a name. Raises Damaged if there is nothing."""
        found = hashlib.sha256()
        for block in self._blocks(sha256):
            found.update(block)
        return found.hexdigest()

    def delete(self, blobs: Iterable[str]) -> None:
        """Delete content; what is gone already is passed over."""
        paths = [self._blob(sha256) for sha256 in blobs]
        with self._reaching():
            left = s3.delete(self._fs, paths) if self._is_s3 else paths
            with self.threads() as pool:
                list(pool.map(self._remove, left))

    def documents(self, folder: str) -> list[str]:
        """The paths of the documents in a folder, relative to it, sorted. Raises ElencoError."""
        return sorted(
            path[len(f"{self._root}/{folder}/") :]
            for path in self._sizes(folder)
            if not path.rpartition("/")[2].startswith(TEMPORARY)
        )

    def read_document(self, path: str, size: int | None = None) -> bytes | None:
        """A document, or its first `size` bytes; None if there is none. Raises ElencoError."""
        try:
            with self._reaching(True):
                return self._fs.cat_file(f"{self._root}/{path}", start=0, end=size)
        except FileNotFoundError:
            return None

    def write_document(self, path: str, data: bytes) -> None:
        """Write a document, whole or not at all, and read it back.

        Raises:
            Changed: what arrived is not what was sent; nothing is left of it.
            ElencoError: the place can't be used.
        """
        with self._reaching():
            if self.folder is None:
                self._fs.pipe_file(f"{self._root}/{path}", data)
            else:
                os.sync()  # the content that it names, in one go
                write_bytes(Path(self._root) / path, data)
        if self.read_document(path) != data:
            self.remove_document(path)
            raise Changed(
                f"{path} did not arrive whole at {self.place}: run the same command again"
            )

    def remove_document(self, path: str) -> None:
        """Delete a document; what is gone already is passed over."""
        with self._reaching():
            self._remove(f"{self._root}/{path}")

    def prepare(self, *folders: str) -> None:
        """Make folders, and delete what killed processes left. Call it while nobody else writes."""
        if self.folder is not None:
            with self._reaching():
                self.folder.mkdir(parents=True, exist_ok=True)
                for name in ("blobs", *folders):  # faces and names: for their owner alone
                    (self.folder / name).mkdir(mode=0o700, exist_ok=True)
                remove_leftovers(self.folder)

    def _remove(self, path: str) -> None:
        with suppress(FileNotFoundError):
            self._fs.rm_file(path)

    def _blocks(self, sha256: str) -> Iterator[bytes]:
        path = self._blob(sha256)
        try:
            with self._reaching(True):
                if self._is_s3:
                    yield from s3.read(self._fs, path)
                    return
                with self._fs.open(path, "rb") as file:
                    while block := file.read(BLOCK):
                        yield block
        except FileNotFoundError:
            raise Damaged(f"content {sha256} is missing") from None

    def _sizes(self, folder: str) -> dict[str, int]:
        with self._reaching():
            try:
                found = self._fs.find(f"{self._root}/{folder}", detail=True)
            except FileNotFoundError:
                return {}
        return {path: int(info["size"]) for path, info in found.items()}

    def _blob(self, sha256: str) -> str:
        if not is_sha256(sha256):
            raise ValueError(f"{sha256!r} names no content")
        return f"{self._root}/blobs/{sha256[:2]}/{sha256}"

    @contextmanager
    def _reaching(self, may_lack: bool = False) -> Iterator[None]:
        """One line for what a place on a network raises; it may hold more than may be shown."""
        try:
            yield
        except ElencoError:
            raise
        except Exception as error:
            lacking = may_lack and isinstance(error, FileNotFoundError)
            disk = self.folder is not None and isinstance(error, OSError) and error.errno in _DISK
            if lacking or disk:
                raise
            told = (error.strerror if isinstance(error, OSError) else "") or type(error).__name__
            raise ElencoError(
                f"{self.place} can't be used ({' '.join(told.split())[:200]}): check the address, "
                "your access and the network, then run the same command again"
            ) from None


def is_sha256(text: object) -> bool:
    """Whether something that was read is a digest as content is named by."""
    return isinstance(text, str) and _SHA256.fullmatch(text) is not None


def is_plain(path: str, size: object, mtime_ns: object) -> bool:
    """Whether a stored list may say so of a file: the path leads nowhere else, numbers are numbers.

    Args:
        path: relative to some directory, `/` between.
        size: bytes.
        mtime_ns: nanoseconds since 1970, or before.
    """
    parts = PurePosixPath(path).parts
    within = path == "/".join(parts) and bool(parts) and parts[0] != "/" and ".." not in parts
    numbers = type(size) is int and type(mtime_ns) is int and size >= 0 and abs(mtime_ns) < 1 << 63
    return within and "\0" not in path and numbers


@contextmanager
def _whole(target: Path) -> Iterator[BinaryIO]:
    """A file that takes the target's place when all of it is written, and is gone if it is not.

    `Blobs.write_document` syncs what it names, all at once.
    """
    temporary = target.parent / f"{TEMPORARY}{os.urandom(8).hex()}"
    try:
        with temporary.open("xb") as file:
            yield file
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)
