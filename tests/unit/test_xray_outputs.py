"""Each form is read by a reader of its own, which knows nothing of how it was written."""

import csv
import io
import json
import os
import re
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elenco.errors import ConfigError
from elenco.xray.annotations import annotations
from elenco.xray.files import write_xray
from elenco.xray.outputs import address_of, check_outputs, output_paths, write_outputs
from elenco.xray.player import player_page
from elenco.xray.presence import TOLERANCE, box_at, presences, thinned
from elenco.xray.screen_time import screen_time_csv
from elenco.xray.text import one_line
from elenco.xray.types import Box
from elenco.xray.webvtt import captions_vtt, metadata_vtt
from tests.unit.test_xray_types import track
from tests.xray_document import document

HOSTILE = [
    "</script><script>alert(1)</script>",
    "--> 00:00:01.000",
    "a\r\n\r\nb",
    "NOTE\n\nx",
    '=HYPERLINK("http://example.com";"x")',
    "{{script}}",
    "<b>&amp;</b>",
    'quoted "x", with a comma',
    "\u202eevil\u2066",
    "محمد",
    "\u2028line",
    "nul\x00",
    "-1+1",
]
TIMING = re.compile(
    r"(\d\d+):([0-5]\d):([0-5]\d)\.(\d{3}) --> (\d\d+):([0-5]\d):([0-5]\d)\.(\d{3})"
)


def read_vtt(text: str) -> list[tuple[float, float, str]]:
    """Start, end and payload of each cue: WebVTT (W3C), section 4, without identifiers."""
    assert "\r" not in text
    assert "\x00" not in text
    header, *blocks = text.removesuffix("\n").split("\n\n")
    assert header == "WEBVTT"
    cues = []
    for block in blocks:
        timing, *payload = block.split("\n")
        found = TIMING.fullmatch(timing)
        assert found, timing
        assert payload
        assert not any("-->" in line or not line for line in payload)
        h, m, s, ms, *end = map(int, found.groups())
        start = 3600 * h + 60 * m + s + ms / 1000
        h, m, s, ms = end
        cues.append((start, 3600 * h + 60 * m + s + ms / 1000, "\n".join(payload)))
    assert all(start < end for start, end, _ in cues)
    assert [c[0] for c in cues] == sorted(c[0] for c in cues)
    return cues


def cue_text(payload: str) -> str:
    """What is read: the characters that WebVTT lets nobody write are escaped, tags are none."""
    assert not re.search(r"<|>|&(?!(amp|lt|gt);)", payload)
    for escape, character in (("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&")):
        payload = payload.replace(escape, character)
    return payload


def film():
    return document(
        [
            ("1", "Ana Lima", "Rosa", [(0.0, 5.0), (20.5, 30.0)]),
            ("2", "Bo", None, [(3.25, 8.0)]),
        ],
        [[(8.0, 9.0)], [(25.0, 26.001)]],
        duration=3700.0,
        scenes=((0.0, 10.0), (10.0, 3700.0)),
    )


def hostile():
    names = [(f"{text}{n}", text, text, [(2.0 * n, 2.0 * n + 1)]) for n, text in enumerate(HOSTILE)]
    xray = document(names)
    return xray.model_copy(
        update={"video": xray.video.model_copy(update={"name": "</title>{{data}}.mp4"})}
    )


def test_metadata_says_who_is_there_at_each_moment():
    xray = film()
    cues = read_vtt(metadata_vtt(xray))
    for time in (0.0, 3.2, 3.25, 4.99, 5.0, 7.9, 8.0, 8.99, 9.0, 20.5, 25.5, 26.001, 29.9, 30.0):
        there = [json.loads(text) for start, end, text in cues if start <= time < end]
        assert len(there) <= 1
        said = there[0] if there else {"people": [], "unknown": []}
        on = [t for t in xray.tracks if t.start <= time < t.end]
        assert {p["id"] for p in said["people"]} == {t.person for t in on} - {None}
        assert {u["id"] for u in said["unknown"]} == {t.unknown for t in on} - {None}
        whose = {t["id"] for who in (*said["people"], *said["unknown"]) for t in who["tracks"]}
        assert {t.id for t in on} <= whose
    first = json.loads(cues[0][2])["people"][0]
    assert (first["name"], first["character"]) == ("Ana Lima", "Rosa")
    assert "character" not in json.loads(cues[2][2])["people"][0]


