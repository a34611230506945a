"""Who is not to come back: digests of ids in `data/denylist.jsonl`, and no names.

A digest keeps a name from being read there. It is no secret: whoever has an id can look it up, and
TMDB's ids are few enough to try them all.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from elenco.errors import ElencoError
from elenco.fingerprint import bytes_sha256
from elenco.layout import Layout
from elenco.storage import append_entry, read_entries, write_text

_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Denylist:
    """The people of one kind of source who are not to come back: `person_id in denylist`.

    Attributes:
        kind: `tmdb` or `folder`.
        digests: those of all kinds.
    """

    kind: str
    digests: frozenset[str] = frozenset()

    def __contains__(self, person_id: str) -> bool:
        return person_digest(self.kind, person_id) in self.digests


def kind_of(source_id: str) -> str:
    """`tmdb` or `folder`: the kind of source that a `Layout.source_id` is of."""
    return source_id.partition("-")[0]


def person_digest(kind: str, person_id: str) -> str:
    """How a person is named where their id must not be."""
    return bytes_sha256(f"{kind}/{person_id}".encode())


def denied(layout: Layout) -> Denylist:
    """Who is not to come back from the layout's kind of source.

    Raises:
        ElencoError: the list can't be read; nothing is guessed, or somebody would come back.
    """
    digests = frozenset(entry["digest"] for entry in _entries(layout))
    return Denylist(kind_of(layout.source_id), digests)


def deny(layout: Layout, person_id: str) -> bool:
    """Keep a person from coming back. Call it while holding the data directory.

    Returns:
        False if they were on the list already.
    """
    if person_id in denied(layout):
        return False
    added = datetime.now(UTC).isoformat(timespec="seconds")
    digest = person_digest(kind_of(layout.source_id), person_id)
    append_entry(layout.denylist, {"digest": digest, "added": added})
    return True


def allow(layout: Layout, person_id: str) -> bool:
    """Let a person come back. Call it while holding the data directory.

    Returns:
        False if they were not on the list.
    """
    digest = person_digest(kind_of(layout.source_id), person_id)
    entries = list(_entries(layout))
    rest = [entry for entry in entries if entry["digest"] != digest]
    if len(rest) == len(entries):
        return False
    write_text(layout.denylist, "".join(json.dumps(entry) + "\n" for entry in rest))
    return True


def _entries(layout: Layout) -> Iterator[dict[str, str]]:
    try:
        for number, entry in enumerate(read_entries(layout.denylist), 1):
            if not _DIGEST.fullmatch(str(entry.get("digest"))):
                raise ValueError(f"{layout.denylist}, line {number}, has no digest")
            yield entry
    except ValueError as error:
        raise ElencoError(
            f"{str(error).removesuffix(': delete the line')}: put the line back from a backup; "
            "without it somebody who was forgotten would come back"
        ) from None
