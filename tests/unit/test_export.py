"""The daily id export: who is the most popular of it, and what is no export."""

import gzip
import heapq
import io
import json
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elenco.errors import UnexpectedAnswer
from elenco.sources import export
from elenco.sources.export import LINE_BYTES, most_popular


def line(number, popularity=1.0, **changes):
    entry = {"adult": False, "id": number, "name": f"P{number}", "popularity": popularity}
    return json.dumps(entry | changes, ensure_ascii=False)


def packed(*lines, end="\n"):
    return io.BytesIO(gzip.compress(("\n".join(lines) + end).encode()))


def ids(candidates):
    return [one.person.id for one in candidates]


def test_the_most_popular_come_first_and_adults_not_at_all():
    file = packed(
        line(1, 0.5),
        line(2, 7.25),
        line(3, 99, adult=True),
        line(4, 7.25, name="Zoë Ž. 李"),
        line(5, None),
        line(6, 30),
        line(7, 8, adult=None),
    )
    found = most_popular(file, 4)
    assert ids(found) == ["6", "7", "2", "4"]
    assert [one.person.name for one in found][-1] == "Zoë Ž. 李"
    assert [one.person.popularity for one in found] == [30.0, 8.0, 7.25, 7.25]
    assert {(one.actor, one.adult) for one in found} == {(None, False)}
    assert ids(most_popular(file, 100)) == ["6", "7", "2", "4", "1", "5"]


people = st.lists(
    st.tuples(st.integers(1, 10**6), st.sampled_from([0.0, 0.6, 1.5, 40]), st.booleans()),
    unique_by=lambda one: one[0],
    min_size=1,
    max_size=40,
)


@given(people, st.integers(1, 50))
def test_asking_for_more_only_adds_to_the_end(everybody, count):
    file = packed(*(line(n, p, adult=adult) for n, p, adult in everybody), end="\n")
    found, more = most_popular(file, count), most_popular(file, 4 * count)
    assert more[:count] == found
    expected = heapq.nsmallest(count, ((-p, n) for n, p, adult in everybody if not adult))
    assert ids(found) == [str(number) for _, number in expected]


def test_a_last_line_without_an_end_counts_too():
    """The gzip checksum says that it is whole."""
    assert ids(most_popular(packed(line(1), line(2), end=""), 9)) == ["1", "2"]


WHOLE = packed(*(line(number) for number in range(2000))).getvalue()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        gzip.compress(b""),
        b"<html>",
        b"\x1f\x8b",
        WHOLE[:-1],
        WHOLE[:-8],
        WHOLE[: len(WHOLE) // 2],
        WHOLE[:2000] + b"\0\0\0\0" + WHOLE[2004:],
        WHOLE[:-8] + b"\0\0\0\0" + WHOLE[-4:],
        WHOLE + b"what is this",
    ],
    ids=range(10),
)
def test_what_is_no_whole_gzip_is_refused(data):
    with pytest.raises(UnexpectedAnswer, match="the id export"):
        most_popular(io.BytesIO(data), 10)


@pytest.mark.parametrize(
    "text",
    [
        "<html>\n</html>\n",
        line(1) + "\n\n",
        line(1) + "\n[2]\n",
        line(1) + "\n{\n",
        line(1)[:-2] + "\n",
        line("1") + "\n",
        line(1, "high") + "\n",
    ],
    ids=range(7),
)
def test_lines_that_are_not_as_documented_are_refused(text):
    with pytest.raises(UnexpectedAnswer, match="the id export"):
        most_popular(io.BytesIO(gzip.compress(text.encode())), 10)


@pytest.mark.parametrize("length", [LINE_BYTES + 1, 20 * LINE_BYTES])
def test_an_endless_line_is_not_read_to_its_end(length):
    with pytest.raises(UnexpectedAnswer, match="the id export"):
        most_popular(packed(line(1), line(2, name="x" * length)), 10)


def test_an_endless_file_is_not_read_to_its_end(monkeypatch):
    monkeypatch.setattr(export, "MOST_UNPACKED", 10_000)
    assert len(most_popular(packed(*(line(n) for n in range(100))), 10)) == 10
    with pytest.raises(UnexpectedAnswer, match="has no end"):
        most_popular(packed(*(line(n) for n in range(1000))), 10)


@pytest.mark.parametrize("count", [10, 2000])
def test_memory_follows_how_many_are_wanted_and_not_the_file(count):
    file = packed(*(line(number, number % 977) for number in range(20_000)))
    most_popular(file, count)
    tracemalloc.start()
    try:
        found = most_popular(file, count)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(found) == count
    assert peak < 500_000 + 1000 * count
