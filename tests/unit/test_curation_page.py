"""The page of quarantined photographs."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from elenco.curation.quarantine import Alike, Entry, Quarantine, Someone
from elenco.faces.images import encode_jpeg
from elenco.report.quarantine import MOST, Likeness, quarantine_markdown, quarantine_page

NASTY = '<script>alert("1 & 2")</script>'
FACE = encode_jpeg(np.full((256, 256, 3), 90, np.uint8))


def entry(n=0, reason="wrong_person", **fields):
    made = Entry(f"p{n}/k", f"p{n}", f"Person {n}", "k", "train", reason, "detail", 0.9)
    return replace(made, **fields)


class Checked(HTMLParser):
    """Knows whether all that was opened is closed, in order."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags = [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag not in ("img", "meta"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def page(quarantine, likenesses=None, crop=lambda photograph: FACE):
    text = quarantine_page(quarantine, likenesses or {}, crop)
    checked = Checked(text)
    assert checked.open == []
    return text, checked.tags


def test_every_text_is_escaped():
    nasty = entry(id=NASTY, name=NASTY, detail=NASTY, other=NASTY)
    quarantine = Quarantine(
        "",
        [nasty, replace(nasty, reason="near_duplicate")],
        [nasty],
        [NASTY],
        [Alike(NASTY, NASTY, NASTY, NASTY, 0.9, 3)],
        [Someone(NASTY, NASTY, 2)],
        [Someone(NASTY, NASTY, 2)],
    )
    text, tags = page(quarantine, {NASTY: Likeness(NASTY, [NASTY])})
    assert "script" not in tags
    assert "<script" not in text
    assert "&lt;script&gt;" in text


def test_nothing_is_beside_the_page():
    text, tags = page(Quarantine("", [entry(n) for n in range(3)]))
    assert tags.count("img") == 3
    assert set(re.findall(r'src="([^,"]*)', text)) == {"data:image/jpeg;base64"}
    assert not re.search(r"https?://|@import|url\(|href=", text)
    assert "prefers-color-scheme: dark" in text


def test_long_lists_say_how_much_they_leave_out():
    text, tags = page(Quarantine("", [entry(n) for n in range(MOST + 1234)]))
    assert tags.count("li") == MOST
    assert "<h2>Somebody else (1,294)</h2>" in text
    assert "1,234 more are in quarantine.json." in text


def test_the_least_sure_come_first():
    entries = [entry(n, score=score) for n, score in enumerate((0.99, 0.51, 0.8))]
    text, _ = page(Quarantine("", entries))
    assert re.findall(r"<code>(p\d)/k", text) == ["p1", "p2", "p0"]
    copies = [replace(e, reason="near_duplicate", other="p9/k") for e in entries]
    text, _ = page(Quarantine("", copies))
    assert re.findall(r"<code>(p\d)/k", text) == ["p0", "p2", "p1"]


def test_faces_to_compare_with_stand_beside_the_face():
    like = {"p0": Likeness("Person 0", ["p0/a", "p0/b"]), "p9": Likeness("Nine", ["p9/a"])}
    text, tags = page(Quarantine("", [entry(reason="looks_like_another", other="p9")]), like)
    assert tags.count("img") == 4
    assert "<b>Person 0</b> or Nine?" in text
    assert re.findall(r'title="([^"]*)"', text) == ["p0/k", "p0/a", "p0/b", "p9/a"]


def test_a_face_that_is_gone_or_damaged_is_said_to_be():
    text, tags = page(Quarantine("", [entry()]), crop=lambda photograph: None)
    assert "img" not in tags
    assert "no picture" in text
    text, _ = page(Quarantine("", [entry()]), crop=lambda photograph: b"\xff\xd8\xff")
    assert "truncated" in text


def test_an_empty_quarantine():
    text, _ = page(Quarantine())
    assert "No photograph is left out." in text
    assert "<h2>" not in text


@pytest.mark.parametrize("kept", [[], ["p1/k"]])
def test_the_summary_has_numbers_and_no_faces(kept):
    quarantine = Quarantine("", [entry(), entry(1, "unusable")], [], kept)
    text = quarantine_markdown(quarantine, "data/x/quarantine.html", 1000)
    assert "2 of 1,000 photographs" in text
    assert "| Somebody else | 1 |\n| Unusable | 1 |" in text
    assert f"- {len(kept)} kept by an operator" in text
    assert "`data/x/quarantine.html`" in text
    assert "Person" not in text
    assert "data:" not in text
