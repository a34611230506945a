"""The cast for load tests: cheap photographs, each its own, the same on every run."""

import hashlib
import itertools
import subprocess
import sys
from datetime import timedelta

import aiohttp
import pytest

from elenco.demo.cast import SIZES, Cast, InstantCast
from elenco.demo.server import DemoServer
from elenco.demo.stock import MOST_PHOTOS, StockCast
from elenco.demo.synthetic import SyntheticCast
from elenco.faces.images import decode, probe
from tests.tmdb_help import today


@pytest.fixture(scope="module")
def cast():
    return StockCast(30)


def paths(cast):
    return [photo.path for person in cast.people for photo in cast.photos(person)]


def test_it_is_a_cast_that_needs_no_thread(cast):
    assert isinstance(cast, InstantCast)
    assert isinstance(SyntheticCast(2), Cast)
    assert not isinstance(SyntheticCast(2), InstantCast)


def test_people_are_those_of_the_synthetic_cast():
    assert list(StockCast(95, seed=3).people) == list(SyntheticCast(95, seed=3).people)
    cast = StockCast(10_000)
    assert len(cast.people) == 11_111
    assert sum(person.department == "Acting" for person in cast.people) == 10_000
    assert cast.find(cast.people[7].id) == cast.people[7]
    assert cast.find(cast.people[0].id - 1) is None
    assert cast.find(cast.people[-1].id + 1) is None
    assert cast.new_pictures([str(cast.people[0].id)], 3) == []


def test_photographs_are_portraits_of_about_fifty_kilobytes(cast):
    bodies = [cast.body(path) for path in paths(cast)]
    assert len(bodies) == 10 * len(cast.people)
    assert 35_000 < sum(map(len, bodies)) / len(bodies) < 65_000
    for person in cast.people[:3]:
        for photo in cast.photos(person):
            body = cast.body(photo.path)
            assert probe(body, 40) == ("JPEG", photo.width, photo.height) == ("JPEG", 421, 632)
            assert decode(body, 40).shape == (632, 421, 3)


def test_no_two_photographs_have_the_same_bytes(cast):
    bodies = {hashlib.sha256(cast.body(path)).digest() for path in paths(cast)}
    assert len(bodies) == len(set(paths(cast))) == len(paths(cast))
    assert len({body[60:] for body in map(cast.body, paths(cast))}) == 48, "of few portraits"


def test_the_path_is_in_a_comment_after_the_start_of_the_image(cast):
    path = paths(cast)[5]
    comment = path.encode()
    assert cast.body(path).startswith(
        b"\xff\xd8\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + b"\xff"
    )


def test_another_process_makes_the_same_bytes(cast):
    shown = paths(cast)[:4]
    code = (
        "import hashlib\nfrom elenco.demo.stock import StockCast\n"
        f"for p in {shown!r}: print(hashlib.sha256(StockCast(99).body(p)).hexdigest())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [hashlib.sha256(cast.body(p)).hexdigest() for p in shown]


def test_all_sizes_are_the_same_and_others_are_not_there(cast):
    path = paths(cast)[0]
    assert {cast.image(path, size) for size in SIZES} == {cast.body(path)}
    with pytest.raises(LookupError):
        cast.image(path, "w300")


def test_only_paths_of_the_cast_are_known(cast):
    other, more, longer = StockCast(30, seed=1), StockCast(31), StockCast(30, 11)
    [*_, last_person], longest = more.people, longer.photos(longer.people[0])
    for unknown in (
        "", "/x.jpg", paths(cast)[0][:-5] + "x.jpg", paths(other)[0],
        more.photos(last_person)[0].path, longest[-1].path,
        SyntheticCast(30).photos(cast.people[0])[0].path,
    ):  # fmt: skip
        with pytest.raises(LookupError):
            cast.body(unknown)
    assert not set(paths(cast)) & set(paths(other))


def test_each_day_some_gain_a_photograph_and_half_of_them_lose_one():
    casts = [StockCast(900, 4, day=day, changes_a_day=0.1) for day in range(4)]
    gained = lost = 0
    for before, after in itertools.pairwise(casts):
        for person in before.people:
            old = [photo.path for photo in before.photos(person)]
            new = [photo.path for photo in after.photos(person)]
            if old == new:
                continue
            gained += 1
            assert new[-1] not in old
            with pytest.raises(LookupError):
                before.body(new[-1])
            if len(new) == len(old):
                lost += 1
                assert new[:-1] == [old[0], *old[2:]], "the oldest but one is gone"
                with pytest.raises(LookupError):
                    after.body(old[1])
            else:
                assert new[:-1] == old
            assert all(after.body(path) == before.body(path) for path in new[:-1])
    assert 0.07 < gained / (3 * 1000) < 0.13
    assert 0.4 < lost / gained < 0.6


def test_changes_are_of_those_who_gained():
    cast = StockCast(900, 4, day=3, changes_a_day=0.1)
    for days in range(4):
        before = StockCast(900, 4, day=3 - days, changes_a_day=0.1)
        changed = [p.id for p in cast.people if cast.photos(p) != before.photos(p)]
        assert cast.changed(today() - timedelta(days=days - 1), today()) == changed
    assert cast.changed(today() - timedelta(days=99), today() - timedelta(days=3)) == []
    assert len(cast.changed(today() - timedelta(days=99), today())) > 200


def test_the_only_photograph_is_never_lost():
    cast = StockCast(50, 1, day=4, changes_a_day=1.0)
    first = {person.id: StockCast(50, 1).photos(person)[0] for person in cast.people}
    assert all(cast.photos(person)[0] == first[person.id] for person in cast.people)
    assert all(2 <= len(cast.photos(person)) <= 5 for person in cast.people)


@pytest.mark.parametrize("wrong", [{"photos": 0}, {"photos": MOST_PHOTOS + 1}, {"pool": 0}])
def test_photographs_and_portraits_have_bounds(wrong):
    with pytest.raises(ValueError, match="give 1 to"):
        StockCast(3, **wrong)
    with pytest.raises(ValueError, match="actors"):
        StockCast(0)


async def test_what_is_served_are_these_bytes():
    cast = StockCast(2, 3, pool=2)
    async with DemoServer(cast) as server, aiohttp.ClientSession(server.url) as session:
        for path in paths(cast):
            async with session.get(f"/t/p/h632{path}") as response:
                assert response.status == 200
                assert await response.read() == cast.body(path)
        async with session.get("/t/p/h632/x.jpg") as response:
            assert response.status == 404
