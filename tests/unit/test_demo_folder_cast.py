"""A folder of photographs as a cast."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from PIL import Image

from elenco.demo.folder_cast import FIRST_ID, IDS, FolderCast
from elenco.errors import ConfigError
from elenco.faces.images import decode, encode_jpeg, probe


def picture(seed, width=60, height=90):
    return np.random.default_rng(seed).integers(0, 255, (height, width, 3), np.uint8)


@pytest.fixture
def folder(tmp_path):
    for person, count in {"Ada_Lovelace": 5, "Bo": 2, "Cy_Twombly": 2}.items():
        (tmp_path / person).mkdir()
        for n in range(count):
            (tmp_path / person / f"{n}.jpg").write_bytes(encode_jpeg(picture(n)))
    Image.fromarray(picture(7, 500, 1000)).save(tmp_path / "Bo" / "tall.PNG")
    (tmp_path / "Bo" / "notes.txt").write_text("no photograph")
    (tmp_path / "Bo" / ".hidden.jpg").write_bytes(encode_jpeg(picture(8)))
    (tmp_path / "Cy_Twombly" / "broken.jpeg").write_bytes(b"<html>")
    (tmp_path / "Nobody").mkdir()
    (tmp_path / ".cache").mkdir()
    return tmp_path


def test_people_are_the_folders_with_photographs_most_photographed_first(folder):
    people = FolderCast(folder).people
    assert [(p.name, p.popularity) for p in people] == [
        ("Ada Lovelace", 5.0),
        ("Bo", 3.0),
        ("Cy Twombly", 3.0),
    ]
    assert all(FIRST_ID <= person.id < FIRST_ID + IDS for person in people)
    assert {person.department for person in people} == {"Acting"}


def test_ids_and_paths_do_not_depend_on_who_else_is_there(folder, tmp_path_factory):
    alone = tmp_path_factory.mktemp("alone")
    (alone / "Bo").symlink_to(folder / "Bo")
    [bo] = FolderCast(alone).people
    cast = FolderCast(folder)
    assert cast.find(bo.id) == bo
    assert cast.photos(bo) == FolderCast(alone).photos(bo)


def test_a_path_names_its_content(folder):
    cast = FolderCast(folder)
    bo = cast.people[1]
    before = {p.path for p in cast.photos(bo)}
    (folder / "Bo" / "0.jpg").write_bytes(encode_jpeg(picture(99)))
    after = {p.path for p in FolderCast(folder).photos(bo)}
    assert len(before & after) == len(before) - 1


def test_a_photograph_that_fits_is_served_as_it_is(folder):
    cast = FolderCast(folder)
    photo = cast.photos(cast.people[0])[0]
    data = (folder / "Ada_Lovelace" / "0.jpg").read_bytes()
    assert (photo.width, photo.height) == (60, 90)
    assert cast.image(photo.path, "original") == data
    assert cast.image(photo.path, "h632") == data
    assert probe(cast.image(photo.path, "w45"), 40) == ("JPEG", 45, 68)


def test_other_formats_are_served_as_jpeg(folder):
    cast = FolderCast(folder)
    tall = next(p for p in cast.photos(cast.people[1]) if p.height == 1000)
    assert tall.path.endswith(".jpg")
    assert probe(cast.image(tall.path, "original"), 40) == ("JPEG", 500, 1000)
    assert probe(cast.image(tall.path, "h632"), 40) == ("JPEG", 316, 632)


def test_what_is_no_picture_is_served_as_it_is(folder):
    cast = FolderCast(folder)
    broken = next(p for p in cast.photos(cast.people[2]) if p.kind != "plain")
    assert (broken.width, broken.height, broken.kind) == (0, 0, "not_an_image")
    assert cast.image(broken.path, "h632") == b"<html>"


def test_a_picture_damaged_inside_is_served_as_it_is(folder):
    whole = encode_jpeg(picture(3, 600, 900))
    (folder / "Bo" / "half.jpg").write_bytes(whole[: len(whole) // 2])
    cast = FolderCast(folder)
    half = next(p for p in cast.photos(cast.people[1]) if p.height == 900)
    assert cast.image(half.path, "h632") == whole[: len(whole) // 2]


def test_unknown_and_vanished_photographs(folder):
    cast = FolderCast(folder)
    ada = cast.people[0]
    photos = cast.photos(ada)
    for path in ("/x.jpg", f"/{ada.id}{'0' * 18}.jpg", "/900000001abc.jpg"):
        with pytest.raises(LookupError):
            cast.image(path, "h632")
    (folder / "Ada_Lovelace" / "0.jpg").unlink()
    with pytest.raises(LookupError):
        cast.image(photos[0].path, "h632")
    assert cast.find(1) is None


def test_held_back_photographs_are_new_pictures_and_never_served(folder):
    cast = FolderCast(folder, hold_back=2)
    ada, bo, _ = cast.people
    assert (ada.popularity, len(cast.photos(ada))) == (5.0, 4)
    assert len(cast.photos(bo)) == 3, "too few to hold one back"
    first, stranger = cast.new_pictures([str(ada.id), str(bo.id)], 6)
    assert first.data == (folder / "Ada_Lovelace" / "4.jpg").read_bytes()
    assert (first.faces[0].person_id, first.faces[0].name) == (str(ada.id), "Ada Lovelace")
    assert stranger.faces[0].person_id is None
    assert first.name != stranger.name
    assert len(cast.new_pictures([str(ada.id)], 1)) == 1
    decode(first.data, 40)


def test_changed_follows_the_files_dates(folder):
    cast = FolderCast(folder)
    today = datetime.now(UTC).date()
    yesterday = today - timedelta(days=1)
    assert set(cast.changed(yesterday, today)) == {p.id for p in cast.people}
    assert cast.changed(today - timedelta(days=9), today - timedelta(days=3)) == []


def test_a_folder_without_photographs_is_a_users_mistake(tmp_path):
    with pytest.raises(ConfigError, match=r"no photographs .*\{person\}/\{photo\}\.jpg"):
        FolderCast(tmp_path)
    with pytest.raises(ConfigError, match="no folder"):
        FolderCast(tmp_path / "absent")
