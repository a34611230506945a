"""Who was forgotten since a backup was made does not come back with it, and the audit stays."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from elenco.backup.manifest import Manifest
from elenco.backup.store import Store
from elenco.errors import ElencoError
from elenco.layout import Layout
from elenco.progress import say
from elenco.rights.denylist import person_digest
from elenco.rights.forget import forget
from elenco.rights.people import listed
from elenco.rights.places import KINDS, photographs, sources_of
from elenco.rights.versions import candidates, may_be_of, people_of
from elenco.settings import Settings
from elenco.storage import append_entry, read_entries

Entries = list[dict[str, Any]]
DENYLIST, AUDIT = "denylist.jsonl", "audit.jsonl"


def newer_lines(store: Store, manifest: Manifest, layout: Layout) -> dict[str, Entries]:
    """What the denylist and the audit say that those in a backup do not.

    Of the newest backup that can be read, and of the directory that is written over.

    Args:
        store: with all backups.
        manifest: of the one that is restored.
        layout: where to.

    Returns:
        Log's path in the data directory -> lines, the oldest first; without logs that have none.

    Raises:
        ElencoError: one of these logs can't be read.
    """
    newest = _newest(store, manifest)
    found: dict[str, Entries] = {}
    for name in (DENYLIST, AUDIT):
        lines = [*_stored(store, newest, name), *_read(layout.data / name)]
        if new := _without(lines, _stored(store, manifest, name)):
            found[name] = new
    return found


def put_back(logs: Mapping[str, Entries], layout: Layout) -> None:
    """Add lines to logs that lack them. Call it while holding the data directory."""
    for name, lines in logs.items():
        path = layout.data / name
        for line in _without(lines, _read(path)):
            append_entry(path, line)


def forget_again(logs: Mapping[str, Entries], settings: Settings, layout: Layout) -> int:
    """Forget everybody whom the denylist has since the backup.

    Args:
        logs: as `newer_lines` gives them.
        settings: say which data directory to hold.
        layout: the directories.

    Returns:
        How many people there was something of.

    Raises:
        ElencoError: a record can't be read, so whom it is of is not known.
    """
    since = {line.get("digest") for line in logs.get(DENYLIST, [])}
    count = 0
    for kind in KINDS if since else ():
        of_kind = replace(layout, source_id=kind)
        for person in sorted(_people(kind, of_kind)):
            if person_digest(kind, person) in since:
                forget(person, settings, of_kind)
                count += 1
    return count


def _people(kind: str, layout: Layout) -> set[str]:
    """Everybody of whom anything is there."""
    sources = sources_of(kind, layout)
    people = {person for person, _ in photographs(sources)}
    for source in sources:
        people |= listed(source)
    for directory in (*layout.recogniser.glob("v*"), *candidates(layout)):
        if may_be_of(directory, kind):
            people |= (people_of(directory) or {}).keys()
    return people


def _newest(store: Store, manifest: Manifest) -> Manifest:
    """The newest backup that can be read, of those not older than one."""
    names = store.names()
    for name in reversed(names[names.index(manifest.name) + 1 :]):
        try:
            return store.read(name)
        except ElencoError as error:
            say(f"who was forgotten until backup {name} is not known: {error}")
    return manifest


def _stored(store: Store, manifest: Manifest, name: str) -> Entries:
    """The lines of a log in a backup."""
    for entry in manifest.trees["data"]:
        if entry.path == name:
            with TemporaryDirectory(prefix="elenco-restore-") as scratch:
                file = Path(scratch) / name
                store.get(entry.sha256, file)
                return _read(file)
    return []


def _read(path: Path) -> Entries:
    try:
        return list(read_entries(path))
    except ValueError as error:
        raise ElencoError(f"{path.name} can't be read: {error}") from None


def _without(lines: Entries, known: Entries) -> Entries:
    new: Entries = []
    for line in lines:
        if line not in known and line not in new:
            new.append(line)
    return new
