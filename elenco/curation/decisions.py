"""What an operator decided of single photographs: an append-only log, the last word counts.

`data/curation.jsonl` names photographs by `person_id/key`, whichever embedder is used.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from elenco.errors import ElencoError
from elenco.layout import Layout
from elenco.storage import append_entry, read_entries

Word = Literal["keep", "drop"]
WORDS = ("keep", "drop", "auto")


@dataclass(frozen=True)
class Decision:
    """What is to become of a photograph, whatever the rules say; `why` is for whoever reads it."""

    word: Word
    why: str = ""


def read_decisions(layout: Layout) -> dict[str, Decision]:
    """`person_id/key` -> what was decided of it last, by id.

    Raises:
        ElencoError: the log can't be read; nothing is guessed.
    """
    decided: dict[str, Decision] = {}
    try:
        for number, entry in enumerate(read_entries(layout.curation), 1):
            photograph, word = str(entry.get("id", "")), entry.get("decision")
            if word not in WORDS or "/" not in photograph:
                raise ValueError(f"{layout.curation}, line {number}, is no decision")
            decided.pop(photograph, None)
            if word != "auto":
                decided[photograph] = Decision(word, str(entry.get("why", "")))
    except ValueError as error:
        raise ElencoError(
            f"{str(error).removesuffix(': delete the line')}: delete the line, or put it back from "
            "a backup"
        ) from None
    return dict(sorted(decided.items()))


def decide(layout: Layout, words: Mapping[str, str], why: str = "") -> None:
    """Add decisions. Call it while holding the data directory.

    Args:
        layout: where.
        words: `person_id/key` -> `keep`, `drop`, or `auto`: the rules decide again.
        why: for whoever reads it later.
    """
    at = datetime.now(UTC).isoformat(timespec="seconds")
    for photograph, word in words.items():
        if word not in WORDS:
            raise ValueError(f"{word!r} is none of {', '.join(WORDS)}")
        entry = {"id": photograph, "decision": word, "at": at}
        append_entry(layout.curation, entry | ({"why": why} if why else {}))
