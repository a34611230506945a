"""How many versions stay: a day adds one, and each takes as much as its gallery and classifier."""

import shutil
from dataclasses import dataclass

from elenco.registry import SHARED_FORM, Registry


@dataclass(frozen=True)
class Pruned:
    """What became of the versions there were: `kept` and `removed` are all of them.

    Attributes:
        kept: names, oldest first.
        removed: names, oldest first.
        forms: TF.js forms that no version shared any more; they are removed.
    """

    kept: tuple[str, ...]
    removed: tuple[str, ...]
    forms: int


def prune(registry: Registry, keep: int, published: str) -> Pruned:
    """Remove the oldest versions, and TF.js forms that none shares any more.

    Beside the newest `keep`, the one in use stays, and the one that a rollback would go to.

    Args:
        registry: whose versions.
        keep: how many of the newest stay, 2 or more.
        published: stays too: a run has just come to it.
    """
    names = registry.names()
    staying = {*names[-keep:], published, registry.current_name(), registry.previous_name()}
    removed = tuple(name for name in names if name not in staying)
    for name in removed:
        registry.remove(name, f"older than the newest {keep} (publish.keep_versions)")
    kept = tuple(name for name in names if name in staying)
    return Pruned(kept, removed, _remove_forms(registry))


def _remove_forms(registry: Registry) -> int:
    """Delete the forms whose files no version or candidate shares any more."""
    unused = [
        folder
        for folder in sorted(registry.root.glob(f"{SHARED_FORM}*"))
        if all(file.stat().st_nlink == 1 for file in folder.iterdir())
    ]
    for folder in unused:
        shutil.rmtree(folder)
    return len(unused)
