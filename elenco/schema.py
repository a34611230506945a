"""Which release's form a data directory has: `data/state/schema.json`.

A directory with state and no such file is of schema 0: everything until there were schemas. An
older one is brought up step by step by whoever holds the directory; a newer one is refused.

A directory that a restore is being written into is refused too, until the restore is finished.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from importlib.metadata import version
from pathlib import Path
from typing import Any

from elenco.errors import ElencoError
from elenco.integrity import DIGESTS, write_digests
from elenco.layout import Layout
from elenco.records import Record
from elenco.registry import Registry
from elenco.settings import Settings
from elenco.storage import read_json, write_json

SCHEMA = 1
NAME, RESTORING = "schema.json", "restoring.json"
# What lies in data/state before there is any data: locks, and what Prefect and `elenco up` keep.
_BEFORE = frozenset(
    {"refresh.lock", "refresh.holder.json", "backup.lock", RESTORING, "prefect", "ops"}
)
_restoring: set[Path] = set()  # data directories that this process is restoring


def schema_of(layout: Layout) -> int | None:
    """The schema of a data directory; None if nothing was ever kept there.

    Raises:
        ElencoError: the file can't be read.
    """
    path = layout.state.parent / NAME
    try:
        found = read_json(path)["schema"]
        if not isinstance(found, int) or isinstance(found, bool) or found < 1:
            raise ValueError("no schema's number")
        return found
    except FileNotFoundError:
        state = path.parent
        kept = state.is_dir() and any(entry.name not in _BEFORE for entry in state.iterdir())
        return 0 if kept else None
    except (ValueError, KeyError, TypeError) as error:
        raise ElencoError(
            f"{path} can't be read ({type(error).__name__}): put it back from a backup; "
            "it says which release made the data directory"
        ) from None


def check_schema(layout: Layout) -> None:
    """Refuse a data directory that this release can't read. Changes nothing, takes no lock.

    Raises:
        ElencoError: a newer release made it, or a restore into it was not finished.
    """
    state = layout.state.parent
    if (state / RESTORING).exists() and layout.data.resolve() not in _restoring:
        raise ElencoError(
            f"{layout.data} is half restored: repeat the `elenco restore` that was interrupted"
        )
    found = schema_of(layout)
    if found is not None and found > SCHEMA:
        raise ElencoError(
            f"{layout.data} was made by a newer release (schema {found}, this one knows {SCHEMA}): "
            "upgrade Elenco"
        )


def layout_to_read(settings: Settings) -> Layout:
    """The directories, for who only reads them and waits for nobody.

    Raises:
        ElencoError: as `check_schema`.
    """
    layout = Layout.of(settings)
    check_schema(layout)
    return layout


def open_schema(
    layout: Layout, migrations: Mapping[int, Callable[[Layout], None]] | None = None
) -> None:
    """Bring a data directory to this release's schema; stamp it at its first use.

    Call it while holding the data directory. A process that is killed in a step does it again.

    Args:
        layout: the directories, seen from any source.
        migrations: schema -> what makes the next one of it; by default `MIGRATIONS`.

    Raises:
        ElencoError: as `check_schema`, or something there is damaged; the message says what to do.
    """
    check_schema(layout)
    steps = MIGRATIONS if migrations is None else migrations
    latest = max(steps) + 1
    found = schema_of(layout)
    if found is None:
        _stamp(layout, latest)
        return
    for schema in range(found, latest):
        steps[schema](layout)
        _stamp(layout, schema + 1)


@dataclass(frozen=True)
class Unfinished:
    """A restore that is at work, or was interrupted.

    Attributes:
        backup: what is restored.
        logs: path in the data directory -> lines that are put back into this log at the end.
    """

    backup: str
    logs: Mapping[str, list[dict[str, Any]]]


@contextmanager
def restoring(layout: Layout, what: Unfinished) -> Iterator[None]:
    """Refuse the data directory to everybody else until the end, and after an exception or a kill.

    Args:
        layout: whose data directory.
        what: is remembered there.
    """
    path, data = layout.state.parent / RESTORING, layout.data.resolve()
    write_json(path, asdict(what))
    _restoring.add(data)
    try:
        yield
        path.unlink()
    finally:
        _restoring.discard(data)


def interrupted(layout: Layout) -> Unfinished | None:
    """The restore that was not finished here, None if there is none. Raises ElencoError."""
    path = layout.state.parent / RESTORING
    try:
        return Unfinished(**read_json(path))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError):
        raise ElencoError(f"{path} can't be read: restore into an empty directory") from None


def _stamp(layout: Layout, schema: int) -> None:
    write_json(
        layout.state.parent / NAME, {"schema": schema, "written_by": f"elenco {version('elenco')}"}
    )


def _from_0(layout: Layout) -> None:
    """Nothing moves: manifests must be of this form, and versions get the digests of their files.

    What is no JSON is damage and no other form: `elenco verify` tells of it, and `elenco purge`
    must go on past it.
    """
    known = {field.name for field in fields(Record)}
    for stage in ("collect", "detect"):
        for path in sorted(layout.state.parent.glob(f"*/{stage}/*.json")):
            try:
                record = read_json(path)
            except ValueError:
                continue
            if isinstance(record, dict) and (strange := sorted(record.keys() - known)):
                raise ElencoError(
                    f"{path} has {strange[0]!r}, which this release does not know: upgrade Elenco"
                )
    registry = Registry(layout.recogniser)
    for name in registry.names():
        if not (registry.root / name / DIGESTS).exists():
            write_digests(registry.root / name)


MIGRATIONS: Mapping[int, Callable[[Layout], None]] = {0: _from_0}
