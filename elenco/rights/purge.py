"""Deletes everything that came from a source: what ending the use of TMDB asks for.

The denylist and the audit stay: they hold no content. In this order, so that a run that was
killed, run again, finishes: versions, photographs and faces, the quarantine, embeddings, local
reports, evaluations and pictures of the demo, and at last the state, which says what there was.
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace

from elenco.errors import ConfigError
from elenco.layout import Layout
from elenco.lock import refresh_lock
from elenco.registry import Registry, discard
from elenco.rights import audit
from elenco.rights.curated import erase_curation
from elenco.rights.embeddings import remove_rows
from elenco.rights.erase import unlink
from elenco.rights.people import listed
from elenco.rights.places import (
    KINDS,
    Photograph,
    demo_pictures,
    evaluations,
    other_sources,
    photographs,
    prefect_home,
    remove_if_empty,
    roots,
    sources_of,
)
from elenco.rights.removed import Removed
from elenco.rights.versions import candidates, people_of, source_of
from elenco.settings import Settings

REASON = "everything of its source was deleted"


@dataclass(frozen=True)
class AllBut:
    """Every photograph but some: `(person_id, key) in all_but`."""

    spared: frozenset[Photograph]

    def __contains__(self, photograph: Photograph) -> bool:
        return photograph not in self.spared


def purge(source: str, settings: Settings, layout: Layout) -> Removed:
    """Delete all content of a kind of source, and all that was made of it.

    A photograph that no manifest of another source has goes too, whoever left it. If the version in
    use was trained on the source, none is in use afterwards. Originals in a folder that is a
    source stay where they are.

    Args:
        source: `tmdb`, or `folder` for every folder that was ever a source here.
        settings: say which data directory to hold.
        layout: the directories.

    Raises:
        ConfigError: there is no such source.
        ElencoError: another source's manifest can't be read, so what is its own is not known.
        Locked: a refresh works in the data directory.
    """
    if source not in KINDS:
        raise ConfigError(f"there is no source {source!r}: give {' or '.join(KINDS)}")
    with refresh_lock(settings):
        mine = sources_of(source, layout)
        chosen = AllBut(frozenset(photographs(other_sources(source, layout))))
        removed = Removed(versions=_remove_versions(source, mine, layout))
        removed += _remove_files(layout, chosen)
        removed += Removed(entries=erase_curation(layout, chosen))
        removed += Removed(embeddings=remove_rows(layout, chosen))
        leavings = [prefect_home(layout), evaluations(layout)]
        if source == "tmdb":
            leavings.append(demo_pictures(layout))
        if not chosen.spared:
            leavings.append(layout.processed("x").parent)  # files without a row
        for folder in [*leavings, *(one.state for one in mine)]:
            if folder.is_dir():
                shutil.rmtree(folder)
        audit.note(replace(layout, source_id=source), "purge", removed)
    return removed


def _remove_versions(kind: str, mine: Sequence[Layout], layout: Layout) -> int:
    registry = Registry(layout.recogniser)
    directories = [registry.root / name for name in registry.names()] + candidates(layout)
    ours = [path for path in directories if source_of(path) == kind]
    silent = [path for path in directories if source_of(path) is None]
    if silent:  # theirs whose people they know; who they know can't always be read
        people = {person for person, _ in photographs(mine)}
        people |= {person for source in mine for person in listed(source)}
        ours += [p for p in silent if (known := people_of(p)) is None or people & set(known)]
    current = registry.current_name()
    if current in {path.name for path in ours}:
        registry.take_out_of_use(REASON)
    for path in ours:
        if path in candidates(layout):
            discard(path)
        else:
            registry.remove(path.name, REASON)
    return len(ours)


def _remove_files(layout: Layout, chosen: AllBut) -> Removed:
    removed = Removed()
    for name, folders in roots(layout).items():
        for root in folders:
            for folder in sorted(root.glob("*/")):
                gone = [path for path in folder.iterdir() if (folder.name, path.stem) in chosen]
                removed += Removed(**{name: unlink(gone)})
                remove_if_empty(folder)
    return removed
