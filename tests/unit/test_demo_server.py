"""The demo server over real HTTP: what TMDB answers."""

import asyncio
import gzip
import json
import logging
from contextlib import asynccontextmanager
from datetime import timedelta

import aiohttp
import pytest

from elenco.demo.answers import ERRORS
from elenco.demo.server import DemoServer
from elenco.demo.stock import StockCast
from elenco.demo.synthetic import FIRST_ID, SyntheticCast
from elenco.errors import ConfigError
from elenco.faces.images import decode, probe
from tests.tmdb_help import today


@asynccontextmanager
async def serving(cast=None, **options):
    """A server and a client session that presents the token; `/3/...` and `/t/p/...` are paths."""
    options.setdefault("rate_per_second", None)
    cast = cast or SyntheticCast(30)
    async with DemoServer(cast, **options) as server:
        headers = {"Authorization": f"Bearer {server.token}"}
        async with aiohttp.ClientSession(server.url, headers=headers) as session:
            yield server, session


async def get(session, path, **options):
    async with session.get(path, **options) as response:
        return response.status, await response.json()


async def assert_error(session, path, code, **options):
    status, body = await get(session, path, **options)
    http, message = ERRORS[code]
    assert (status, body) == (
        http,
        {"status_code": code, "status_message": message, "success": False},
    )


async def test_token_is_wanted_as_bearer_or_as_api_key():
    async with serving(token="s3cret") as (server, session):
        assert (await get(session, "/3/configuration"))[0] == 200
        for header in ("Bearer wrong", "Bearer", "Basic s3cret", "s3cret", "Bearer café"):
            headers = {"Authorization": header}
            await assert_error(session, "/3/configuration", 7, headers=headers)
        async with aiohttp.ClientSession(server.url) as bare:
            assert (await get(bare, "/3/configuration?api_key=s3cret"))[0] == 200
            await assert_error(bare, "/3/configuration?api_key=other", 7)
            await assert_error(bare, "/3/person/popular", 7)


async def test_configuration_points_at_this_server():
    async with serving() as (server, session):
        _, body = await get(session, "/3/configuration")
        images = body["images"]
        assert images["secure_base_url"] == images["base_url"] == f"{server.url}/t/p/"
        assert images["profile_sizes"] == ["w45", "w185", "h632", "original"]
        assert server.api_url == f"{server.url}/3"


async def test_popular_is_paged_by_twenty_and_holds_other_departments():
    cast = SyntheticCast(50)
    async with serving(cast) as (_, session):
        pages = [(await get(session, f"/3/person/popular?page={n}"))[1] for n in (1, 2, 3, 4)]
    entries = [entry for page in pages for entry in page["results"]]
    assert [len(page["results"]) for page in pages] == [20, 20, 15, 0]
    assert {(page["total_pages"], page["total_results"]) for page in pages} == {(3, 55)}
    assert [page["page"] for page in pages] == [1, 2, 3, 4]
    assert [entry["id"] for entry in entries] == [person.id for person in cast.people]
    departments = [entry["known_for_department"] for entry in entries]
    assert departments.count("Acting") == 50
    assert entries[0].keys() == {
        "adult", "gender", "id", "known_for", "known_for_department", "name", "original_name",
        "popularity", "profile_path",
    }  # fmt: skip


@pytest.mark.parametrize("page", ["0", "-1", "501", "x", "1.5", "", "9" * 30])
async def test_pages_out_of_range(page):
    async with serving() as (_, session):
        await assert_error(session, f"/3/person/popular?page={page}", 22)


@pytest.mark.parametrize("kind", [SyntheticCast, StockCast])
async def test_more_pages_are_claimed_than_can_be_asked_for_and_the_export_has_the_rest(kind):
    cast = kind(10_000)
    async with serving(cast) as (_, session):
        _, last = await get(session, "/3/person/popular?page=500")
        assert (last["total_pages"], last["total_results"]) == (556, 11_111)
        assert len(last["results"]) == 20
        await assert_error(session, "/3/person/popular?page=501", 22)
        async with session.get(f"/p/exports/person_ids_{today():%m_%d_%Y}.json.gz") as response:
            listed = gzip.decompress(await response.read()).decode().splitlines()
    assert [json.loads(line)["id"] for line in listed] == [person.id for person in cast.people]


