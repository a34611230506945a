"""What TMDB's answers hold, without a server."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from elenco.errors import ElencoError, UnexpectedAnswer
from elenco.layout import safe_name
from elenco.sources import tmdb_answers as answers


def popular(*entries, pages=1):
    return {"page": 1, "results": list(entries), "total_pages": pages, "total_results": 1}


def entry(**changes):
    actor = {"id": 1, "name": "A", "popularity": 2, "known_for_department": "Acting"}
    return actor | {"adult": False} | changes


def without(name):
    found = entry()
    del found[name]
    return found


def person(*profiles, **changes):
    about = {"name": "A", "known_for_department": "Acting", "adult": False}
    return about | {"images": {"profiles": list(profiles)}} | changes


def test_configuration_gives_the_address_of_images():
    answer = {"images": {"secure_base_url": "https://i.test/t/p/", "profile_sizes": ["h632"]}}
    assert answers.parse_configuration(answer, "h632") == "https://i.test/t/p/h632"
    with pytest.raises(UnexpectedAnswer, match=r"collect\.image_size to h632"):
        answers.parse_configuration(answer, "w500")


def test_everybody_on_a_page_counts_and_no_page_after_500_is_asked_for():
    people, last = answers.parse_popular(
        popular(
            entry(),
            entry(id=2, known_for_department="Directing"),
            entry(id=3, adult=True),
            entry(id=4, known_for_department=None),
            entry(id=5, name="É", popularity=1.5),
            pages=98_000,
        )
    )
    actors = [c.person for c in people if c.actor and not c.adult]
    assert [(p.id, p.name, p.popularity) for p in actors] == [("1", "A", 2.0), ("5", "É", 1.5)]
    assert [(c.person.id, c.actor, c.adult) for c in people[1:4]] == [
        ("2", False, False),
        ("3", True, True),
        ("4", False, False),
    ]
    assert last == 500


def test_changes_are_ids_and_pages():
    answer = popular({"id": 5, "adult": None}, {"id": 7, "adult": True}, {"id": 5}, pages=3)
    assert answers.parse_changes(answer) == ({"5", "7"}, 3)


def test_images_are_ranked_by_votes_then_size():
    answer = person(
        {"file_path": "/wide.jpg", "width": 900, "height": 1350},
        {
            "file_path": "/voted.jpg",
            "vote_average": 5.2,
            "vote_count": 3,
            "width": 10,
            "iso_639_1": "fr",
        },
        {"file_path": "/counted.jpg", "vote_average": 5.2, "vote_count": 4, "width": 9},
        {"file_path": "/narrow.png", "width": 300, "vote_average": None},
        {"file_path": "/wide.jpg", "width": 900, "height": 1350},
    )
    refs = answers.parse_person(answer, "1", "h632").images
    assert [ref.key for ref in refs] == ["counted", "voted", "wide", "narrow"]
    assert [ref.url for ref in refs][1::2] == ["/voted.jpg", "/narrow.png"]
    assert (refs[2].width, refs[2].height, refs[2].version) == (900, 1350, "h632")
    assert (refs[1].vote_average, refs[1].vote_count, refs[1].language) == (5.2, 3, "fr")
    assert {ref.person_id for ref in refs} == {"1"}
    assert answers.parse_person(person(), "1", "h632").images == ()


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, ("A", True, False)),
        ({"name": None}, ("", True, False)),
        ({"known_for_department": "Directing"}, ("A", False, False)),
        ({"known_for_department": None}, ("A", False, False)),
        ({"adult": True}, ("A", True, True)),
        ({"adult": None}, ("A", True, False)),
    ],
)
def test_what_a_person_is_told_to_be(changes, told):
    found = answers.parse_person(person(**changes), "1", "h632")
    assert (found.name, found.actor, found.adult) == told


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"results": {}, "total_pages": 1},
        popular("a page of strings"),
        popular(entry(id="1")),
        popular(entry(id=True)),
        popular(entry(name=None)),
        popular(entry(popularity="high")),
        popular(entry(popularity=float("nan"))),
        popular(entry(popularity=10**400)),
        popular(without("known_for_department")),
        popular(entry(), pages="many"),
    ],
)
def test_a_changed_list_of_people_is_named(answer):
    with pytest.raises(UnexpectedAnswer, match="/person/popular"):
        answers.parse_popular(answer)


@pytest.mark.parametrize(
    "answer",
    [{}, popular("a page of strings"), popular({"id": "1"}), popular({}), popular(pages=None)],
)
def test_a_changed_list_of_changes_is_named(answer):
    with pytest.raises(UnexpectedAnswer, match="/person/changes"):
        answers.parse_changes(answer)


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"images": []},
        {"images": {"profiles": None}},
        person("a.jpg"),
        person({"file_path": None}),
        person({"path": "/a.jpg"}),
        person({"file_path": "/a.jpg", "vote_average": "good"}),
        person({"file_path": "/a.jpg", "width": [1]}),
        person({"file_path": "/a.jpg", "width": float("nan")}),
        person({"file_path": "/a.jpg", "height": float("inf")}),
        person({"file_path": "/a.jpg", "height": 10**400}),
        person({"file_path": "/a.jpg", "iso_639_1": 7}),
        person({"file_path": ""}),
        person({"file_path": "/"}),
        person({"file_path": "/.jpg"}),
        person({"file_path": "/../../etc/passwd.jpg"}),
        person({"file_path": "../../x.jpg"}),
        person({"file_path": "/..%2f..%2fx.jpg"}),
        person({"file_path": "/a/b.jpg"}),
        person({"file_path": "/a\\b.jpg"}),
        person({"file_path": "/a\n.jpg"}),
        person({"file_path": "//evil.test/a.jpg"}),
        person({"file_path": "http://evil.test/a.jpg"}),
        person({"file_path": "@evil.test/a.jpg"}),
        person({"file_path": "/a.jpg?b.jpg"}),
        person({"file_path": "/a.jpg#b.jpg"}),
        person({"file_path": f"/{'a' * 300}.jpg"}),
        person(name=7),
    ],
)
def test_a_changed_list_of_images_is_named(answer):
    with pytest.raises(UnexpectedAnswer, match="/person/287") as caught:
        answers.parse_person(answer, "287", "h632")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 1000


@given(st.text("/.\\:@%?#a-_\0é", max_size=12))
def test_a_file_path_names_one_file_or_is_refused(path):
    try:
        (ref,) = answers.parse_person(person({"file_path": path}), "1", "h632").images
    except UnexpectedAnswer:
        return
    assert safe_name(ref.key) == ref.key
    assert ref.url == f"/{path.removeprefix('/')}"
    assert not set(ref.url[1:]) & set("/\\:@%?#\0")


@pytest.mark.parametrize(
    "answer", [{}, {"images": 1}, {"images": {"profile_sizes": []}}, {"images": {}}]
)
def test_a_changed_configuration_is_named(answer):
    with pytest.raises(UnexpectedAnswer, match="/configuration"):
        answers.parse_configuration(answer, "h632")


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\n",
        b"null\n",
        b"[]\n",
        b'{"id": 1',
        b'{"id": "1", "popularity": 1}\n',
        b'{"id": true, "popularity": 1}\n',
        b'{"popularity": 1}\n',
        b'{"id": 1, "popularity": "high"}\n',
        b'{"id": 1, "popularity": NaN}\n',
        b'{"id": 1, "popularity": 1' + b"0" * 400 + b"}\n",
        b'{"id": 1, "popularity": 1, "name": 7}\n',
        b"\xff\xfe\n",
        b"[" * 60_000 + b"\n",
    ],
    ids=range(14),
)
def test_a_changed_export_is_named(line):
    with pytest.raises(UnexpectedAnswer, match="the id export"):
        list(answers.parse_export([b'{"id": 1, "popularity": 1}\n', line]))


def test_the_export_does_not_say_who_acts():
    lines = [
        json.dumps({"adult": False, "id": 7, "name": "É", "popularity": 1.5}).encode(),
        json.dumps({"adult": True, "id": 8, "name": "B", "popularity": 2}).encode(),
        json.dumps({"id": 9}).encode(),
    ]
    found = list(answers.parse_export(lines))
    assert [(c.person.id, c.person.name, c.person.popularity) for c in found] == [
        ("7", "É", 1.5),
        ("9", "", 0.0),
    ]
    assert {(c.actor, c.adult) for c in found} == {(None, False)}


WORDS = st.sampled_from(["", "x", "/a.jpg"])  # st.text() is slow to start in a clean clone
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), WORDS)
NAMES = st.sampled_from(
    [
        "images",
        "profiles",
        "results",
        "file_path",
        "width",
        "vote_average",
        "id",
        "total_pages",
        "name",
        "popularity",
        "secure_base_url",
        "profile_sizes",
        "known_for_department",
        "adult",
        "iso_639_1",
    ]
)
ANSWERS = st.dictionaries(
    NAMES,
    st.recursive(
        SCALARS,
        lambda inner: st.one_of(
            st.lists(inner, max_size=3), st.dictionaries(NAMES, inner, max_size=4)
        ),
        max_leaves=15,
    ),
)


@given(ANSWERS)
@example({"id": 10**400, "popularity": 10**400, "total_pages": 10**400, "results": []})
def test_any_json_is_understood_or_refused_in_one_line(answer):
    for parse in (
        answers.parse_popular,
        answers.parse_changes,
        lambda a: answers.parse_configuration(a, "h632"),
        lambda a: answers.parse_person(a, "1", "h632"),
        lambda a: list(answers.parse_export([json.dumps(a).encode()])),
    ):
        refusal = ""
        try:
            parse(answer)
        except ElencoError as error:
            refusal = str(error)
        assert "\n" not in refusal
