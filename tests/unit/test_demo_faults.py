"""What goes wrong on purpose, as a client sees it over real HTTP."""

import asyncio
import gzip
import json
import logging
import time
from contextlib import asynccontextmanager
from datetime import timedelta

import aiohttp
import pytest

from elenco.demo.faults import KINDS, Faults
from elenco.demo.server import DemoServer
from elenco.demo.stock import StockCast
from elenco.demo.synthetic import FIRST_ID
from tests.tmdb_help import today

CAST = StockCast(30, 3, pool=2)
API = [f"/3/person/{FIRST_ID + n}" for n in range(20)]
IMAGES = [f"/t/p/h632{CAST.photos(person)[0].path}" for person in CAST.people[:20]]


def export(days: int) -> str:
    """The path of the export of so many days ago."""
    return f"/p/exports/person_ids_{today() - timedelta(days=days):%m_%d_%Y}.json.gz"


EXPORTS = [export(days) for days in range(20)]
EVERYTHING = API + IMAGES + EXPORTS


@asynccontextmanager
async def failing(rate_per_second=None, **faults):
    """A server with these faults, and a client session that presents the token."""
    async with DemoServer(CAST, rate_per_second=rate_per_second, faults=Faults(**faults)) as server:
        headers = {"Authorization": f"Bearer {server.token}"}
        async with aiohttp.ClientSession(server.url, headers=headers) as session:
            yield server, session


async def read(session, path, **options):
    """Status, headers and body, or the name of the error."""
    try:
        async with session.get(path, **options) as response:
            return response.status, response.headers, await response.read()
    except aiohttp.ClientError as error:
        return type(error).__name__


async def statuses(session, paths):
    """What became of each, in order."""
    seen = [await read(session, path) for path in paths]
    return [answer if isinstance(answer, str) else answer[0] for answer in seen]


async def on_the_wire(server, path):
    """Head and rest of what arrives until the connection ends, and when each had arrived."""
    reader, writer = await asyncio.open_connection(server.host, server.port)
    started = time.monotonic()
    writer.write(
        f"GET {path} HTTP/1.1\r\nHost: demo\r\nAuthorization: Bearer {server.token}\r\n"
        "Connection: close\r\n\r\n".encode()
    )
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        after_head = time.monotonic() - started
        return head.decode(), await reader.read(), after_head, time.monotonic() - started
    finally:
        writer.close()


@pytest.fixture(scope="module")
async def good():
    """What is behind each path."""
    async with failing() as (_, session):
        return {path: (await read(session, path))[2] for path in EVERYTHING}


async def test_without_faults_all_is_well():
    async with failing() as (server, session):
        assert set(await statuses(session, EVERYTHING)) == {200}
        assert not [name for name in server.counts if name.startswith("fault")]


@pytest.mark.parametrize(("fault", "status"), [("internal_errors", 500), ("unavailable", 503)])
async def test_errors_of_the_server(fault, status):
    async with failing(**{fault: 1.0}) as (server, session):
        assert set(await statuses(session, EVERYTHING)) == {status}
        assert server.counts[f"status:{status}"] == server.counts[f"fault:{fault}"] == 60


async def test_too_many_may_not_say_how_long_to_wait():
    async with failing(too_many=1.0) as (server, session):
        for paths in (API, IMAGES):
            answers = [await read(session, path) for path in paths]
            assert {status for status, *_ in answers} == {429}
            waits = [headers.get("Retry-After") for _, headers, _ in answers]
            assert set(waits) == {"1", None}
        assert set(await statuses(session, EXPORTS)) == {200}
        assert server.counts["fault:too_many"] == server.counts["status:429"] == 40


