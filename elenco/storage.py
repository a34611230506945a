"""Atomic writes: a reader sees the old file or the new one, never a part, even after kill -9."""

import errno
import io
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

TEMPORARY = ".tmp-"


def write_bytes(path: Path, data: bytes) -> None:
    """Write a temporary sibling, fsync, rename over `path`. Parents are made. Raises OSError."""
    # By file descriptor: a day's photographs are many, and `tempfile` takes longer than the disk.
    name = path.parent / f"{TEMPORARY}{os.urandom(8).hex()}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    try:
        handle = os.open(name, flags, 0o644)
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(name, flags, 0o644)
    try:
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(handle, view) :]
            os.fsync(handle)
        finally:
            os.close(handle)
        os.replace(name, path)
    except BaseException as error:
        name.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename is None:
            error.filename = str(path)  # so that whoever makes room on a full disk knows where
        raise


def write_text(path: Path, text: str) -> None:
    """`write_bytes` of UTF-8."""
    write_bytes(path, text.encode())


def write_json(path: Path, value: Any) -> None:
    """`write_bytes` of JSON, an entry of its lists and objects a line, with a final newline."""
    write_text(path, _lines(value, 2) + "\n")


def _lines(value: Any, depth: int) -> str:
    # `json.dumps(indent=…)` is ten times slower: it does without the encoder in C.
    if depth and value and isinstance(value, dict):
        entries = [f"{json.dumps(k)}: {_lines(v, depth - 1)}" for k, v in value.items()]
        return "{\n" + ",\n".join(entries) + "\n}"
    if depth and value and isinstance(value, list):
        return "[\n" + ",\n".join(_lines(v, 0) for v in value) + "\n]"
    return json.dumps(value, ensure_ascii=False)


def read_json(path: Path) -> Any:
    """The JSON value in a file. Raises FileNotFoundError or ValueError."""
    return json.loads(path.read_text("utf-8"))


def append_entry(path: Path, entry: dict[str, Any]) -> None:
    """Add a line of JSON to an append-only log; whole or not at all. Call it under a lock.

    Raises:
        OSError: the disk is full; the log is as it was.
    """
    line = json.dumps(entry, ensure_ascii=False).encode() + b"\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        size = os.fstat(handle).st_size
        if size:
            whole = os.pread(handle, size, 0).rfind(b"\n") + 1
            os.ftruncate(handle, whole)  # a line that a killed process or a full disk cut short
            size = whole
        if os.write(handle, line) != len(line):
            os.ftruncate(handle, size)
            raise OSError(errno.ENOSPC, "the disk is full", str(path))
        os.fsync(handle)
    finally:
        os.close(handle)


def read_entries(path: Path) -> Iterator[dict[str, Any]]:
    """The lines of such a log; what follows the last newline was cut short and does not count.

    Raises:
        ValueError: a line is no JSON object; the message names it.
    """
    try:
        lines = path.read_bytes().split(b"\n")[:-1]
    except FileNotFoundError:
        return
    for number, line in enumerate(lines, 1):
        try:
            entry = json.loads(line)
        except ValueError:
            entry = None
        if not isinstance(entry, dict):
            raise ValueError(f"{path}, line {number}, is not an entry: delete the line")
        yield entry


def write_npz(path: Path, **arrays: np.ndarray) -> None:
    """An uncompressed npz of arrays that need no pickle; raises ValueError for an object array.

    The bytes depend on the arrays alone (zip members carry a fixed date), so equal arrays give
    equal files.
    """
    for name, array in arrays.items():
        if array.dtype.hasobject:
            raise ValueError(f"{name} is an object array: only plain dtypes go into an npz")
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # pyright: ignore[reportArgumentType]
    write_bytes(path, buffer.getvalue())


def read_npz(path: Path) -> dict[str, np.ndarray]:
    """All arrays of an npz, read without pickle. Raises FileNotFoundError or ValueError."""
    with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


@contextmanager
def build_directory(path: Path) -> Iterator[Path]:
    """Yield a temporary sibling to fill; renamed to `path` at the end, deleted on any exception.

    Raises:
        FileExistsError: `path` exists; a finished directory is never written over.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():
        raise FileExistsError(path)
    temporary = Path(tempfile.mkdtemp(prefix=TEMPORARY, dir=path.parent))
    try:
        yield temporary
        for file in temporary.rglob("*"):
            if file.is_file():
                _fsync(file)
        temporary.chmod(0o755)
        os.rename(temporary, path)
        _fsync(path.parent)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def replace_symlink(link: Path, target: str) -> None:
    """Point `link` at `target` (relative to the link's folder) in one atomic step."""
    temporary = link.parent / f"{TEMPORARY}{link.name}-{os.getpid()}"
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(target)
    os.replace(temporary, link)
    _fsync(link.parent)


def remove_leftovers(root: Path) -> int:
    """Delete temporary files and folders that killed processes left under `root`; how many.

    Call it only while holding the directory's lock.
    """
    found = [p for p in root.rglob(f"{TEMPORARY}*")] if root.exists() else []
    for path in found:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    return len(found)


def _fsync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
