"""Reads everything that a store's backups need, and compares it with its digests."""

from elenco.backup.store import Store
from elenco.blobs import Damaged
from elenco.errors import ElencoError
from elenco.progress import track


def check(store: Store) -> list[str]:
    """What is wrong with the backups of a store, a line each; empty if all is well.

    A manifest that can't be read is not told again: who lists the backups says so.

    Raises:
        ElencoError: the place can't be used.
    """
    needed: dict[str, str] = {}  # sha256 -> a backup and a path that need it
    for name in store.names():
        try:
            manifest = store.read(name)
        except ElencoError:
            continue
        for tree, entries in manifest.trees.items():
            for entry in entries:
                if entry.kind == "file":
                    needed.setdefault(entry.sha256, f"{name}: {tree}/{entry.path}")
        if manifest.database is not None:
            needed.setdefault(manifest.database.sha256, f"{name}: Prefect's database")

    def problem(sha256: str) -> str:
        try:
            return "" if store.digest(sha256) == sha256 else "damaged"
        except Damaged:
            return "missing"

    problems: list[str] = []
    with track("checking", len(needed)) as advance, store.threads() as pool:
        for sha256, what in zip(needed, pool.map(problem, needed), strict=True):
            advance(1)
            if what:
                problems.append(
                    f"{what}: {needed[sha256]} (blobs/{sha256[:2]}/{sha256}): `elenco backup "
                    "--check` writes it again if the file is still as it was"
                )
    return problems
