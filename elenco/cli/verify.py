"""`elenco verify`."""

import sys
from collections import Counter
from pathlib import Path

from elenco.lock import hold
from elenco.schema import layout_to_read
from elenco.settings import load_settings
from elenco.verify import verify


def run(config: Path | None) -> None:
    """Print a line a problem, then how many there are. Exits 1 if there is one."""
    settings = load_settings(config)
    photographs = 0

    def seen(count: int) -> None:
        nonlocal photographs
        photographs += count

    with hold(settings):
        problems = verify(layout_to_read(settings), seen)
    for problem in problems:
        print(problem.line())
    counts = Counter(problem.kind for problem in problems)
    found = ", ".join(f"{count:,} {kind}" for kind, count in sorted(counts.items()))
    print(f"verify: {photographs:,} photographs in the manifests, {found or 'no problem'}")
    if problems:
        sys.exit(1)
