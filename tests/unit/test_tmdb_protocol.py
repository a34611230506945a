"""What is asked of TMDB, and whether there is an answer, without a server."""

import json
from datetime import date

import pytest

from elenco.demo.answers import ERRORS, error
from elenco.errors import SourceError, TokenRefused, UnexpectedAnswer
from elenco.sources import tmdb_protocol as protocol

DAY = date(2026, 2, 3)
REQUESTS = [
    protocol.configuration(),
    protocol.popular(3),
    protocol.changes(DAY, DAY, 1),
    protocol.person("287"),
]
JSON = {"Content-Type": "application/json"}
HTML = b"<html><head><title>502 Bad Gateway</title></head></html>"


def decipher(request, status, body, headers=JSON):
    if not isinstance(body, bytes):
        body = json.dumps(body).encode()
    return protocol.decipher(request, status, headers, body)


def test_what_is_asked_for():
    assert protocol.popular(7) == protocol.Request("/person/popular", {"page": "7"})
    person = protocol.person("287")
    assert person.path == "/person/287"
    assert "images" in person.params["append_to_response"]
    days = {"start_date": "2026-02-03", "end_date": "2026-02-14"}
    changes = protocol.changes(DAY, date(2026, 2, 14), 2)
    assert changes == protocol.Request("/person/changes", days | {"page": "2"})
    assert protocol.export_file(DAY) == "person_ids_02_03_2026.json.gz"


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
    [
        ("7", 7.0),
        ("0.5", 0.5),
        ("-3", 0.0),
        ("nan", 0.0),
        ("Wed, 21 Oct 2015 07:28:00 GMT", None),
        (None, None),
    ],
)
@pytest.mark.parametrize(("status", "slow_down"), [(429, True), (503, False)])
def test_how_long_the_server_asks_to_wait(value, after, status, slow_down):
    headers = JSON if value is None else JSON | {"Retry-After": value}
    with pytest.raises(protocol.TryAgain) as caught:
        decipher(REQUESTS[1], status, error(25), headers)
    assert (caught.value.slow_down, caught.value.after) == (slow_down, after)


NO_OBJECTS = [HTML, b"", b"\xff\xfe", b"[1, 2]", b"null", b'{"a":', b"[" * 100_000]


@pytest.mark.parametrize("status", [200, 301, 404, 410])
@pytest.mark.parametrize("body", NO_OBJECTS, ids=range(len(NO_OBJECTS)))
def test_what_is_no_json_object_says_which_setting_to_look_at(status, body):
    with pytest.raises(UnexpectedAnswer, match="ELENCO_TMDB__API_URL") as caught:
        decipher(protocol.popular(1), status, body, {"Content-Type": "text/html"})
    assert not isinstance(caught.value, protocol.NotFound)
    assert isinstance(caught.value, protocol.NotJson) == (status == 200)
    assert "/person/popular" in str(caught.value)
    assert "text/html" in str(caught.value)


def test_a_long_message_of_many_lines_stays_one_line():
    for body, headers in (
        ({"status_message": "no\n" * 5000}, JSON),
        (HTML, {"Content-Type": "x" * 8000}),
    ):
        with pytest.raises(UnexpectedAnswer) as caught:
            decipher(REQUESTS[0], 400, body, headers)
        assert "\n" not in str(caught.value)
        assert len(str(caught.value)) < 1000
