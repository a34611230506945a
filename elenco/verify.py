"""Whether the photographs on disk are those that the manifests tell of.

Reads every photograph once, in blocks; what is remembered meanwhile is one short text a photograph.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from elenco.errors import UnexpectedAnswer
from elenco.fingerprint import file_sha256
from elenco.layout import Layout
from elenco.records import Record
from elenco.rights.places import roots
from elenco.storage import TEMPORARY

THREADS = min(8, os.cpu_count() or 1)
AT_ONCE = 256  # photographs whose answers are waited for together

Kind = Literal["missing", "changed", "stray", "leftover", "unreadable", "incomplete"]
_MEANING: dict[Kind, str] = {
    "missing": "the manifest has it: `elenco refresh` fetches it again",
    "changed": "not the bytes that were stored: delete it and run `elenco refresh`",
    "stray": "no manifest has it: a refresh takes it up if it is listed; else delete it",
    "leftover": "half-written by a run that was killed: the next refresh deletes it",
    "unreadable": "can't be read",
    "incomplete": "its collecting was not finished: run `elenco refresh`",
}


@dataclass(frozen=True)
class Problem:
    """Something that is not as it should be.

    Attributes:
        kind: one word for it.
        path: relative to the data directory.
        detail: what else is known.
    """

    kind: Kind
    path: str
    detail: str = ""

    def line(self) -> str:
        """One line to print: what, where, and what to do."""
        detail = f" ({self.detail})" if self.detail else ""
        return f"{self.kind}: {self.path}: {_MEANING[self.kind]}{detail}"


def verify(layout: Layout, seen: Callable[[int], object] = lambda count: None) -> list[Problem]:
    """Compare the photographs of all sources, kept and retired, with the manifests.

    While a refresh is at work its temporary files and new photographs are problems too: hold the
    data directory meanwhile.

    Args:
        layout: the directories, seen from any source.
        seen: called with the number of photographs looked at since the last call.

    Returns:
        What is wrong, manifests first; empty if all is well.
    """
    known: set[str] = set()
    problems: list[Problem] = []
    with ThreadPoolExecutor(THREADS) as pool:
        for source in layout.sources():
            for path in sorted(source.record("collect", 0).parent.glob("*.json")):
                record = _read(path, source, problems)
                for part in _parts(record, source):
                    known.update(layout.relative(file) for file, _ in part)
                    found = pool.map(partial(_check, layout), part)
                    problems += [problem for problem in found if problem is not None]
                    seen(len(part))
    problems += _strangers(layout, known)
    return problems


def _read(path: Path, source: Layout, problems: list[Problem]) -> Record:
    """A manifest; an empty one where it can't be read."""
    name = source.relative(path)
    try:
        record = Record.read(path)
        if record is None:
            raise ValueError("it is gone")
        for entry in (*record.kept, *record.retired):
            _file(entry, source)
    except (OSError, ValueError, KeyError, TypeError, UnexpectedAnswer) as error:
        problem = error.strerror if isinstance(error, OSError) else type(error).__name__
        detail = f"{problem}; its photographs count as strays: restore it, or delete it and refresh"
        problems.append(Problem("unreadable", name, detail))
        return Record("collect", "", complete=True)
    if not record.complete:
        problems.append(Problem("incomplete", name))
    return record


def _file(entry: dict[str, Any], source: Layout) -> tuple[Path, str]:
    """Where an entry's photograph is, and its sha256."""
    person, key, sha256 = entry["person_id"], entry["key"], entry["sha256"]
    if "retired_at" in entry:
        return source.retired(person, key), sha256
    return source.image(entry["split"], person, key), sha256


def _parts(record: Record, source: Layout) -> Iterator[Sequence[tuple[Path, str]]]:
    files = (_file(entry, source) for entry in (*record.kept, *record.retired))
    while part := list(islice(files, AT_ONCE)):
        yield part


def _check(layout: Layout, told: tuple[Path, str]) -> Problem | None:
    file, sha256 = told
    name = layout.relative(file)
    try:
        return None if file_sha256(file) == sha256 else Problem("changed", name)
    except FileNotFoundError:
        return Problem("missing", name)
    except OSError as error:
        return Problem("unreadable", name, error.strerror or type(error).__name__)


def _strangers(layout: Layout, known: set[str]) -> Iterator[Problem]:
    """What no manifest has in the folders of photographs, and temporary files anywhere."""
    places = roots(layout)
    ours = places["photographs"][0].parent, *places["retired"]
    for folder, folders, names in os.walk(layout.data):
        leftovers = [name for name in (*folders, *names) if name.startswith(TEMPORARY)]
        yield from (Problem("leftover", _name(folder, n, layout)) for n in sorted(leftovers))
        folders[:] = sorted(name for name in folders if not name.startswith(TEMPORARY))
        if any(Path(folder).is_relative_to(root) for root in ours):
            whole = sorted(set(names) - set(leftovers))
            paths = [_name(folder, name, layout) for name in whole]
            yield from (Problem("stray", path) for path in paths if path not in known)


def _name(folder: str, name: str, layout: Layout) -> str:
    return layout.relative(Path(folder, name))