async def test_a_reset_answers_nothing(caplog):
    caplog.set_level(logging.INFO)
    async with failing(reset=1.0) as (server, session):
        for path in (API[0], IMAGES[0], EXPORTS[0]):
            with pytest.raises(ConnectionResetError):
                await on_the_wire(server, path)
        counts = server.counts
        assert counts["fault:reset"] == 3
        assert counts["person"] == counts["image"] == counts["export"] == 1
        assert counts[f"image:{CAST.photos(CAST.people[0])[0].path}"] == 1
        assert set(await statuses(session, EVERYTHING)) <= {
            "ClientOSError",
            "ServerDisconnectedError",
        }
        assert not [name for name in counts if name.startswith("status")]
    assert caplog.text == ""


async def test_a_slow_body_comes_in_pieces_after_its_head(good):
    async with failing(slow=1.0, slow_seconds=0.5) as (server, _):
        for path in (API[0], IMAGES[0], EXPORTS[0]):
            head, body, after_head, after_all = await on_the_wire(server, path)
            assert body == good[path]
            assert f"Content-Length: {len(body)}" in head
            assert after_head < after_all >= 0.5
        assert server.counts["fault:slow"] == server.counts["status:200"] == 3


async def test_who_has_no_patience_for_a_slow_body_does_the_server_no_harm(caplog):
    caplog.set_level(logging.INFO)
    async with failing(slow=1.0, slow_seconds=0.3) as (_, session):
        with pytest.raises(asyncio.TimeoutError):
            await read(session, IMAGES[0], timeout=aiohttp.ClientTimeout(total=0.1))
        await asyncio.sleep(0.5)
        assert (await read(session, IMAGES[0]))[0] == 200
    assert caplog.text == ""


