"""docs/operating.md: its blocks of commands, its tables, and a shell to run the former in."""

import os
import re
import subprocess
from collections.abc import Iterator

from tests.ops.conftest import BIN, ROOT, Place

DOC = (ROOT / "docs" / "operating.md").read_text()
BLOCKS: list[str] = re.findall(r"^```sh\n(.*?)^```$", DOC, re.M | re.S)
NOT_RUN = "# not run by a test: needs Docker\n"
COMMIT = "git -c user.name=Ada -c user.email=ada@example.com commit -q -m x"


def block(start: str) -> str:
    """The one block that begins so."""
    found = [text for text in BLOCKS if text.startswith(start)]
    assert len(found) == 1, start
    return found[0]


def table(head: str) -> list[list[str]]:
    """The cells of each row of the one table with this head."""
    [found] = re.findall(rf"^\| {re.escape(head)} \|\n\|[-|]+\n((?:\|.*\n)+)", DOC, re.M)
    return [[cell.strip() for cell in row[2:-2].split(" | ")] for row in found.splitlines()]


def lines(text: str) -> list[str]:
    """A block's commands without what is said of them."""
    return [line.split("  #")[0].strip() for line in text.splitlines() if line[0] != "#"]


def commands() -> Iterator[str]:
    """Every line of a block, and every piece of code in the text that calls Elenco."""
    for text in BLOCKS:
        yield from lines(text)
    yield from (code for code in re.findall(r"`([^`\n]+)`", DOC) if "elenco " in code)


def bash(script: str, place: Place, **environment: str) -> subprocess.CompletedProcess[str]:
    path = {"PATH": f"{BIN}{os.pathsep}{place.environment['PATH']}"}
    done = subprocess.run(
        ["bash", "-euc", script],
        cwd=place.folder,
        env=place.environment | path | environment,
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, f"{script}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done
