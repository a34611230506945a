"""What TMDB's answers mean, without a server."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elenco.demo.answers import ERRORS, error
from elenco.errors import ElencoError, SourceError, TokenRefused, UnexpectedAnswer
from elenco.sources import tmdb_protocol as protocol

REQUESTS = [protocol.configuration(), protocol.popular(3), protocol.person("287")]
JSON = {"Content-Type": "application/json"}
HTML = b"<html><head><title>502 Bad Gateway</title></head></html>"
BASE = "https://image.test/t/p/h632"


def decipher(request, status, body, headers=JSON):
    if not isinstance(body, bytes):
        body = json.dumps(body).encode()
    return protocol.decipher(request, status, headers, body)


def popular(*entries, pages=1):
    return {"page": 1, "results": list(entries), "total_pages": pages, "total_results": 1}


def entry(**changes):
    actor = {"id": 1, "name": "A", "popularity": 2, "known_for_department": "Acting"}
    return actor | {"adult": False} | changes


def images(*profiles):
    return {"images": {"profiles": list(profiles)}}


def test_what_is_asked_for():
    assert protocol.popular(7) == protocol.Request("/person/popular", {"page": "7"})
    person = protocol.person("287")
    assert person.path == "/person/287"
    assert "images" in person.params["append_to_response"]


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda r: r.path)
@pytest.mark.parametrize("code", ERRORS)
def test_every_documented_error_is_one_line_of_the_right_kind(request_, code):
    status, message = ERRORS[code]
    kinds = {401: TokenRefused, 404: protocol.NotFound, 429: protocol.TryAgain}
    kind = protocol.TryAgain if status >= 500 else kinds.get(status, UnexpectedAnswer)
    with pytest.raises(SourceError) as caught:
        decipher(request_, status, error(code))
    text = str(caught.value)
    assert type(caught.value) is kind
    assert "\n" not in text
    if kind is TokenRefused:
        assert "ELENCO_TMDB__TOKEN" in text
    else:
        assert request_.path in text
    if kind is UnexpectedAnswer:
        assert message in text


def test_forbidden_is_about_the_token_too():
    with pytest.raises(TokenRefused, match="HTTP 403"):
        decipher(REQUESTS[0], 403, HTML)


@pytest.mark.parametrize(
    ("value", "after"),
    [("7", 7.0), ("0.5", 0.5), ("-3", 0.0), ("Wed, 21 Oct 2015 07:28:00 GMT", None), (None, None)],
)
@pytest.mark.parametrize(("status", "slow_down"), [(429, True), (503, False)])
def test_how_long_the_server_asks_to_wait(value, after, status, slow_down):
    headers = JSON if value is None else JSON | {"Retry-After": value}
    with pytest.raises(protocol.TryAgain) as caught:
        decipher(REQUESTS[1], status, error(25), headers)
    assert (caught.value.slow_down, caught.value.after) == (slow_down, after)


@pytest.mark.parametrize("status", [200, 301, 404, 410])
@pytest.mark.parametrize("body", [HTML, b"", b"\xff\xfe", b"[1, 2]", b"null", b'{"a":'])
def test_what_is_no_json_object_says_which_setting_to_look_at(status, body):
    with pytest.raises(UnexpectedAnswer, match="ELENCO_TMDB__API_URL") as caught:
        decipher(protocol.popular(1), status, body, {"Content-Type": "text/html"})
    assert not isinstance(caught.value, protocol.NotFound)
    assert "/person/popular" in str(caught.value)
    assert "text/html" in str(caught.value)


def test_a_long_message_of_many_lines_stays_one_line():
    with pytest.raises(UnexpectedAnswer) as caught:
        decipher(REQUESTS[0], 400, {"status_message": "no\n" * 5000})
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 1000


def test_configuration_gives_the_address_of_images():
    answer = {"images": {"secure_base_url": "https://i.test/t/p/", "profile_sizes": ["h632"]}}
    assert protocol.parse_configuration(answer, "h632") == "https://i.test/t/p/h632"
    with pytest.raises(UnexpectedAnswer, match=r"collect\.image_size to h632"):
        protocol.parse_configuration(answer, "w500")


def test_actors_alone_count_and_no_page_after_500_is_asked_for():
    people, last = protocol.parse_popular(
        popular(
            entry(),
            entry(id=2, known_for_department="Directing"),
            entry(id=3, adult=True),
            entry(id=4, known_for_department=None),
            entry(id=5, name="É", popularity=1.5),
            pages=98_000,
        )
    )
    assert [(p.id, p.name, p.popularity) for p in people] == [("1", "A", 2.0), ("5", "É", 1.5)]
    assert last == 500


def test_images_are_ranked_by_votes_then_size_and_cut_at_the_limit():
    answer = images(
        {"file_path": "/wide.jpg", "width": 900, "height": 1350},
        {"file_path": "/voted.jpg", "vote_average": 5.2, "vote_count": 3, "width": 10},
        {"file_path": "/narrow.png", "width": 300, "vote_average": None},
        {"file_path": "/wide.jpg", "width": 900, "height": 1350},
    )
    refs = protocol.parse_images(answer, "1", BASE, 10)
    assert [ref.key for ref in refs] == ["voted", "wide", "narrow"]
    assert [ref.url for ref in refs][::2] == [f"{BASE}/voted.jpg", f"{BASE}/narrow.png"]
    assert (refs[1].width, refs[1].height, refs[1].version) == (900, 1350, "h632")
    assert protocol.parse_images(answer, "1", BASE, 2) == refs[:2]
    assert protocol.parse_images(images(), "1", BASE, 2) == []


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
        popular(entry(), pages="many"),
    ],
)
def test_a_changed_list_of_people_is_named(answer):
    with pytest.raises(UnexpectedAnswer, match="/person/popular"):
        protocol.parse_popular(answer)


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"images": []},
        {"images": {"profiles": None}},
        images("a.jpg"),
        images({"file_path": None}),
        images({"path": "/a.jpg"}),
        images({"file_path": "/a.jpg", "vote_average": "good"}),
        images({"file_path": "/a.jpg", "width": [1]}),
        images({"file_path": "/a.jpg", "width": float("nan")}),
        images({"file_path": "/a.jpg", "height": float("inf")}),
        images({"file_path": ""}),
        images({"file_path": "/"}),
        images({"file_path": "/.jpg"}),
        images({"file_path": "/../../etc/passwd.jpg"}),
        images({"file_path": "/a/b.jpg"}),
        images({"file_path": "/a\n.jpg"}),
    ],
)
def test_a_changed_list_of_images_is_named(answer):
    with pytest.raises(UnexpectedAnswer, match="/person/287") as caught:
        protocol.parse_images(answer, "287", BASE, 10)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "answer", [{}, {"images": 1}, {"images": {"profile_sizes": []}}, {"images": {}}]
)
def test_a_changed_configuration_is_named(answer):
    with pytest.raises(UnexpectedAnswer, match="/configuration"):
        protocol.parse_configuration(answer, "h632")


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
def test_any_json_is_understood_or_refused_in_one_line(answer):
    for parse in (
        protocol.parse_popular,
        lambda a: protocol.parse_configuration(a, "h632"),
        lambda a: protocol.parse_images(a, "1", BASE, 5),
    ):
        refusal = ""
        try:
            parse(answer)
        except ElencoError as error:
            refusal = str(error)
        assert "\n" not in refusal
