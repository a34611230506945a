"""A folder of photographs as a source."""

import os
import sys
from datetime import date

import numpy as np
import pytest

from elenco.errors import ConfigError, ImageError
from elenco.faces.images import encode_jpeg
from elenco.sources.folder import edition, open_source
from elenco.types import Person
from tests.tmdb_help import everybody, fetched

JPEG = encode_jpeg(np.full((30, 30, 3), 128, np.uint8))


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "photographs"
    folder.mkdir()
    return folder


@pytest.fixture
def opened(settings, folder):
    """The source, with changes to the section `collect`."""

    def make(**changes):
        collect = settings.collect.model_copy(
            update={"source": "folder", "folder": folder} | changes
        )
        return open_source(settings.model_copy(update={"collect": collect}))

    return make


def put(folder, *names, data=JPEG):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


async def people_of(source):
    """Everybody, checked to be said to act: nobody has to be asked about."""
    candidates = await everybody(source, 10)
    assert all(one.actor and not one.adult for one in candidates)
    return [one.person for one in candidates]


async def images_of(source, person_id):
    told = await source.ask(person_id)
    assert told.actor
    assert not told.adult
    return list(told.images)


async def names_of(source, person_id):
    return [ref.url.rsplit("/", 1)[1] for ref in await images_of(source, person_id)]


async def test_who_has_most_photographs_comes_first_then_by_name(folder, opened):
    put(folder, "B_b/1.jpg", "C/1.jpg", "C/2.jpg", "A/1.jpg")
    async with opened() as source:
        people = await people_of(source)
        assert [(p.id, p.name, p.popularity) for p in people] == [
            ("C", "C", 2.0),
            ("A", "A", 1.0),
            ("B_b", "B b", 1.0),
        ]
        assert [(await source.ask(p.id)).name for p in people] == [p.name for p in people]


async def test_which_files_are_photographs(folder, opened):
    shown = ["a.jpg", "b.jpeg", "c.png", "d.webp", "E.JPG", "F.Png"]
    hidden = [".a.jpg", "._b.jpg", "notes.txt", "a.gif", "Thumbs.db", "jpg", "deeper/a.jpg"]
    put(folder, *(f"A/{name}" for name in shown + hidden), ".hidden/a.jpg", "loose.jpg")
    put(folder, "nothing here/read me.txt")
    (folder / "A" / "folder.jpg").mkdir()
    async with opened() as source:
        assert sorted(await names_of(source, "A")) == sorted(shown)
        assert [person.id for person in await people_of(source)] == ["A"]


async def test_spaces_and_letters_of_all_scripts(folder, opened):
    names = ["Zoë Kravitz", "Анна", "李 小龍", "Cher (née Sarkisian)", "a'b\"c#?%20"]
    put(folder, *(f"{name}/élan vital {name}.jpg" for name in names))
    async with opened() as source:
        people = await people_of(source)
        assert {person.name for person in people} == set(names)
        keys = set()
        for person in people:
            (ref,) = await images_of(source, person.id)
            assert await fetched(source, ref) == JPEG
            assert await source.address(ref) == str(
                folder / person.id / f"élan vital {person.id}.jpg"
            )
            keys.add(ref.key)
        assert len(keys) == len(names)
        assert all(key.isalnum() and key.isascii() for key in keys)


@pytest.mark.skipif(sys.platform != "linux", reason="needs file names of any bytes")
@pytest.mark.parametrize("name", [b"A/caf\xe9.jpg", b"caf\xe9/a.jpg"])
async def test_a_name_that_is_not_utf8_is_named(folder, opened, name):
    path = os.path.join(os.fsencode(folder), name)
    os.makedirs(os.path.dirname(path))
    with open(path, "wb") as file:
        file.write(JPEG)
    async with opened() as source:
        with pytest.raises(ConfigError, match=r"caf.*rename it") as caught:
            await people_of(source)
    str(caught.value).encode()


async def test_keys_stay_and_a_changed_file_has_another_version(folder, opened):
    put(folder, "A/1.jpg", "B/1.jpg")
    async with opened() as source:
        (first,) = await images_of(source, "A")
        (other,) = await images_of(source, "B")
        put(folder, "A/1.jpg", data=JPEG + b"changed")
        put(folder, "A/0.jpg")
        refs = await images_of(source, "A")
    assert first.key != other.key
    assert refs[1].key == first.key
    assert refs[1].version != first.version


async def test_a_moved_folder_keeps_its_keys(folder, opened, tmp_path):
    put(folder, "A/1.jpg")
    async with opened() as source:
        before = await images_of(source, "A")
    folder.rename(tmp_path / "elsewhere")
    async with opened(folder=tmp_path / "elsewhere") as source:
        after = await images_of(source, "A")
    assert [(r.key, r.version) for r in before] == [(r.key, r.version) for r in after]


async def test_photographs_are_told_by_name_and_all_of_them(folder, opened):
    """How many of them are collected is not for the source to say."""
    put(folder, *(f"A/{number}.jpg" for number in range(9, -1, -1)))
    async with opened(photos_per_person=4) as source:
        assert await names_of(source, "A") == [f"{number}.jpg" for number in range(10)]


async def test_what_changed_is_not_remembered(folder, opened):
    put(folder, "A/1.jpg")
    async with opened() as source:
        assert not source.remembers
        assert await source.changed(date(2026, 1, 1), date(2026, 1, 2)) is None


async def test_what_is_gone(folder, opened):
    put(folder, "A/1.jpg")
    async with opened() as source:
        (ref,) = await images_of(source, "A")
        (folder / "A" / "1.jpg").unlink()
        with pytest.raises(ImageError) as caught:
            await fetched(source, ref)
        assert caught.value.reason == "unreadable"
        assert await images_of(source, "A") == []
        with pytest.raises(LookupError, match="gone"):
            await images_of(source, "B")


async def test_a_large_file_is_not_read(folder, opened):
    put(folder, "A/1.jpg", data=bytes(200_000))
    async with opened(max_megabytes=0.1) as source:
        (ref,) = await images_of(source, "A")
        with pytest.raises(ImageError) as caught:
            await fetched(source, ref)
    assert caught.value.reason == "too_large"


@pytest.mark.parametrize("value", [None, "missing", "a file"])
def test_a_folder_that_is_none_says_what_to_set(folder, opened, value):
    put(folder, "a file")
    with pytest.raises(ConfigError, match=r"ELENCO_COLLECT__FOLDER.*\{person\}/\{photo\}\.jpg"):
        opened(folder=value and folder / value)


async def test_an_empty_folder_says_how_to_lay_it_out(folder, opened):
    put(folder, "loose.jpg", "A/read me.txt")
    async with opened() as source:
        with pytest.raises(ConfigError, match=r"no photographs.*\{person\}/\{photo\}\.jpg"):
            await people_of(source)


def test_the_edition_changes_with_the_files_of_those_people_only(settings, folder):
    collect = settings.collect.model_copy(update={"source": "folder", "folder": folder})
    settings = settings.model_copy(update={"collect": collect})
    people = [Person("Ada", "Ada"), Person("Alan", "Alan"), Person("Gone", "Gone")]
    put(folder, "Ada/1.jpg", "Alan/1.jpg", "Grace/1.jpg")
    before = edition(settings, people)
    assert edition(settings, people[::-1]) == before
    put(folder, "Grace/2.jpg")
    assert edition(settings, people) == before
    put(folder, "Ada/2.jpg")
    added = edition(settings, people)
    assert added != before
    put(folder, "Ada/2.jpg", data=JPEG + b"more")
    assert edition(settings, people) != added