def test_boxes_of_the_metadata_are_those_of_the_tracks():
    xray = film()
    for start, end, text in read_vtt(metadata_vtt(xray)):
        said = json.loads(text)
        for one in (t for who in (*said["people"], *said["unknown"]) for t in who["tracks"]):
            real = xray.tracks[one["id"]]
            assert (one["start"], one["end"]) == (real.start, real.end)
            told = real.model_copy(update={"boxes": tuple(Box(*box) for box in one["boxes"])})
            for time in (start, (start + end) / 2, end - 0.05):
                assert box_at(told, time) == pytest.approx(box_at(real, time), abs=TOLERANCE)


def test_captions():
    said = [(a, b, cue_text(text)) for a, b, text in read_vtt(captions_vtt(film()))]
    assert said == [
        (0.0, 3.25, "Ana Lima (Rosa)"),
        (3.25, 5.0, "Ana Lima (Rosa) · Bo"),
        (5.0, 8.0, "Bo"),
        (8.0, 9.0, "Unknown 1"),
        (20.5, 25.0, "Ana Lima (Rosa)"),
        (25.0, 26.001, "Ana Lima (Rosa) · Unknown 2"),
        (26.001, 30.0, "Ana Lima (Rosa)"),
    ]


def test_hours():
    xray = document([("1", "A", None, [(3599.999, 360_000.5)])], duration=400_000.0)
    [(start, end, _)] = read_vtt(captions_vtt(xray))
    assert (start, end) == (3599.999, 360_000.5)


def test_hostile_names_stay_in_their_cue():
    cues = read_vtt(metadata_vtt(hostile()))
    assert [json.loads(text)["people"][0]["name"] for *_, text in cues] == HOSTILE
    captions = [cue_text(text) for *_, text in read_vtt(captions_vtt(hostile()))]
    assert len(captions) == len(HOSTILE)
    assert captions[0] == f"{HOSTILE[0]} ({HOSTILE[0]})"
    assert captions[2] == "a b (a b)"
    assert not any("\u202e" in text for text in captions)


@given(
    st.lists(
        st.tuples(st.integers(0, 50), st.integers(1, 20)), min_size=1, max_size=6, unique=True
    ),
    st.lists(st.tuples(st.integers(0, 50), st.integers(1, 20)), max_size=3, unique=True),
)
def test_presences_are_what_appearances_are(first, second):
    def spans(pairs):
        return [(float(start), float(start + length)) for start, length in pairs]

    people = [("a", "A", None, spans(first))]
    xray = document(people + ([("b", "B", None, spans(second))] if second else []))
    found = list(presences(xray))
    assert all(one.end <= other.start for one, other in pairwise(found))
    for half in range(1, 160):
        time = half / 2 + 0.25
        there = [s.who.id for p in found if p.start <= time < p.end for s in p.shown]
        wanted = [p.id for p in xray.people for a in p.appearances if a.start <= time < a.end]
        assert there == wanted


@given(st.lists(st.tuples(*[st.floats(0, 1)] * 4), min_size=1, max_size=30))
def test_thinned_boxes_are_where_all_were(places):
    boxes = tuple(Box(n / 5, *place) for n, place in enumerate(places))
    few = thinned(boxes)
    assert (few[0], few[-1]) == (boxes[0], boxes[-1])
    assert set(few) <= set(boxes)
    left = track(boxes=few)
    for box in boxes:
        assert box_at(left, box.t) == pytest.approx(box, abs=TOLERANCE + 1e-9)


def test_a_face_that_stays_has_two_boxes():
    assert len(thinned([Box(n / 5, 0.1, 0.2, 0.3, 0.4) for n in range(100)])) == 2


