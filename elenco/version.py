"""What a registry tells of one version of the recogniser."""

from dataclasses import dataclass
from pathlib import Path

from elenco.storage import read_json


@dataclass(frozen=True)
class Version:
    """A version as `elenco models list` shows it.

    Attributes:
        name: `vNNNNNN`.
        created: when it was trained, ISO 8601 UTC.
        people: how many it knows.
        embedder: whose vectors it takes.
        top1: share of held-out photographs whose best person is the right one; None if unmeasured.
        current: it is the one in use.
        damage: why its card can't be read; the other fields are then empty.
        withdrawn: it goes as soon as another is in use.
        made_of: the version that it was made of by hand, whose figures it has; empty if trained.
    """

    name: str
    created: str = ""
    people: int = 0
    embedder: str = ""
    top1: float | None = None
    current: bool = False
    damage: str = ""
    withdrawn: bool = False
    made_of: str = ""

    def line(self) -> str:
        """One line to print; the version in use is marked with `*`."""
        head = f"{'*' if self.current else ' '} {self.name}"
        tail = "  withdrawn" if self.withdrawn else ""
        if self.damage:
            return f"{head}  damaged: {self.damage}{tail}"
        top1 = "not measured" if self.top1 is None else f"{self.top1:.2%}"
        created = self.created[:16].replace("T", " ")
        figures = f"{self.people:>6,} people  {self.embedder}  top-1 {top1}"
        made_of = f"  made of {self.made_of}" if self.made_of else ""
        return f"{head}  {created}  {figures}{made_of}{tail}"


def read_version(directory: Path, current: bool, withdrawn: bool) -> Version:
    """What the card in a version's directory says; `damage` says why where it says nothing."""
    try:
        card = read_json(directory / "card.json")
        return Version(
            name=directory.name,
            created=str(card["created"]),
            people=int(card["people"]),
            embedder=str(card["space"]["embedder"]),
            top1=card["metrics"].get("top1"),
            current=current,
            withdrawn=withdrawn,
            made_of=str(card["amends"][-1]["version"]) if card.get("amends") else "",
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        damage = f"card.json can't be read ({type(error).__name__})"
        return Version(directory.name, current=current, damage=damage, withdrawn=withdrawn)