async def test_person_with_what_is_appended():
    cast = SyntheticCast(30)
    person = cast.people[0]
    async with serving(cast) as (_, session):
        _, plain = await get(session, f"/3/person/{person.id}")
        query = "append_to_response=images,external_ids,no_such_thing"
        _, full = await get(session, f"/3/person/{person.id}?{query}")
        _, images = await get(session, f"/3/person/{person.id}/images")
        await assert_error(session, f"/3/person/{person.id}?append_to_response=" + "x," * 21, 27)
        assert (await get(session, f"/3/person/{person.id}?append_to_response=" + "x," * 20))[
            0
        ] == 200
    assert (plain["id"], plain["name"]) == (person.id, person.name)
    assert not {"images", "external_ids"} & plain.keys()
    assert full.keys() - plain.keys() == {"images", "external_ids"}
    assert images == {"id": person.id, "profiles": full["images"]["profiles"]}
    profile = images["profiles"][0]
    assert profile["file_path"] == plain["profile_path"] == cast.photos(person)[0].path
    assert profile.keys() == {
        "aspect_ratio", "height", "iso_639_1", "file_path", "vote_average", "vote_count", "width",
    }  # fmt: skip
    votes = [profile["vote_average"] for profile in images["profiles"]]
    assert votes == sorted(votes, reverse=True)


@pytest.mark.parametrize("kind", [SyntheticCast, StockCast])
async def test_what_is_needed_to_choose_people_and_photographs_is_there(kind):
    cast = kind(20)
    departments, languages = set(), []
    async with serving(cast) as (_, session):
        for person in cast.people:
            _, body = await get(session, f"/3/person/{person.id}?append_to_response=images")
            assert body["adult"] is False
            departments.add(body["known_for_department"])
            for photo, profile in zip(cast.photos(person), body["images"]["profiles"], strict=True):
                size = (profile["width"], profile["height"])
                assert (profile["file_path"], *size) == (photo.path, photo.width, photo.height)
                assert profile["vote_average"] >= 0 <= profile["vote_count"]
                languages.append(profile["iso_639_1"])
    assert departments > {"Acting"}
    assert 0 < len(languages) - languages.count(None) < len(languages) / 3
    assert len(set(languages)) > 2


@pytest.mark.parametrize(
    "path", ["/3/person/287", "/3/person/287/images", f"/3/person/{'9' * 40}", "/3/movie/550", "/3"]
)
async def test_what_is_not_there(path):
    async with serving() as (_, session):
        await assert_error(session, path, 34)


async def test_only_get_is_answered():
    async with serving() as (server, session), session.post("/3/person/popular") as response:
        assert response.status == 405
        assert (await response.json())["status_code"] == 42
        assert server.counts["status:405"] == 1


async def test_changes_are_of_one_day_unless_asked_and_of_fourteen_at_most():
    cast = SyntheticCast(400, day=20)
    start = today() - timedelta(days=14)
    async with serving(cast) as (_, session):
        _, day = await get(session, "/3/person/changes")
        _, fortnight = await get(
            session, f"/3/person/changes?start_date={start}&end_date={today()}"
        )
        _, second = await get(session, f"/3/person/changes?start_date={start}&page=2")
        too_long = f"/3/person/changes?start_date={start - timedelta(days=1)}&end_date={today()}"
        await assert_error(session, too_long, 20)
        await assert_error(session, f"/3/person/changes?end_date={start}&start_date={today()}", 20)
        await assert_error(session, "/3/person/changes?start_date=yesterday", 23)
        await assert_error(session, "/3/person/changes?page=0", 22)
    expected = cast.changed(start, today())
    assert [r["id"] for r in fortnight["results"] + second["results"]] == expected
    assert (fortnight["total_results"], fortnight["total_pages"]) == (len(expected), 2)
    assert fortnight["results"][0]["adult"] is False
    assert [r["id"] for r in day["results"]] == cast.changed(today() - timedelta(days=1), today())


async def test_daily_export_needs_no_token_and_lists_everyone():
    cast = SyntheticCast(100, adult=True)
    async with serving(cast) as (server, _), aiohttp.ClientSession(server.url) as session:
        async with session.get(f"/p/exports/person_ids_{today():%m_%d_%Y}.json.gz") as response:
            assert response.content_type == "application/gzip"
            lines = gzip.decompress(await response.read()).decode().splitlines()
        for day in (today() + timedelta(days=1), today() - timedelta(days=91)):
            async with session.get(f"/p/exports/person_ids_{day:%m_%d_%Y}.json.gz") as response:
                assert response.status == 403
        async with session.get("/p/exports/movie_ids_01_01_2024.json.gz") as response:
            assert response.status == 403
        assert server.counts["export"] == 4
    people = [json.loads(line) for line in lines]
    assert [person["id"] for person in people] == [person.id for person in cast.people]
    assert people[0].keys() == {"adult", "id", "name", "popularity"}
    assert any(person["adult"] for person in people)


