"""The synthetic cast: deterministic, lazy, and broken only where it says so."""

import io
import itertools
from collections import Counter
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from elenco.demo.cast import SIZES, fit
from elenco.demo.names import PLAIN, TOTAL, name
from elenco.demo.synthetic import BROKEN, FEWEST, FIRST_ID, MOST, ODD, SyntheticCast
from elenco.errors import ImageError
from elenco.faces.images import decode, probe

REASON = {"html": "not_an_image", "truncated": "truncated", "empty": "empty", "tiny": "too_small"}


@pytest.fixture(scope="module")
def cast():
    return SyntheticCast(20)


def first_of_kind(cast, kind):
    return next(p for person in cast.people for p in cast.photos(person) if p.kind == kind)


def test_two_casts_of_one_seed_are_the_same_to_the_byte(cast):
    other = SyntheticCast(20)
    assert list(other.people) == list(cast.people)
    for person in cast.people[:3]:
        assert other.photos(person) == cast.photos(person)
        path = cast.photos(person)[0].path
        assert other.image(path, "h632") == cast.image(path, "h632")


def test_another_seed_is_another_cast(cast):
    other = SyntheticCast(20, seed=1)
    ours = {p.path for person in cast.people for p in cast.photos(person)}
    theirs = {p.path for person in other.people for p in other.photos(person)}
    assert not ours & theirs
    assert other.people[0].name != cast.people[0].name
    with pytest.raises(LookupError):
        other.image(next(iter(ours)), "h632")


def test_people_are_unique_and_less_popular_by_rank():
    people = SyntheticCast(10_000).people
    popularity = [person.popularity for person in people]
    assert all(a > b > 0 for a, b in itertools.pairwise(popularity))
    assert len({person.name for person in people}) == len(people)
    assert len({person.id for person in people}) == len(people)
    assert sum(person.department == "Acting" for person in people) == 10_000
    assert not any(person.adult for person in people)


def test_adult_entries_are_there_only_on_request():
    flags = [person.adult for person in SyntheticCast(100, adult=True).people]
    assert 0 < sum(flags) < 10


def test_paths_are_unique_and_known_only_to_the_cast(cast):
    paths = [p.path for person in cast.people for p in cast.photos(person)]
    assert len(set(paths)) == len(paths)
    for unknown in ("/x.jpg", "", "/" + "0" * 27 + ".jpg", paths[0][:-5] + "x.jpg"):
        with pytest.raises(LookupError):
            cast.image(unknown, "h632")
    with pytest.raises(LookupError):
        cast.image(paths[0], "w300")


def test_everyone_has_several_photographs_the_first_one_plain(cast):
    for person in cast.people:
        photos = cast.photos(person)
        assert FEWEST <= len(photos) <= MOST
        assert photos[0].kind == "plain"
        assert sum(p.kind != "plain" for p in photos) == 1


def test_ten_people_have_every_odd_kind():
    cast = SyntheticCast(9)
    kinds = Counter(p.kind for person in cast.people for p in cast.photos(person))
    assert set(kinds) == {"plain", *ODD}


@pytest.mark.parametrize("kind", ["plain", *sorted(set(ODD))])
def test_each_kind_is_what_it_says(cast, kind):
    data = cast.image(first_of_kind(cast, kind).path, "h632")
    if kind in BROKEN:
        with pytest.raises(ImageError) as caught:
            decode(data, 40)
        assert caught.value.reason == REASON[kind]
        return
    assert decode(data, 40).shape[2] == 3
    mode = {"grey": "L", "cmyk": "CMYK"}.get(kind, "RGB")
    assert Image.open(io.BytesIO(data)).mode == mode


@pytest.mark.parametrize("size", SIZES)
def test_sizes_are_those_stated_and_never_enlarged(cast, size):
    seen = set()
    for person in cast.people[:8]:
        photo = cast.photos(person)[0]
        kind, width, height = probe(cast.image(photo.path, size), 40)
        assert (kind, width, height) == ("JPEG", *fit(photo.width, photo.height, size))
        assert width <= photo.width
        assert height <= photo.height
        seen.add((photo.width, photo.height))
    assert len(seen) > 1


