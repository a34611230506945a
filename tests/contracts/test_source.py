"""What every source in the table must do."""

import gc
from contextlib import asynccontextmanager

import pytest

from elenco.demo.server import DemoServer
from elenco.demo.synthetic import SyntheticCast
from elenco.faces.images import decode, encode_jpeg
from elenco.layout import safe_name
from elenco.sources.base import SOURCES, open_source
from elenco.types import Person

PEOPLE, PHOTOS = 5, 3


@pytest.fixture(params=sorted(SOURCES))
def opened(request, settings, tmp_path):
    """Opens each source, over the same kind of people, as often as it is called."""
    cast = SyntheticCast(PEOPLE, seed=4)

    def settings_of(collect, **tmdb):
        common = {"source": request.param, "photos_per_person": PHOTOS}
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


async def test_people_are_unique_limited_and_the_most_popular_first(opened):
    async with opened() as source:
        everyone = await source.people(100)
        assert len(everyone) == PEOPLE
        assert len({person.id for person in everyone}) == PEOPLE
        popularity = [person.popularity for person in everyone]
        assert popularity == sorted(popularity, reverse=True)
        assert await source.people(2) == everyone[:2]
        for person in everyone:
            assert safe_name(person.id) == person.id
            assert person.name.strip() == person.name != ""


async def test_keys_are_unique_limited_and_stable(opened):
    async def listed():
        async with opened() as source:
            return [
                ref for person in await source.people(100) for ref in await source.images(person)
            ]

    first, again = await listed(), await listed()
    names = [(ref.person_id, ref.key) for ref in first]
    assert len(set(names)) == len(names) == PEOPLE * PHOTOS
    assert [(ref.person_id, ref.key, ref.version) for ref in first] == [
        (ref.person_id, ref.key, ref.version) for ref in again
    ]
    assert all(safe_name(ref.key) == ref.key for ref in first)


async def test_what_is_fetched_decodes(opened):
    async with opened() as source:
        people = await source.people(100)
        decoded = 0
        for person in people:
            ref = (await source.images(person))[0]
            assert ref.person_id == person.id
            image = decode(await source.fetch(ref), 40)
            decoded += 1
            assert image.ndim == 3
        assert decoded == PEOPLE


async def test_nobody_there_is_a_lookup_error(opened):
    async with opened() as source:
        with pytest.raises(LookupError):
            await source.images(Person("123456", "Nobody"))


async def test_nothing_stays_open(opened, recwarn):
    """Whether the work ended well or not."""
    async with opened() as source:
        await source.people(2)
    with pytest.raises(RuntimeError, match="on purpose"):
        async with opened() as source:
            await source.people(2)
            raise RuntimeError("on purpose")
    del source
    gc.collect()
    assert not [w for w in recwarn if issubclass(w.category, ResourceWarning)]
