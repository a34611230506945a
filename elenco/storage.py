"""Atomic writes: a reader sees the old file or the new one, never a part, even after kill -9."""

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
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=TEMPORARY, dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def write_text(path: Path, text: str) -> None:
    """`write_bytes` of UTF-8."""
    write_bytes(path, text.encode())


def write_json(path: Path, value: Any) -> None:
    """`write_bytes` of indented JSON with a final newline."""
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False) + "\n")


def read_json(path: Path) -> Any:
    """The JSON value in a file. Raises FileNotFoundError or ValueError."""
    return json.loads(path.read_text())


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
