"""Forgets a person: all that is theirs is deleted, and they don't come back.

In this order, so that a run that was killed, run again, finishes:

1. the denylist: no refresh brings them back, and no version names them, from here on
2. local reports of earlier runs and evaluations, which show faces with names
3. photographs, faces, embeddings, answers, records
4. candidates and versions that know them; the one in use is withdrawn, and goes with the next
   refresh, which trains anew without them
5. the lists of people
6. the audit
"""

import shutil
from dataclasses import dataclass

from elenco.errors import ElencoError
from elenco.layout import Layout
from elenco.lock import refresh_lock
from elenco.progress import say
from elenco.registry import Registry, discard
from elenco.rights import audit
from elenco.rights.denylist import allow, denied, deny, kind_of
from elenco.rights.erase import Chosen, erase, unlink
from elenco.rights.people import find_person, is_known, leave_lists
from elenco.rights.places import (
    evaluations,
    other_sources,
    photographs,
    prefect_home,
    sources_of,
)
from elenco.rights.removed import Removed
from elenco.rights.versions import candidates, may_know
from elenco.settings import Settings

REASON = "holds a person who was forgotten"


@dataclass(frozen=True)
class Forgotten:
    """What forgetting a person came to.

    Attributes:
        person_id: whom.
        removed: what was there of theirs.
        withdrawn: the version in use, if it knows them: it goes with the next refresh.
    """

    person_id: str
    removed: Removed
    withdrawn: str | None


def forget(person: str, settings: Settings, layout: Layout) -> Forgotten:
    """Delete all that is a person's, of every source of the layout's kind.

    A TMDB number is put on the denylist even if nobody here has it. Originals in a folder that is
    a source are the user's and stay where they are.

    Args:
        person: an id, or a whole name.
        settings: say which data directory to hold.
        layout: whose `source_id` says the kind of source.

    Raises:
        ElencoError: nobody or more than one is called that, or a file can't be read.
        Locked: a refresh works in the data directory.
    """
    with refresh_lock(settings):
        person_id = find_person(person, layout)
        kind = kind_of(layout.source_id)
        # A name may mean nobody any more once this is half done: the id does for a second time.
        say(f"forgetting {person_id}")
        known = is_known(person_id, layout)
        deny(layout, person_id)
        if evaluations(layout).is_dir():
            shutil.rmtree(evaluations(layout))
        if known:
            _remove_reports(layout)
        sources = sources_of(kind, layout) or [layout]
        theirs = frozenset(
            photograph
            for photograph in photographs(other_sources(kind, layout))
            if photograph[0] == person_id
        )
        removed = erase(sources, Chosen(frozenset({person_id}), spared=theirs))
        versions, withdrawn = _forget_versions(person_id, kind, layout)
        lists = sum(leave_lists(person_id, source) for source in sources)
        removed += Removed(versions=versions, entries=lists)
        audit.note(layout, "forget", removed, person_id)
    return Forgotten(person_id, removed, withdrawn)


def lift(person: str, settings: Settings, layout: Layout) -> str:
    """Let a person come back with the next refresh.

    Args:
        person: an id, or a whole name while it is still known.
        settings: say which data directory to hold.
        layout: whose `source_id` says the kind of source.

    Returns:
        Their id.

    Raises:
        ElencoError: nobody of that id or name is on the denylist.
        Locked: a refresh works in the data directory.
    """
    with refresh_lock(settings):
        person_id = person if person in denied(layout) else find_person(person, layout)
        if not allow(layout, person_id):
            raise ElencoError(f"{person_id} is not on the denylist: there is nothing to lift")
        audit.note(layout, "allow", person_id=person_id)
    return person_id


def _forget_versions(person_id: str, kind: str, layout: Layout) -> tuple[int, str | None]:
    """Delete what was trained on a person; how many, and the version in use if it is one."""
    removed, withdrawn = 0, None
    for path in candidates(layout):
        discard(path)
        removed += 1
    registry = Registry(layout.recogniser)
    current = registry.current_name()
    for name in registry.names():
        if not may_know(registry.root / name, person_id, kind):
            continue
        if name == current:
            registry.withdraw(name, REASON)
            withdrawn = name
        else:
            registry.remove(name, REASON)
            removed += 1
    return removed, withdrawn


def _remove_reports(layout: Layout) -> None:
    """Delete what Prefect keeps of local runs, but for results: they are references, no faces."""
    home = prefect_home(layout)
    if home.is_dir():
        unlink(path for path in home.iterdir() if path.name != "results")
