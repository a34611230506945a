"""Collecting everything from a server, for tests of a whole day."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from elenco.demo.cast import Cast
from elenco.demo.server import DemoServer
from elenco.demo.stock import StockCast
from elenco.layout import Layout
from elenco.records import Record
from elenco.settings import Settings
from elenco.sources.listing import list_people
from elenco.sources.stage import collect_shard
from elenco.types import Listing, StageReport


def changed(settings: Settings, section: str, **values: Any) -> Settings:
    return settings.model_copy(
        update={section: getattr(settings, section).model_copy(update=values)}
    )


@asynccontextmanager
async def serving(
    cast: Cast, settings: Settings, port: int = 0, **options: Any
) -> AsyncIterator[tuple[DemoServer, Settings]]:
    """A server that limits nobody, and the settings that point at it."""
    async with DemoServer(cast, port=port, rate_per_second=None, **options) as server:
        api = {"api_url": server.api_url, "token": SecretStr("demo"), "terms_accepted": True}
        yield server, changed(settings, "tmdb", **api, rate_per_second=1000.0)


async def collect_day(settings: Settings) -> tuple[Listing, StageReport]:
    """List the people and collect each shard in turn."""
    layout = Layout.of(settings)
    listing = await list_people(settings, layout)
    report = StageReport(0, 0)
    for shard, people in enumerate(listing.shards):
        report += (await collect_shard(people, shard, settings, layout)).report
    return listing, report


def records(settings: Settings) -> list[Record]:
    layout = Layout.of(settings)
    found = [Record.read(path) for path in sorted(layout.record("collect", 0).parent.glob("*"))]
    return [record for record in found if record is not None]


def tree(settings: Settings) -> dict[str, bytes]:
    root = settings.paths.data / "images"
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in root.rglob("*.jpg")}


def expected(cast: StockCast, listing: Listing) -> dict[str, bytes]:
    """`person/key` -> bytes of every photograph that the server can give of the listed people."""
    people = {person.id for shard in listing.shards for person in shard}
    return {
        f"{person.id}/{Path(photo.path).stem}": cast.body(photo.path)
        for person in cast.people
        if str(person.id) in people
        for photo in cast.photos(person)
    }


def stored(settings: Settings) -> dict[str, bytes]:
    """The same of what is on disk, of either split; a photograph in both is an error."""
    found: dict[str, bytes] = {}
    for name, data in tree(settings).items():
        _, person, key = name.removesuffix(".jpg").split("/")
        assert f"{person}/{key}" not in found, name
        found[f"{person}/{key}"] = data
    return found
