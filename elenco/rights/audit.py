"""What was removed and when, in `data/audit.jsonl`: digests and counts, nothing of a person."""

import threading
from datetime import UTC, datetime
from typing import Any, Literal

from elenco.layout import Layout
from elenco.rights.denylist import kind_of, person_digest
from elenco.rights.removed import Removed
from elenco.storage import append_entry

Action = Literal["forget", "allow", "purge", "expire"]
# Shards are worked on by several threads of the one process that holds the data directory.
_turn = threading.Lock()


def note(
    layout: Layout, action: Action, removed: Removed | None = None, person_id: str | None = None
) -> None:
    """Add a line. Call it while holding the data directory.

    Args:
        layout: whose `source_id` says the kind of source.
        action: what was done.
        removed: what is gone by it.
        person_id: whom it was about, if one person; their digest alone is written.
    """
    kind = kind_of(layout.source_id)
    entry: dict[str, Any] = {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "action": action,
        "source": kind,
    }
    if person_id is not None:
        entry["person"] = person_digest(kind, person_id)
    with _turn:
        append_entry(layout.audit, entry | (removed or Removed()).counts())
