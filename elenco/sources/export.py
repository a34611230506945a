"""TMDB's daily export of all people's ids: who comes after those that can be paged through."""

import gzip
import heapq
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from elenco.errors import UnexpectedAnswer
from elenco.sources.base import Candidate
from elenco.sources.tmdb_answers import parse_export

MOST_BYTES = 512 << 20  # of the file; it has some 60 MB
MOST_UNPACKED = 4 << 30
LINE_BYTES = 1 << 16


def most_popular(file: BinaryIO, count: int) -> list[Candidate]:
    """The most popular people of an export, adults left out; it is read in one pass.

    Memory follows `count`, not the file.

    Args:
        file: gzip, from its start.
        count: how many at most.

    Raises:
        UnexpectedAnswer: it is damaged, too long, or not as documented.
    """
    file.seek(0)
    everybody = parse_export(_lines(file))
    return heapq.nlargest(
        count, everybody, key=lambda one: (one.person.popularity, -int(one.person.id))
    )


def _lines(file: BinaryIO) -> Iterator[bytes]:
    left = MOST_UNPACKED
    try:
        with gzip.GzipFile(fileobj=file) as unpacked:
            while line := unpacked.readline(LINE_BYTES):
                left -= len(line)
                if left < 0 or (len(line) == LINE_BYTES and not line.endswith(b"\n")):
                    raise UnexpectedAnswer("the id export has no end, or a line without one")
                yield line
            if left == MOST_UNPACKED:
                raise UnexpectedAnswer("the id export is empty")
    except (OSError, EOFError, zlib.error) as error:
        raise UnexpectedAnswer(f"the id export is damaged ({type(error).__name__})") from None