def test_annotations():
    xray = film()
    text = json.loads(json.dumps(annotations(xray, "../a%20film.mp4")))
    assert text["@context"][0] == "http://www.w3.org/ns/anno.jsonld"
    assert text["type"] == "AnnotationCollection"
    page = text["first"]
    assert page["type"] == "AnnotationPage"
    assert text["total"] == len(page["items"]) == 5
    ids = [text["id"], page["id"], *(item["id"] for item in page["items"])]
    assert len(set(ids)) == len(ids)
    assert all(i.startswith("urn:uuid:") for i in ids)
    appearances = [(who, a) for who in (*xray.people, *xray.unknown) for a in who.appearances]
    for item, (who, appearance) in zip(page["items"], appearances, strict=True):
        assert (item["type"], item["motivation"]) == ("Annotation", "identifying")
        assert item["body"]["schema:identifier"] == str(who.id)
        assert item["body"]["value"] == getattr(who, "name", f"Unknown {who.id}")
        for target, number in zip(item["target"], appearance.tracks, strict=True):
            assert urlsplit(target["id"]).path == "../a%20film.mp4"
            when, where = urlsplit(target["id"]).fragment.split("&")
            start, end = map(float, when.removeprefix("t=npt:").split(","))
            real = xray.tracks[number]
            assert (start, end) == (real.start, real.end)
            # Whole numbers, as Media Fragments URI 1.0 has them, of pixels that hold each box.
            x, y, w, h = map(int, where.removeprefix("xywh=pixel:").split(","))
            assert min(w, h) > 0
            width, height = xray.video.width, xray.video.height
            rounding = 1e-5
            for box in real.boxes:
                assert x - rounding <= width * box.x
                assert width * (box.x + box.w) <= x + w + rounding
                assert y - rounding <= height * box.y
                assert height * (box.y + box.h) <= y + h + rounding
    assert annotations(xray, "x")["first"]["items"][0]["body"]["schema:characterName"] == "Rosa"


def test_screen_time():
    text = screen_time_csv(film())
    assert text.count("\r\n") == text.count("\n") == 5
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert [row["name"] for row in rows] == ["Ana Lima", "Bo", "Unknown 1", "Unknown 2"]
    assert rows[0] == {
        "id": "1",
        "name": "Ana Lima",
        "character": "Rosa",
        "seconds": "14.5",
        "share": "0.0039",
        "appearances": "2",
        "first": "0.0",
        "last": "30.0",
    }
    assert rows[2]["id"] == ""


def test_no_name_is_a_formula():
    rows = list(csv.reader(io.StringIO(screen_time_csv(hostile()), newline="")))
    assert len(rows) == 1 + len(HOSTILE)
    assert all(len(row) == 8 for row in rows)
    for row, name in zip(rows[1:], HOSTILE, strict=True):
        assert not any(cell[:1] in "=+-@\t\r＝" for cell in row[:3] if cell)
        assert row[1].removeprefix("'") == one_line(name)