async def test_a_cut_body_is_shorter_than_announced(good):
    async with failing(cut=1.0) as (server, session):
        assert set(await statuses(session, EVERYTHING)) == {"ClientPayloadError"}
        assert server.counts["cut"] == server.counts["fault:cut"] == 60
        assert server.counts["status:200"] == 0
        head, body, *_ = await on_the_wire(server, IMAGES[0])
        assert f"Content-Length: {len(good[IMAGES[0]])}" in head
        assert body == good[IMAGES[0]][: len(good[IMAGES[0]]) // 2]


async def test_a_wrong_length_is_shorter_than_the_body(good, caplog):
    caplog.set_level(logging.INFO)
    async with failing(wrong_length=1.0) as (server, session):
        for path in (API[0], IMAGES[0], EXPORTS[0]):
            half = len(good[path]) // 2
            head, body, *_ = await on_the_wire(server, path)
            assert head.startswith("HTTP/1.1 200 OK\r\n")
            assert f"Content-Length: {half}\r\n" in head
            assert body == good[path], "all of it is sent"
            status, _, taken = await read(session, path)
            assert (status, taken) == (200, good[path][:half]), "half of it is taken for the whole"
        assert server.counts["fault:wrong_length"] == server.counts["status:200"] == 6
    assert caplog.text == ""


async def test_html_instead_of_what_was_asked_for():
    async with failing(html=1.0) as (server, session):
        for path in EVERYTHING:
            status, headers, body = await read(session, path)
            assert (status, headers["Content-Type"]) == (200, "text/html")
            assert body.startswith(b"<html>")
        assert server.counts["fault:html"] == 60


async def test_the_right_body_of_a_wrong_type(good):
    async with failing(wrong_type=1.0) as (server, session):
        for path in EVERYTHING:
            status, headers, body = await read(session, path)
            assert (status, headers["Content-Type"]) == (200, "text/plain")
            assert body == good[path]
        assert server.counts["fault:wrong_type"] == 60


async def test_json_may_end_in_the_middle(good):
    async with failing(bad_json=1.0) as (server, session):
        for path in API:
            status, headers, body = await read(session, path)
            assert (status, headers["Content-Type"]) == (200, "application/json; charset=utf-8")
            assert good[path].startswith(body)
            with pytest.raises(json.JSONDecodeError):
                json.loads(body)
        assert server.counts["fault:bad_json"] == len(API)
        for path in IMAGES + EXPORTS:
            assert (await read(session, path))[2] == good[path]
        assert server.counts["fault:bad_json"] == len(API)


@pytest.mark.parametrize("fault", ["slow", "cut", "wrong_length", "html", "wrong_type", "bad_json"])
async def test_only_good_answers_are_spoilt(fault):
    async with failing(**{fault: 1.0}) as (server, session):
        assert (
            await statuses(session, ["/3/person/1", "/3/nothing", "/t/p/h632/x.jpg"]) == [404] * 3
        )
        etag = {"If-None-Match": f'"{IMAGES[0].removeprefix("/t/p/")}"'}
        assert (await read(session, IMAGES[0], headers=etag))[0] == 304
        async with session.head(IMAGES[0]) as response:
            assert response.status == 200
        assert server.counts[f"fault:{fault}"] == 0


async def test_faults_are_the_same_on_every_run_and_pass():
    shares = {"internal_errors": 0.2, "too_many": 0.2, "cut": 0.2}
    runs = []
    for seed in (1, 1, 2):
        async with failing(seed=seed, **shares) as (_, session):
            runs.append(await statuses(session, API * 4))
    assert runs[0] == runs[1] != runs[2]
    assert set(runs[0]) == {200, 429, 500, "ClientPayloadError"}
    answered = {p for p, seen in zip(API * 4, runs[0], strict=True) if seen == 200}
    assert len(answered) >= 19, "asking again helps"


async def test_a_request_fails_in_one_way_at_most():
    shares = dict.fromkeys(KINDS, 0.15)
    async with failing(slow_seconds=0.01, **shares) as (server, session):
        for _ in range(3):
            await statuses(session, EVERYTHING)
        counts = server.counts
        asked = sum(counts[kind] for kind in ("person", "image", "export"))
        ended = sum(count for name, count in counts.items() if name.startswith("status"))
        assert asked == ended + counts["cut"] + counts["fault:reset"]
        struck = {n: count for n, count in counts.items() if n.startswith("fault")}
        assert struck.keys() == {f"fault:{kind}" for kind in KINDS}
        assert sum(struck.values()) < asked
        async with session.get("/stats") as response:
            stats = await response.json()
        assert stats["faults"] == {kind: counts[f"fault:{kind}"] for kind in KINDS}


@pytest.mark.parametrize("fault", ["reset", "internal_errors", "cut", "too_many"])
async def test_the_rate_is_kept_whatever_else_goes_wrong(fault):
    async with failing(rate_per_second=5.0, **{fault: 1.0}) as (server, session):
        await asyncio.gather(*(read(session, path) for path in API[:9]))
        counts = server.counts  # aiohttp asks again by itself after a reset
        assert counts[f"fault:{fault}"] == 5
        refused = counts["status:429"] - (5 if fault == "too_many" else 0)
        assert refused == counts["person"] - 5 >= 4


async def test_todays_export_may_be_late():
    async with failing(export_late=True) as (_, session):
        assert await statuses(session, [export(0), export(1)]) == [403, 200]


async def test_no_export_may_be_there():
    async with failing(export_missing=True) as (_, session):
        assert set(await statuses(session, EXPORTS)) == {403}


async def test_pages_shift_between_reads():
    async with failing(shifting_pages=3) as (_, session):
        pages = [
            json.loads((await read(session, f"/3/person/popular?page={n}"))[2])["results"]
            for n in (1, 2, 1, 2, 2, 2)
        ]
    ids = [[entry["id"] for entry in page] for page in pages]
    assert ids[0] == ids[2] == [person.id for person in CAST.people[:20]]
    assert len({tuple(page) for page in (ids[1], *ids[3:])}) > 1
    assert all(page == sorted(page) for page in ids)


@pytest.mark.parametrize("kind", KINDS)
def test_a_share_is_a_share(kind):
    for share in (1.5, -0.1):
        with pytest.raises(ValueError, match=f"{kind} is a share"):
            Faults(**{kind: share})


async def test_exports_are_whole_where_nothing_strikes(good):
    assert len(gzip.decompress(good[EXPORTS[0]]).splitlines()) == len(CAST.people)