def test_photographs_of_a_person_are_more_alike_than_those_of_others(cast):
    def small(person, index):
        faces = [p for p in cast.photos(person) if p.kind == "plain"]
        rgb = decode(cast.image(faces[index].path, "w45"), 40).astype(float)
        middle = rgb[18:42, 12:33]
        return (middle - middle.mean()) / middle.std()

    people = list(cast.people[:10])
    first, second = ([small(p, i) for p in people] for i in (0, 1))
    distance = np.array([[np.abs(a - b).mean() for b in second] for a in first])
    assert distance.diagonal().mean() < distance[~np.eye(10, dtype=bool)].mean()


def test_days_add_photographs_and_take_none_away():
    before, after = SyntheticCast(200), SyntheticCast(200, day=5)
    added = set()
    for person in before.people:
        old, new = before.photos(person), after.photos(person)
        assert new[: len(old)] == old
        if len(new) > len(old):
            added.add(person.id)
            after.image(new[-1].path, "w45")
            with pytest.raises(LookupError):
                before.image(new[-1].path, "w45")
    today = datetime.now(UTC).date()
    assert 0 < len(added) < 60
    assert set(after.changed(today - timedelta(days=4), today)) == added
    assert set(after.changed(today, today)) < added
    assert after.changed(today - timedelta(days=30), today - timedelta(days=5)) == []


def test_new_pictures_are_not_served_and_say_who_they_show(cast):
    known = [str(person.id) for person in cast.people[:4]]
    served = {cast.image(p.path, "original") for p in cast.photos(cast.people[0])}
    pictures = cast.new_pictures(known, 5)
    assert [len(picture.faces) for picture in pictures] == [1, 2, 1, 2, 1]
    assert len({picture.name for picture in pictures}) == 5
    *ours, stranger = pictures
    assert stranger.faces[0].person_id is None
    assert stranger.faces[0].name is None
    for picture in ours:
        assert picture.data not in served
        height, width = decode(picture.data, 40).shape[:2]
        for face in picture.faces:
            assert face.person_id in known
            assert face.name == cast.find(int(face.person_id)).name
            x1, y1, x2, y2 = face.box
            assert 0 <= x1 < x2 <= width
            assert 0 <= y1 < y2 <= height
    assert cast.new_pictures(known, 5) == pictures


def test_new_pictures_with_nobody_known_are_of_a_stranger(cast):
    [picture] = cast.new_pictures(["287", "Someone_Else"], 3)
    assert picture.faces[0].person_id is None
    assert cast.new_pictures([], 0) == []


def test_find_knows_the_cast_alone(cast):
    assert cast.find(FIRST_ID) == cast.people[0]
    assert cast.find(FIRST_ID - 1) is None
    assert cast.find(FIRST_ID + len(cast.people)) is None


def test_a_cast_needs_actors_and_names():
    with pytest.raises(ValueError, match="actors"):
        SyntheticCast(0)
    with pytest.raises(ValueError, match="actors"):
        SyntheticCast(TOTAL)


@given(st.integers(0, 10**6), st.sets(st.integers(0, TOTAL - 1), max_size=50))
def test_names_of_a_seed_are_unique(seed, numbers):
    assert len({name(seed, number) for number in numbers}) == len(numbers)


def test_names_end():
    assert name(0, PLAIN).split()[1].endswith(".")
    with pytest.raises(ValueError, match="invented names"):
        name(0, TOTAL)


@given(st.integers(1, 5000), st.integers(1, 5000), st.sampled_from(SIZES))
def test_fit_keeps_the_bound_and_never_enlarges(width, height, size):
    w, h = fit(width, height, size)
    assert 1 <= w <= width
    assert 1 <= h <= height
    if size != "original":
        assert (w if size[0] == "w" else h) <= int(size[1:])
