"""Deletes old backups, and content that no backup names any more."""

from dataclasses import dataclass

from elenco.backup.store import Store
from elenco.errors import ElencoError


@dataclass(frozen=True)
class Pruned:
    """What became of the backups there were: `kept` and `removed` are all of them.

    Attributes:
        kept: names, oldest first.
        removed: names, oldest first.
        blobs: how many of the contents were deleted.
        bytes: of these.
    """

    kept: tuple[str, ...]
    removed: tuple[str, ...]
    blobs: int
    bytes: int


def prune(store: Store, keep: int) -> Pruned:
    """Keep the newest backups. Call it while no backup is being made there.

    Manifests go before content: a run that was killed leaves content that no backup names, and the
    next one deletes it.

    Args:
        store: whose backups.
        keep: how many, 1 or more.

    Raises:
        ElencoError: the manifest of one that stays is damaged, so what it needs is not known; no
            content is deleted.
    """
    if keep < 1:
        raise ValueError("at least one backup is kept")
    names = store.names()
    kept, removed = names[-keep:], names[:-keep]
    needed: set[str] = set()
    for name in kept:
        try:
            needed |= store.read(name).blobs().keys()
        except ElencoError as error:
            raise ElencoError(
                f"nothing was pruned: {error}; if it can't be mended, delete "
                f"{store.place}/manifests/{name}.json.gz"
            ) from None
    for name in removed:
        store.forget(name)
    sizes = store.blobs()
    unused = sorted(sizes.keys() - needed)
    store.delete(unused)
    size = sum(sizes[sha256] for sha256 in unused)
    return Pruned(tuple(kept), tuple(removed), len(unused), size)