class Page(HTMLParser):
    """Elements, and the text in those that hold no elements."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict]] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        self.texts.append("")

    def handle_data(self, data):
        if self.texts:
            self.texts[-1] += data

    def all(self, tag: str) -> list[tuple[dict, str]]:
        pairs = zip(self.found, self.texts, strict=True)
        return [(attributes, text) for (name, attributes), text in pairs if name == tag]


def test_names_are_data_on_the_page_and_nothing_else():
    plain = Page(player_page(film(), "film.mp4"))
    page = Page(player_page(hostile(), "film.mp4"))
    tags = [tag for tag, _ in plain.found]
    assert [tag for tag, _ in page.found] == tags
    (attributes, data), (_, script) = page.all("script")
    assert attributes["type"] == "application/json"
    assert [p["name"] for p in json.loads(data)["people"]] == [one_line(n) for n in HOSTILE]
    assert "alert" not in script
    assert page.all("title")[0][1].strip() == "Who is on screen in </title>{{data}}.mp4"


def test_the_page_has_what_is_on_screen():
    xray = film()
    data = json.loads(Page(player_page(xray, "../a.mp4")).all("script")[0][1])
    assert data["source"] == "../a.mp4"
    spans = [[(a, b) for a, b, _ in one["spans"]] for one in data["people"]]
    people = (*xray.people, *xray.unknown)
    assert spans == [[(a.start, a.end) for a in one.appearances] for one in people]
    owners = [who.id for who in people]
    for drawn, real in zip(data["tracks"], xray.tracks, strict=True):
        assert owners[drawn["who"]] == (real.person or real.unknown)


def test_the_page_asks_for_nothing():
    page = Page(player_page(film(), "film.mp4"))
    [policy] = [a["content"] for a, _ in page.all("meta") if "http-equiv" in a]
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["default-src"] == "'none'"
    assert "unsafe" not in policy
    assert "http" not in policy
    for tag in ("link", "iframe", "object", "form", "base"):
        assert not page.all(tag)
    for attributes, _ in (*page.all("script"), *page.all("img"), *page.all("video")):
        assert "src" not in attributes


@pytest.mark.parametrize("part", ["cast", "model"])
def test_tmdbs_words_are_shown_for_what_is_tmdbs(part):
    of_tmdb = getattr(film(), part).model_copy(update={"source": "tmdb"})
    page = player_page(film().model_copy(update={part: of_tmdb}), "film.mp4")
    words = "uses TMDB and the TMDB APIs but is not endorsed"
    assert words in page
    assert words not in player_page(film(), "film.mp4")


def test_nobody_at_all():
    xray = document([])
    assert read_vtt(captions_vtt(xray)) == read_vtt(metadata_vtt(xray)) == []
    assert annotations(xray, "a")["first"]["items"] == []
    assert screen_time_csv(xray).count("\r\n") == 1
    assert Page(player_page(xray, "a")).all("title")


@pytest.mark.parametrize("name", ["a b.mp4", "100%#?.mp4", "x:y.mp4", "ä'\".mp4", "a\udcff.mp4"])
def test_the_video_is_found_from_the_folder(tmp_path, name):
    (tmp_path / "films").mkdir()
    film_path = tmp_path / "films" / name
    address = address_of(film_path, tmp_path / "out" / "x")
    assert re.fullmatch(r"[A-Za-z0-9_.~/%-]+", address)
    back = os.fsdecode(unquote(address, errors="surrogateescape"))
    assert (tmp_path / "out" / "x" / back).resolve() == film_path.resolve()


def test_what_is_missing_or_old_is_written_and_the_rest_left(tmp_path):
    xray = film()
    write_xray(xray, tmp_path)
    video = tmp_path / "film.mp4"
    paths = write_outputs(xray, video, tmp_path, annotated=False)
    assert paths == output_paths(tmp_path, annotated=False)
    assert all(path.is_file() for path in paths)
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in paths}
    (tmp_path / "captions.vtt").unlink()
    (tmp_path / "screen_time.csv").write_text("old")
    write_outputs(xray, video, tmp_path, annotated=False)
    assert {path: path.read_bytes() for path in paths} == {p: b for p, (b, _) in before.items()}
    left = {p for p, (_, time) in before.items() if p.stat().st_mtime_ns == time}
    assert {p.name for p in set(paths) - left} == {"captions.vtt", "screen_time.csv"}


def test_what_is_somebody_elses_is_not_written_over(tmp_path):
    (tmp_path / "index.html").write_text("<h1>My films</h1>")
    with pytest.raises(ConfigError, match="another --out"):
        check_outputs(Path("film.mp4"), tmp_path, annotated=False)
    other = tmp_path / "other"
    write_outputs(film(), tmp_path / "film.mp4", other, annotated=False)
    check_outputs(Path("film.mp4"), other, annotated=True)
    with pytest.raises(ConfigError, match="written over"):
        check_outputs(other / "annotated.mp4", other, annotated=True)
