"""A stage's memory of one shard: what it kept and skipped, so that no work is done twice.

One JSON file a stage and shard, replaced atomically. A stage saves it now and then while it works
(`complete=False`), so that a killed run goes on from there.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from elenco.fingerprint import digest
from elenco.storage import read_json, write_json
from elenco.types import Skipped

# Reasons that may pass by themselves: what was skipped for one is asked for again at the next run.
PASSING = frozenset(
    {
        "unreachable",
        "unexpected_answer",
        "refused",
        "redirected",
        "unreadable",
        "crop_changed",
        "crop_missing",
    }
)


@dataclass
class Record:
    """What a stage did with a shard.

    Attributes:
        stage: its name.
        version: the stage's version and the settings that change its output, as one digest:
            entries of another version are not reused.
        inputs: digest of what the stage was given.
        complete: the stage got to the end of `inputs`.
        kept: JSON objects, one a picture, each with `person_id`, `key`, `split`; `origin`, where
            there is one, says where it is from, and is nothing that a later stage depends on.
        skipped: what was not kept, with its reason; `extra` of it under the same id in `notes`.
        retired: pictures that were kept and are listed no more: entries like those of `kept`, with
            `retired_at` (ISO date) and `why`.
        notes: `person_id/key` -> JSON object that the stage remembers of a skipped picture.
    """

    stage: str
    version: str
    inputs: str = ""
    complete: bool = False
    kept: list[dict[str, Any]] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    notes: dict[str, dict[str, Any]] = field(default_factory=dict)
    retired: list[dict[str, Any]] = field(default_factory=list)

    @staticmethod
    def read(path: Path) -> "Record | None":
        """The record in `path`, of whatever version; None if there is none.

        Raises:
            ValueError: the file is not a record (it is written atomically: someone edited it).
        """
        try:
            raw = read_json(path)
        except FileNotFoundError:
            return None
        except ValueError as error:
            raise ValueError(f"{path} is not a stage record ({error}): delete it") from None
        try:
            raw["skipped"] = [Skipped(**s) for s in raw["skipped"]]
            return Record(**raw)
        except (TypeError, KeyError) as error:
            raise ValueError(f"{path} is not a stage record ({error}): delete it") from None

    @staticmethod
    def load(path: Path, stage: str, version: str) -> "Record":
        """The record in `path` if it is of this stage and version, else an empty one."""
        record = Record.read(path)
        if record is None or (record.stage, record.version) != (stage, version):
            return Record(stage, version)
        return record

    def save(self, path: Path) -> None:
        """Replace the file in `path`; in whatever order notes were made, the bytes are the same."""
        notes = dict(sorted(self.notes.items()))
        skipped = [vars(skip) for skip in self.skipped]
        write_json(path, vars(self) | {"notes": notes, "skipped": skipped})

    def digest(self) -> str:
        """Names the content that the next stage depends on: what is kept, not where it is from."""
        kept = [{k: v for k, v in e.items() if k != "origin"} for e in self.kept]
        return digest(self.stage, self.version, kept)


def image_id(person_id: str, key: str) -> str:
    """How a picture is named in `Skipped.id` and `Record.notes`."""
    return f"{person_id}/{key}"
