import json

import pytest

from elenco.demo.credits import CHARACTERS, MOVIES, cast_of
from elenco.demo.serve import running
from elenco.demo.synthetic import SyntheticCast
from elenco.errors import ConfigError, NotEnoughData, TermsNotAccepted
from elenco.types import Person
from elenco.xray.cast import Role, choose_cast, everyone, find_cast, read_cast, wanted_of
from tests.tmdb_help import tmdb_settings

PEOPLE = [
    Person("1", "Ana Lima"),
    Person("2", "Bo Berg"),
    Person("3", "Bo Berg"),
    Person("4", "Cy"),
]
ANA = Role("1", "Ana Lima", "The Pilot")


def write(tmp_path, name: str, text: str):
    path = tmp_path / name
    path.write_text(text)
    return path


LISTS = {
    "a.toml": """
[[person]]
id = 1
name = "Ana Lima"
character = "The Pilot"
[[person]]
id = "4"
""",
    "a.json": json.dumps([{"id": 1, "name": "Ana Lima", "character": "The Pilot"}, 4]),
    "b.json": json.dumps({"id": 9, "cast": [vars(ANA) | {"order": 0}, {"id": "4"}], "crew": []}),
    "a.csv": "name, character, id\nAna Lima, The Pilot, 1\n\n,,4\n",
    "b.csv": '\ufeffid,name,character\n1,"Ana Lima","The Pilot"\n4,,\n',
}


@pytest.mark.parametrize("name", LISTS)
def test_lists_of_all_forms(tmp_path, name):
    wanted = read_cast(write(tmp_path, name, LISTS[name]))
    assert wanted.source == "file"
    assert wanted.roles == (ANA, Role("4", ""))


def test_names_alone(tmp_path):
    wanted = read_cast(write(tmp_path, "a.json", '["Ana Lima", {"name": "Cy"}]'))
    assert wanted.roles == (Role("", "Ana Lima"), Role("", "Cy"))


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("a.toml", "", "lists nobody"),
        ("a.toml", "[[person", "can't be read"),
        ("a.toml", "[[person]]\ncharacter = 'x'\n", "person 1, has neither"),
        ("a.json", "[]", "lists nobody"),
        ("a.json", "{", "can't be read"),
        ("a.json", "[" * 100_000, "can't be read"),
        ("a.json", "[true]", "neither an id nor a name"),
        ("a.json", '[{"id": [1]}]', "has a id that is no text"),
        ("a.csv", "who,what\nx,y\n", "no column id or name"),
        ("a.csv", "id\n", "lists nobody"),
        ("a.txt", "Ana", "neither .toml nor"),
    ],
)
def test_what_is_no_cast_is_told_of_in_one_line(tmp_path, name, text, says):
    with pytest.raises(ConfigError) as caught:
        read_cast(write(tmp_path, name, text))
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_file_and_a_folder(tmp_path):
    with pytest.raises(ConfigError, match="there is no cast"):
        read_cast(tmp_path / "a.toml")
    with pytest.raises(ConfigError, match="no list"):
        read_cast(tmp_path)


def test_who_plays_twice_is_one_line():
    roles = [ANA, Role("1", "Ana Lima", "Her Twin"), Role("", "Cy"), Role("", " cy ", "A Dog")]
    wanted = wanted_of("file", roles)
    assert wanted.roles == (
        Role("1", "Ana Lima", "The Pilot / Her Twin"),
        Role("", "Cy", "A Dog"),
    )
    assert wanted.repeated == 2


def find(*roles: Role, denied=(), by_name=True):
    return find_cast(wanted_of("file", roles), PEOPLE, denied, by_name)


def test_a_cast_is_found_by_id_and_name():
    found = find(ANA, Role("", "CY"), Role("77", "Ed Odd"))
    assert found.candidates() == [0, 3]
    assert found.indices == (0, 3, None)
    assert [order for order, _ in found.roles] == [0, 1, 2]
    assert found.skipped == {"not_in_model": 1}


def test_another_sources_ids_are_known_by_name_only_if_that_may_be():
    role = Role("9001", "Ana Lima")
    assert find(role, ANA).skipped == {"repeated": 1}
    with pytest.raises(NotEnoughData, match="none of the 1"):
        find(role, by_name=False)


def test_a_name_of_two_people_is_told_of():
    with pytest.raises(ConfigError, match="2, 3: give the id"):
        find(Role("", "Bo Berg"))


def test_who_may_not_be_named_is_told_of_nowhere():
    found = find(ANA, Role("4", "Cy"), denied={"4"})
    assert found.skipped == {"denied": 1}
    assert "Cy" not in str(found)
    found = find_cast(everyone(), PEOPLE, {"4"}, True)
    assert found.candidates() == [0, 1, 2]
    assert found.skipped == {"denied": 1}


def test_a_cast_that_nobody_knows_says_what_to_do():
    with pytest.raises(NotEnoughData, match="--everyone"):
        find(Role("", "Nobody"))


def test_a_film_of_tmdb(settings):
    cast = SyntheticCast(20)
    with running(cast) as server:
        known = tmdb_settings(settings, server.api_url)
        known = known.model_copy(
            update={"tmdb": known.tmdb.model_copy(update={"token": type(known.tmdb.token)("demo")})}
        )
        wanted = choose_cast(None, 3, known)
        expected = cast_of(3, cast.people)
        with pytest.raises(ConfigError, match="no film 999"):
            choose_cast(None, 999, known)
    assert wanted.source == "tmdb"
    assert wanted.movie == 3
    assert wanted.roles == tuple(Role(str(p.id), p.name, c) for p, c in expected)


def test_tmdb_is_not_asked_without_an_agreement(settings):
    with pytest.raises(TermsNotAccepted):
        choose_cast(None, 1, settings)


def test_a_file_and_a_film_exclude_one_another(tmp_path, settings):
    with pytest.raises(ConfigError, match="give one"):
        choose_cast(tmp_path / "a.toml", 1, settings)


def test_the_demos_films():
    people = SyntheticCast(40, adult=True).people
    casts = [[p.id for p, _ in cast_of(n, people)] for n in range(1, MOVIES + 1)]
    assert all(len(set(cast)) == len(CHARACTERS) for cast in casts)
    assert len({tuple(cast) for cast in casts}) == MOVIES
    for person, _ in cast_of(2, people):
        assert person.department == "Acting"
        assert not person.adult
