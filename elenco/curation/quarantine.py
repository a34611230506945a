"""What is left out and why, as `data/processed/{embedder}/quarantine.json` says it."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from elenco.errors import ElencoError, NotEnoughData
from elenco.storage import read_json, write_json

QUARANTINE_SCHEMA = 1


@dataclass(frozen=True)
class Entry:
    """A photograph that there is a reason against.

    Attributes:
        id: `person_id/key`.
        person_id: whose it is said to be.
        name: theirs.
        key: the photograph's.
        split: `train` or `test`.
        reason: one of `elenco.curation.verdicts.REASONS`.
        detail: what was measured, in words, or what the operator said; without names.
        score: what was measured: of one who is somebody else the probability of that; of a
            duplicate how far apart it is, 0..1; of an unusable one its quality; else 0.
        other: id of the photograph that stays in its place; of the person whom it looks like; or
            empty.
    """

    id: str
    person_id: str
    name: str
    key: str
    split: str
    reason: str
    detail: str
    score: float
    other: str = ""


@dataclass(frozen=True)
class Alike:
    """Two people who may be one.

    Attributes:
        a: an id.
        b: the other.
        name_a: the name of a.
        name_b: the name of b.
        similarity: cosine of the means of their photographs.
        photographs: how many both have.
    """

    a: str
    b: str
    name_a: str
    name_b: str
    similarity: float
    photographs: int


@dataclass(frozen=True)
class Someone:
    """A person, and how many photographs they have."""

    person_id: str
    name: str
    photographs: int


@dataclass(frozen=True)
class Quarantine:
    """What curating found.

    Attributes:
        inputs: names what it was made from: data set, decisions, settings.
        entries: photographs that are left out, by id.
        spared: photographs that would be, but without them the person had none to train on.
        kept: ids of photographs that would be, and that an operator keeps.
        twins: pairs of people who may be one, the most similar first.
        undecided: people of whose photographs as many disagree as agree.
        without: people who have no photograph left to train on.
    """

    inputs: str = ""
    entries: list[Entry] = field(default_factory=list)
    spared: list[Entry] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    twins: list[Alike] = field(default_factory=list)
    undecided: list[Someone] = field(default_factory=list)
    without: list[Someone] = field(default_factory=list)

    def ids(self) -> frozenset[str]:
        """`person_id/key` of all that is left out."""
        return frozenset(entry.id for entry in self.entries)

    def save(self, path: Path) -> None:
        """Replace the file in `path`."""
        write_json(path, {"schema": QUARANTINE_SCHEMA} | asdict(self))


def load_quarantine(path: Path) -> Quarantine | None:
    """What a file says; None if there is none, or one of another schema.

    Raises:
        ElencoError: it is no such file; the message says what to do.
    """
    try:
        raw: dict[str, Any] = read_json(path)
        if raw.pop("schema") != QUARANTINE_SCHEMA:
            return None
        kinds: dict[str, Any] = {
            "entries": Entry,
            "spared": Entry,
            "twins": Alike,
            "undecided": Someone,
            "without": Someone,
        }
        for name, kind in kinds.items():
            raw[name] = [kind(**value) for value in raw[name]]
        return Quarantine(**raw)
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ElencoError(
            f"{path} is no list of quarantined photographs ({type(error).__name__}: {error}): "
            "it is made again by the next refresh once it is deleted"
        ) from None


def the_quarantine(path: Path) -> Quarantine:
    """What the file of a curated data set says.

    Raises:
        ElencoError: it is gone, of another schema, or no such file.
    """
    found = load_quarantine(path)
    if found is None:
        raise NotEnoughData(f"nothing says yet what is left out ({path}): refresh first")
    return found
