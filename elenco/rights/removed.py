"""How much was deleted, in numbers alone."""

from dataclasses import asdict, dataclass

_ONE = {"entries": "entry of a record", "retired": "photograph kept aside"}
_MANY = {"entries": "entries of records", "retired": "photographs kept aside"}


@dataclass(frozen=True)
class Removed:
    """Counts of what is gone.

    Attributes:
        photographs: files under `data/images`.
        crops: aligned faces under `data/output`.
        retired: photographs that had been kept aside.
        embeddings: vectors of faces, once an embedder.
        entries: of records, answers and lists of people.
        versions: of the recogniser, candidates included.
    """

    photographs: int = 0
    crops: int = 0
    retired: int = 0
    embeddings: int = 0
    entries: int = 0
    versions: int = 0

    def __add__(self, other: "Removed") -> "Removed":
        mine, theirs = asdict(self), asdict(other)
        return Removed(**{name: mine[name] + theirs[name] for name in mine})

    def __bool__(self) -> bool:
        return any(asdict(self).values())

    def counts(self) -> dict[str, int]:
        """By name, without zeros."""
        return {name: count for name, count in asdict(self).items() if count}

    def line(self) -> str:
        """In words, for one line: `12 photographs, 1 version`, or `nothing`."""
        return ", ".join(_words(*item) for item in self.counts().items()) or "nothing"


def _words(name: str, count: int) -> str:
    if count == 1:
        return f"1 {_ONE.get(name, name.removesuffix('s'))}"
    return f"{count:,} {_MANY.get(name, name)}"
