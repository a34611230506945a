"""What curating wrote of photographs that are not to stay: the quarantine and an operator's words.

The page of the quarantine shows faces. It is deleted whole where one of them is to go, and the next
refresh makes it again.
"""

import json
import re
from dataclasses import replace
from html import unescape
from pathlib import Path

from elenco.curation.quarantine import Entry, Quarantine, load_quarantine
from elenco.errors import ElencoError
from elenco.layout import Layout
from elenco.progress import say
from elenco.rights.embeddings import Photographs
from elenco.storage import read_entries, write_text

_FACE = re.compile(r'title="([^"]*)"')  # each face of the page says whose it is


def erase_curation(layout: Layout, chosen: Photographs) -> int:
    """Take photographs out of every embedder's quarantine, and out of the operator's decisions.

    A quarantine that can't be read is deleted whole, as embeddings are. A person is named no more
    once all of theirs is chosen. Call it while holding the data directory.

    Returns:
        How many entries there were.

    Raises:
        ElencoError: the decisions can't be read; the message says what to do.
    """
    count = 0
    for folder in sorted(layout.processed("x").parent.glob("*/")):
        page = layout.quarantine_sheet(folder.name)
        count += _of_quarantine(layout.quarantine(folder.name), page, chosen)
    return count + _of_decisions(layout.curation, chosen)


def _of_quarantine(path: Path, page: Path, chosen: Photographs) -> int:
    try:
        before = load_quarantine(path)
    except ElencoError as error:
        say(str(error))
        before = None
    if before is None:  # nobody can say who is in it
        page.unlink(missing_ok=True)
        path.unlink(missing_ok=True)
        return 0
    after = _without(before, chosen)
    shown = _FACE.findall(page.read_text("utf-8")) if page.exists() else []
    if after != before or any(_photograph(unescape(title)) in chosen for title in shown):
        page.unlink(missing_ok=True)
    if after != before:
        after.save(path)
    return _size(before) - _size(after)


def _without(found: Quarantine, chosen: Photographs) -> Quarantine:
    def gone(person: str) -> bool:
        return (person, "") in chosen

    def rest(entries: list[Entry]) -> list[Entry]:
        return [
            # Whom it looks like, or what stays in its place.
            replace(entry, other="") if _photograph(entry.other) in chosen else entry
            for entry in entries
            if (entry.person_id, entry.key) not in chosen
        ]

    return replace(
        found,
        entries=rest(found.entries),
        spared=rest(found.spared),
        kept=[photograph for photograph in found.kept if _photograph(photograph) not in chosen],
        twins=[pair for pair in found.twins if not gone(pair.a) and not gone(pair.b)],
        undecided=[one for one in found.undecided if not gone(one.person_id)],
        without=[one for one in found.without if not gone(one.person_id)],
    )


def _size(found: Quarantine) -> int:
    return len(found.entries) + len(found.spared) + len(found.kept)


def _of_decisions(path: Path, chosen: Photographs) -> int:
    try:
        entries = list(read_entries(path))
        rest = [entry for entry in entries if _photograph(str(entry["id"])) not in chosen]
    except (ValueError, KeyError) as error:
        raise ElencoError(
            f"{path} can't be read ({error}): put it right or delete it, then run the same command "
            "again"
        ) from None
    if len(rest) < len(entries):
        lines = (json.dumps(entry, ensure_ascii=False) + "\n" for entry in rest)
        write_text(path, "".join(lines)) if rest else path.unlink()
    return len(entries) - len(rest)


def _photograph(name: str) -> tuple[str, str]:
    """What `image_id` was made of; a person alone has no key."""
    person, _, key = name.partition("/")
    return person, key
