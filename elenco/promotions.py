"""The log of a registry: which versions were ever there, in use, withdrawn or removed, and why.

One JSON object a line, append-only: time, event, version, reason; of a version that was not
promoted, `judged_by` as well, the settings of that verdict. Writing takes the registry's lock.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from elenco.errors import RegistryError
from elenco.storage import append_entry, read_entries

NAME = re.compile(r"v(\d{6,})")

Event = Literal[
    "registered",
    "promoted",
    "not promoted",
    "rolled back",
    "taken out of use",
    "withdrawn",
    "removed",
]


class Promotions:
    """The log in one file.

    Args:
        path: `promotions.jsonl`; made by the first entry.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def entries(self) -> Iterator[dict[str, Any]]:
        """Every entry, the oldest first.

        Raises:
            RegistryError: a line is not an entry; the message names it.
        """
        try:
            for number, entry in enumerate(read_entries(self._path), 1):
                if not _is_entry(entry):
                    raise ValueError(
                        f"{self._path}, line {number}, is not an entry: delete the line"
                    )
                yield entry
        except ValueError as error:
            raise RegistryError(str(error)) from None

    def append(self, event: Event, version: str, reason: str, **more: Any) -> None:
        """Add an entry of now, with what else it is to hold."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        entry = {"time": now, "event": event, "version": version, "reason": reason, **more}
        append_entry(self._path, entry)

    def gone(self) -> set[str]:
        """Versions withdrawn or removed; a killed process may have left one where it was."""
        events = ("withdrawn", "removed")
        return {entry["version"] for entry in self.entries() if entry["event"] in events}

    def history(self) -> list[str]:
        """What was in use, each version above the one to go back to; the last is in use now."""
        history: list[str] = []
        for entry in self.entries():
            name = entry["version"]
            if entry["event"] == "promoted":
                history.append(name)
            elif entry["event"] == "rolled back" and name in history:
                last = len(history) - 1 - history[::-1].index(name)
                del history[last + 1 :]
        return history


def _is_entry(entry: dict[str, Any]) -> bool:
    version = entry.get("version")
    return bool(entry.get("event")) and isinstance(version, str) and bool(NAME.fullmatch(version))
