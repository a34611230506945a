"""Which addresses are asked: what a server says leads nowhere that the settings don't name."""

import io
import socket

import pytest
from aiohttp import web

from elenco.errors import ConfigError, ImageError, SourceUnreachable, UnexpectedAnswer
from elenco.sources import hosts, transport
from elenco.sources import tmdb as adapter
from elenco.sources.bucket import TokenBucket
from elenco.sources.hosts import Resolver, allowed_hosts, export_url, web_address
from elenco.sources.pace import Pace
from elenco.sources.tmdb import Tmdb, open_source
from elenco.sources.transport import Transport
from elenco.types import ImageRef
from tests.tmdb_help import (
    TOKEN,
    Sleeps,
    configuration,
    everybody,
    fetched,
    first,
    page,
    scripted,
    tmdb_settings,
)

PHOTO = ImageRef("1", "a", "/a.jpg")
TMDB_API = "https://api.themoviedb.org/3"
PRIVATE = [
    "127.0.0.1",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "0.0.0.0",
    "::1",
    "fe80::1",
    "fd00::1",
    "::ffff:10.0.0.1",
]


@pytest.fixture(autouse=True)
def forgetful(monkeypatch):
    monkeypatch.setattr(transport, "_health", {})
    monkeypatch.setattr(adapter, "_bases", {})


@pytest.fixture
def tmdb(settings):
    def make(api_url, **changes):
        return tmdb_settings(settings, api_url, **changes)

    return make


@pytest.fixture
def names(monkeypatch):
    """What names lead to, as far as anybody here is told; and which were looked up."""

    class Names(dict):
        def __init__(self) -> None:
            super().__init__()
            self.asked = []

        async def resolve(self, host, port=0, family=socket.AF_UNSPEC):
            self.asked.append(host)
            flags = {"proto": 0, "flags": socket.AI_NUMERICHOST, "port": port}
            if host not in self:
                raise OSError(None, "no such name")
            return [
                {"hostname": host, "host": a, "family": family_of(a), **flags} for a in self[host]
            ]

        async def close(self):
            pass

    names = Names()
    monkeypatch.setattr(hosts, "DefaultResolver", lambda: names)
    return names