async def test_images_need_no_token_and_are_not_sent_twice():
    cast = SyntheticCast(10)
    photo = cast.photos(cast.people[0])[0]
    async with serving(cast, rate_per_second=1.0) as (server, _):
        async with aiohttp.ClientSession(server.url) as session:
            path = f"/t/p/h632{photo.path}"
            for _ in range(5):
                async with session.get(path) as response:
                    data, headers = await response.read(), response.headers
                    assert response.status == 200
            assert headers["Content-Type"] == "image/jpeg"
            assert "max-age" in headers["Cache-Control"]
            assert data == cast.image(photo.path, "h632")
            async with session.get(path, headers={"If-None-Match": headers["ETag"]}) as response:
                assert response.status == 304
                assert await response.read() == b""
            async with session.get(f"/t/p/w185{photo.path}") as response:
                assert response.headers["ETag"] != headers["ETag"]
                assert probe(await response.read(), 40)[1] == 185
            for unknown in ("/t/p/h632/nobody.jpg", f"/t/p/w9999{photo.path}", "/t/p/h632"):
                async with session.get(unknown) as response:
                    assert response.status == 404
        assert server.counts[f"image:{photo.path}"] == 8


async def test_every_photograph_of_a_cast_is_served():
    cast = SyntheticCast(10)
    async with serving(cast) as (server, session):
        for photo in (p for person in cast.people for p in cast.photos(person)):
            async with session.get(f"/t/p/w45{photo.path}") as response:
                body = await response.read()
                assert response.status == 200
                assert body == cast.image(photo.path, "w45")
        assert server.counts["image"] == server.counts["status:200"]


async def test_stats_are_the_counts():
    cast = SyntheticCast(10)
    photo = cast.photos(cast.people[0])[0]
    async with serving(cast) as (server, session):
        await get(session, "/3/configuration")
        await get(session, "/3/person/popular?page=0")
        await get(session, f"/3/person/{FIRST_ID}")
        await get(session, f"/3/person/{FIRST_ID}/images")
        for size in ("w45", "h632", "h632"):
            async with session.get(f"/t/p/{size}{photo.path}") as response:
                await response.read()
        _, stats = await get(session, "/stats")
        api = stats.pop("api")
        assert stats == {
            "requests": {
                "configuration": 1, "popular": 1, "person": 1, "images": 1, "image": 3,
                "image_again": 2,
            },
            "statuses": {"200": 6, "400": 1},
            "faults": {},
            "images": {photo.path: 3},
        }  # fmt: skip
        assert api == {
            "requests": 4,
            "seconds": round(server.api_seconds, 3),
            "highest_in_a_second": server.highest_rate,
        }
        assert server.counts["image"] == 3


async def test_the_token_is_never_logged(caplog):
    caplog.set_level(logging.DEBUG)
    async with serving(token="s3cret") as (server, session):
        await get(session, "/3/configuration?api_key=s3cret")
        await get(session, "/3/nothing?api_key=s3cret")
        _, stats = await get(session, "/stats")
        assert "s3cret" not in json.dumps(stats) + repr(server.counts)
    assert "s3cret" not in caplog.text


async def test_a_taken_port_is_a_users_mistake():
    async with serving() as (server, _):
        with pytest.raises(ConfigError, match=f"port {server.port}.*choose another port"):
            async with DemoServer(SyntheticCast(2), port=server.port):
                pass


async def test_many_at_once():
    cast = SyntheticCast(10)
    paths = [f"/t/p/h632{p.path}" for person in cast.people for p in cast.photos(person)]
    async with serving(cast) as (server, session):

        async def fetch(path):
            async with session.get(path) as response:
                return path, await response.read()

        bodies = dict(await asyncio.gather(*(fetch(path) for path in paths)))
        assert len(bodies) == server.counts["status:200"] == len(paths)
    good = [p for person in cast.people for p in cast.photos(person) if p.kind == "plain"]
    assert all(decode(bodies[f"/t/p/h632{p.path}"], 40).ndim == 3 for p in good)
