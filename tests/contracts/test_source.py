"""What every source in the table must do."""

import gc
import io
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest

from elenco.demo.server import DemoServer
from elenco.demo.synthetic import SyntheticCast
from elenco.errors import ImageError
from elenco.faces.images import decode, encode_jpeg
from elenco.layout import safe_name
from elenco.sources import tmdb as adapter
from elenco.sources import transport
from elenco.sources.base import SOURCES, Candidate, open_source
from elenco.types import ImageRef
from tests.tmdb_help import everybody, fetched

PEOPLE = 5
TODAY = datetime.now(UTC).date()


@pytest.fixture(params=sorted(SOURCES))
def opened(request, settings, tmp_path, monkeypatch):
    """Opens each source, over the same kind of people, as often as it is called."""
    monkeypatch.setattr(transport, "_health", {})
    monkeypatch.setattr(adapter, "_bases", {})
    cast = SyntheticCast(PEOPLE, seed=4)

    def settings_of(collect, **tmdb):
        common = {"source": request.param}
        return settings.model_copy(
            update={
                "collect": settings.collect.model_copy(update=common | collect),
                "tmdb": type(settings.tmdb)(terms_accepted=True, token="demo", **tmdb),
            }
        )

    @asynccontextmanager
    async def tmdb():
        async with DemoServer(cast, rate_per_second=None) as server:
            url = server.api_url
            async with open_source(settings_of({}, api_url=url, rate_per_second=500)) as source:
                yield source

    @asynccontextmanager
    async def folder():
        photographs = tmp_path / "photographs"
        for person in cast.people:
            for number, photo in enumerate(cast.photos(person)):
                path = photographs / person.name / f"{number}.jpg"
                path.parent.mkdir(parents=True, exist_ok=True)
                if photo.kind == "plain" and not path.exists():
                    path.write_bytes(encode_jpeg(decode(cast.image(photo.path, "w45"), 40)))
        async with open_source(settings_of({"folder": photographs})) as source:
            yield source

    return {"tmdb": tmdb, "folder": folder}[request.param]


async def people_of(source, limit=100):
    found = await everybody(source, limit)
    assert all(isinstance(one, Candidate) for one in found)
    return [one.person for one in found]


async def test_people_are_unique_and_the_most_popular_first(opened):
    async with opened() as source:
        everyone = await people_of(source)
        assert len(everyone) == PEOPLE
        assert len({person.id for person in everyone}) == PEOPLE
        popularity = [person.popularity for person in everyone]
        assert popularity == sorted(popularity, reverse=True)
        assert (await people_of(source, 2))[:2] == everyone[:2]
        for person in everyone:
            assert safe_name(person.id) == person.id
            assert person.name.strip() == person.name != ""


async def test_who_has_enough_may_leave(opened):
    async with opened() as source:
        async with aclosing(source.candidates(2)) as parts:
            part = await anext(parts)
        assert part == (await everybody(source, 2))[: len(part)]


async def test_keys_are_unique_and_stable(opened):
    async def listed():
        async with opened() as source:
            return [
                ref for person in await people_of(source) for ref in await images_of(source, person)
            ]

    first, again = await listed(), await listed()
    names = [(ref.person_id, ref.key) for ref in first]
    assert len(set(names)) == len(names) >= 3 * PEOPLE
    assert [(ref.person_id, ref.key, ref.version) for ref in first] == [
        (ref.person_id, ref.key, ref.version) for ref in again
    ]
    assert all(safe_name(ref.key) == ref.key for ref in first)


async def images_of(source, person):
    """A person's photographs; the answer says what the list says."""
    told = await source.ask(person.id)
    assert told.name == person.name
    assert told.actor
    assert not told.adult
    return told.images


async def test_what_is_fetched_decodes(opened):
    async with opened() as source:
        people = await people_of(source)
        decoded = 0
        for person in people:
            ref = (await images_of(source, person))[0]
            assert ref.person_id == person.id
            image = decode(await fetched(source, ref), 40)
            decoded += 1
            assert image.ndim == 3
        assert decoded == PEOPLE


async def test_an_address_is_one_line_that_names_the_photograph(opened):
    async with opened() as source:
        refs = await images_of(source, (await people_of(source))[0])
        addresses = [await source.address(ref) for ref in refs]
    assert len(set(addresses)) == len(refs)
    for ref, address in zip(refs, addresses, strict=True):
        assert address.endswith(ref.url)
        assert len(address.splitlines()) == 1


async def test_nobody_there_is_a_lookup_error(opened):
    async with opened() as source:
        with pytest.raises(LookupError):
            await source.ask("123456")


async def test_a_photograph_that_is_not_there_is_an_image_error(opened):
    async with opened() as source:
        file = io.BytesIO()
        with pytest.raises(ImageError):
            await source.fetch(ImageRef("123456", "missing", "/missing.jpg"), file)
        assert file.getvalue() == b""


async def test_what_changed_is_told_if_the_source_remembers(opened):
    async with opened() as source:
        assert source.tries >= 1
        changed = await source.changed(TODAY - timedelta(days=1), TODAY)
        assert isinstance(changed, set) == source.remembers
        assert await source.changed(TODAY - timedelta(days=400), TODAY) is None


async def test_nothing_stays_open(opened, recwarn):
    """Whether the work ended well or not."""
    async with opened() as source:
        await people_of(source, 2)
    with pytest.raises(RuntimeError, match="on purpose"):
        async with opened() as source:
            await people_of(source, 2)
            raise RuntimeError("on purpose")
    del source
    gc.collect()
    assert not [w for w in recwarn if issubclass(w.category, ResourceWarning)]