def family_of(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


async def download(settings, url):
    async with Transport(settings, Pace(TokenBucket(1000)), Sleeps()) as files:
        file = io.BytesIO()
        await files.download(url, file, 1000)
        return file.getvalue()


def port_of(url):
    return int(url.rsplit(":", 1)[1])


# What /configuration says.

ELSEWHERE = [
    "https://evil.test/t/p/",
    "http://169.254.169.254/latest/",
    "http://10.0.0.1/t/p/",
    "http://[::1]/t/p/",
    "http://localhost/t/p/",
    "http://2130706433/t/p/",
    "http://127.1/t/p/",
    "http://image.tmdb.org.evil.test/t/p/",
    "http://image.tmdb.org@evil.test/t/p/",
    "file:///etc/",
    "ftp://127.0.0.1/",
    "//127.0.0.1/t/p/",
    "gopher",
    "http://me:pass@127.0.0.1/t/p/",
    "http://127.0.0.1/t/p/?x=",
    "http://127.0.0.1/t/p/#",
]


@pytest.mark.parametrize("base", ELSEWHERE)
async def test_images_elsewhere_are_refused_and_the_setting_is_named(tmdb, names, base):
    async def api(request):
        return configuration(base)

    async with scripted(api=api) as (url, asked), open_source(tmdb(f"{url}/3")) as source:
        for _ in range(2):
            with pytest.raises(ConfigError, match=r"tmdb\.image_hosts") as caught:
                await fetched(source, PHOTO)
            assert "pass" not in str(caught.value)
        with pytest.raises(ConfigError, match=r"tmdb\.image_hosts"):
            await source.address(PHOTO)
    assert {request.path for request in asked} == {"/3/configuration"}
    assert names.asked == []


async def test_the_message_names_the_host_to_add(tmdb):
    async def api(request):
        return configuration("https://cdn.test/t/p/")

    async with scripted(api=api) as (url, _), open_source(tmdb(f"{url}/3")) as source:
        with pytest.raises(ConfigError, match=r"at cdn\.test, .*tmdb\.image_hosts"):
            await source.address(PHOTO)


async def test_a_host_that_settings_name_is_allowed(tmdb, names):
    """Whether or not it is in a private network: it is the operator's."""
    names["images.test"] = ["127.0.0.1"]

    async def image(request):
        return web.Response(body=b"picture")

    async with scripted(image=image) as (images, seen):

        async def api(request):
            return configuration(f"http://images.test:{port_of(images)}/")

        async with (
            scripted(api=api) as (url, _),
            open_source(tmdb(f"{url}/3", image_hosts=["images.test"])) as source,
        ):
            assert await fetched(source, PHOTO) == b"picture"
    assert names.asked == ["images.test"]
    assert [request.path for request in seen] == ["/h632/a.jpg"]
    assert "Authorization" not in seen[0].headers


async def test_images_beside_the_api_need_no_setting(tmdb):
    async def api(request):
        return configuration(f"{request.scheme}://{request.host}/")

    async def image(request):
        return web.Response(body=b"picture")

    async with (
        scripted(api=api, image=image) as (url, _),
        open_source(tmdb(f"{url}/3", image_hosts=[])) as source,
    ):
        assert await fetched(source, PHOTO) == b"picture"


# Redirects.


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed_and_no_token_goes_anywhere(tmdb, status):
    async def anything(request):
        return web.json_response({})

    async with scripted(api=anything, image=anything, export=anything) as (other, elsewhere):

        async def redirect(request):
            if request.path == "/3/configuration":
                return configuration(f"{request.scheme}://{request.host}/image")
            return web.Response(status=status, headers={"Location": f"{other}{request.path}"})

        async with scripted(api=redirect, image=redirect, export=redirect) as (url, asked):
            async with open_source(tmdb(f"{url}/3")) as source:
                for work in (everybody(source, 2), source.ask("1")):
                    with pytest.raises(UnexpectedAnswer, match=f"HTTP {status}"):
                        await work
                with pytest.raises(ImageError, match=f"HTTP {status}") as caught:
                    await fetched(source, PHOTO)
                assert caught.value.reason == "redirected"
            with pytest.raises(ImageError, match=f"HTTP {status}"):
                await download(tmdb(f"{url}/3"), f"{url}/p/exports/person_ids.json.gz")
    assert not elsewhere
    assert len(asked) == 5
    with_token = {r.path for r in asked if TOKEN in str(r.headers)}
    assert with_token == {"/3/configuration", "/3/person/popular", "/3/person/1"}


async def test_a_redirected_export_is_counted_and_not_followed(tmdb):
    async def anything(request):
        return web.json_response({})

    async with scripted(export=anything, image=anything) as (other, elsewhere):

        async def export(request):
            raise web.HTTPFound(f"{other}{request.path}")

        async def api(request):
            return page(request)

        async with (
            scripted(api=api, export=export) as (url, _),
            open_source(tmdb(f"{url}/3")) as source,
        ):
            person, skipped = await everybody(source, 9)
    assert (person.person.id, skipped.reason) == ("1", "export_unavailable")
    assert "redirected" in skipped.detail
    assert not elsewhere


# Names and what they lead to.


@pytest.mark.parametrize("address", PRIVATE)
@pytest.mark.parametrize("host", sorted(hosts.PUBLIC))
async def test_a_name_of_tmdb_that_leads_into_a_private_network_is_refused(names, host, address):
    names[host] = [address]
    with pytest.raises(OSError, match=f"{host} leads to no public address"):
        await Resolver(frozenset({host})).resolve(host, 443)


async def test_of_several_addresses_the_public_ones_are_used(names):
    names["image.tmdb.org"] = ["10.0.0.1", "8.8.8.8", "::1", "2606:4700::1111"]
    found = await Resolver(hosts.PUBLIC).resolve("image.tmdb.org", 443)
    assert [one["host"] for one in found] == ["8.8.8.8", "2606:4700::1111"]


async def test_a_name_that_is_not_allowed_is_not_even_looked_up(names):
    names["evil.test"] = ["8.8.8.8"]
    with pytest.raises(OSError, match=r"evil\.test is not an allowed host"):
        await Resolver(frozenset({"image.tmdb.org"})).resolve("evil.test", 80)
    assert names.asked == []


async def test_tmdb_is_not_asked_at_a_private_address(tmdb, names):
    """What a name server of somebody else may answer: the token goes to nobody."""
    names["api.themoviedb.org"] = names["image.tmdb.org"] = ["127.0.0.1"]

    async def anything(request):
        return web.json_response({})

    async with scripted(api=anything, image=anything) as (url, seen):
        settings = tmdb(f"http://api.themoviedb.org:{port_of(url)}/3")
        async with Tmdb(settings, Sleeps()) as source:
            with pytest.raises(SourceUnreachable, match="ClientConnector") as caught:
                await first(source, 1)
            assert TOKEN not in repr(caught.value)
        with pytest.raises(ImageError, match="unreachable"):
            await download(settings, f"http://image.tmdb.org:{port_of(url)}/a.jpg")
    assert not seen
    assert set(names.asked) == {"api.themoviedb.org", "image.tmdb.org"}


@pytest.mark.parametrize("address", PRIVATE)
async def test_a_literal_private_address_is_refused_unless_settings_name_it(tmdb, names, address):
    host = f"[{address}]" if ":" in address else address
    for settings in (tmdb(TMDB_API), tmdb("http://a.test/3")):
        with pytest.raises(ImageError, match=r"tmdb\.image_hosts") as caught:
            await download(settings, f"http://{host}/a.jpg")
        assert caught.value.reason == "refused"
    assert names.asked == []
    assert address in allowed_hosts(tmdb(TMDB_API, image_hosts=[address]).tmdb)


async def test_a_literal_address_that_settings_name_is_asked(tmdb):
    async def image(request):
        return web.Response(body=b"picture")

    async with scripted(image=image) as (url, _):
        settings = tmdb("http://a.test/3", image_hosts=["127.0.0.1"])
        assert await download(settings, f"{url}/a.jpg") == b"picture"


# What is an address at all, and where the exports are.


@pytest.mark.parametrize(
    "text",
    [
        "",
        "themoviedb",
        "/3",
        "http://",
        "http:///3",
        "ftp://a.test/3",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "http://a.test:x/3",
        "http://a.test:99999999/3",
        "http://[::1/3",
        "http://me@a.test/3",
        "http://:pass@a.test/3",
        "http://a.test/3?api_key=x",
        "http://a.test/3#x",
    ],
)
def test_what_is_no_plain_web_address(text):
    assert web_address(text) is None


@pytest.mark.parametrize(
    "text", ["http://a.test", TMDB_API, "http://127.0.0.1:80/3", "http://[::1]:8000/3"]
)
def test_what_is_one(text):
    found = web_address(text)
    assert found is not None
    assert str(found).rstrip("/") == text.rstrip("/").replace(":80/", "/")


@pytest.mark.parametrize(
    ("api", "export", "expected"),
    [
        (TMDB_API, "", "https://files.tmdb.org/p/exports"),
        ("https://API.themoviedb.org/3/", "", "https://files.tmdb.org/p/exports"),
        ("http://127.0.0.1:8000/3", "", "http://127.0.0.1:8000/p/exports"),
        ("http://a.test/proxy/3", "", "http://a.test/p/exports"),
        (TMDB_API, "http://mirror.test/tmdb/", "http://mirror.test/tmdb"),
    ],
)
def test_where_exports_are(tmdb, api, export, expected):
    settings = tmdb(api, export_url=export).tmdb
    assert export_url(settings) == expected
    assert web_address(expected).host in allowed_hosts(settings)


def test_nobody_else_is_allowed(tmdb):
    assert allowed_hosts(tmdb(TMDB_API).tmdb) == hosts.PUBLIC
    ours = tmdb("http://a.test/3", export_url="http://b.test", image_hosts=["c.test", "d.test"])
    assert allowed_hosts(ours.tmdb) == {"a.test", "b.test", "c.test", "d.test"}


async def test_an_export_of_an_address_that_settings_name_is_read(tmdb, names):
    names["mirror.test"] = ["127.0.0.1"]

    async def export(request):
        return web.Response(body=b"not gzip")

    async def api(request):
        return page(request)

    async with scripted(image=export) as (mirror, seen), scripted(api=api) as (url, _):
        address = f"http://mirror.test:{port_of(mirror)}/tmdb"
        async with open_source(tmdb(f"{url}/3", export_url=address)) as source:
            _, skipped = await everybody(source, 9)
    assert "damaged" in skipped.detail
    assert [r.path.rsplit("/", 1)[0] for r in seen] == ["/tmdb", "/tmdb"]
    assert not [r for r in seen if "Authorization" in r.headers]
