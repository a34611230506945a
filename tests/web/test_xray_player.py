"""The player of `elenco xray`, opened from disk."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import pytest
from playwright.sync_api import expect

from elenco.demo.film import write_film
from elenco.faces.images import encode_jpeg
from elenco.xray.files import write_xray
from elenco.xray.outputs import write_outputs
from elenco.xray.types import XRay
from elenco.xray.webvtt import captions_vtt, metadata_vtt
from tests.conftest import ROOT
from tests.web.conftest import PATIENCE, until
from tests.web.servers import plainly_serving
from tests.xray_document import document, write_faces
from tests.xray_help import head, patterns, stays, take, wall, write_video

SIZE = (320, 180)
EVIL = "</script><img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def film(tmp_path_factory) -> Path:
    """Two people, then one of them, then nobody; two seconds each."""
    path = tmp_path_factory.mktemp("film") / "a film #1.webm"
    takes = [
        take(1, stays(head(0, 1), 0.25), stays(head(1, 1), 0.65), seconds=2.0),
        take(2, stays(head(0, 2), 0.25), seconds=2.0),
        take(3, seconds=2.0),
    ]
    options = {"deadline": "realtime", "cpu-used": "8", "b": "400k", "g": "25"}
    write_film(path, takes, size=SIZE, codec="libvpx-vp9", options=options)
    return path


def described() -> XRay:
    """That film; somebody who is not in it is said to be there to the end."""
    return document(
        [("p0", "Ana Lima", "Rosa", [(0.0, 2.0), (2.04, 4.0)]), ("p1", EVIL, None, [(0.0, 2.0)])],
        [[(3.0, 4.0)]],
        duration=6.0,
        size=SIZE,
        scenes=((0.0, 2.0), (2.0, 4.0), (4.0, 6.0)),
    )


def written(xray: XRay, video: Path, out: Path) -> str:
    write_xray(xray, out)
    write_faces(xray, out, encode_jpeg(wall(1)[:64, :64]))
    write_outputs(xray, video, out, annotated=False)
    return (out / "index.html").as_uri()


@pytest.fixture(scope="module")
def address(film, tmp_path_factory) -> str:
    return written(described(), film, film.parent / "out")


@pytest.fixture
def open_player(browser, address) -> Iterator[Callable[..., Any]]:
    """Opens a page; an error, a dialog, or anything asked of a network fails the test."""
    wrong: list[str] = []
    contexts = []

    def open_player(at: str = address, plays: bool = True, blocks: bool = False, **options):
        context = browser.new_context(**options)
        context.set_default_timeout(1000 * PATIENCE)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("dialog", lambda dialog: (wrong.append(dialog.message), dialog.dismiss()))
        page.on(
            "request",
            lambda asked: (
                asked.url.startswith(("file:", "blob:")) or wrong.append(f"asked {asked.url}")
            ),
        )
        page.on(
            "console",
            lambda said: blocks or "Content Security" not in said.text or wrong.append(said.text),
        )
        page.goto(at)
        if plays:
            until(page, "video.readyState >= 2")
        return page

    yield open_player
    for context in contexts:
        context.close()
    assert wrong == []


def seeks_to(page, seconds: float) -> None:
    """The frame that is shown is the one that begins then."""
    until(page, f"!video.seeking && Math.abs(video.currentTime - {seconds} - 0.02) < 0.015")


def names_here(page) -> list[str]:
    return page.locator("#here .name").all_inner_texts()


def test_pausing_shows_who_is_there(open_player):
    page = open_player()
    page.evaluate("video.play()")
    expect(page.locator("#stage")).not_to_have_class("shown")
    page.evaluate("video.pause()")
    expect(page.locator("#stage")).to_have_class("shown")
    page.evaluate("video.currentTime = 0.5")  # whenever it came to stand still
    expect(page.locator("#said")).to_have_text(f"0:00: Ana Lima as Rosa, {EVIL}")
    assert names_here(page) == ["Ana Lima", EVIL]
    expect(page.locator(".box span")).to_have_text(["Ana Lima", EVIL])
    # The box is where the document has it: a fifth from the left of the picture.
    stage, box = page.locator("#stage").bounding_box(), page.locator(".box").first.bounding_box()
    assert abs((box["x"] - stage["x"]) / stage["width"] - 0.2) < 0.01
    assert abs(box["width"] / stage["width"] - 0.1) < 0.01


def test_hovering_shows_boxes_while_it_plays(open_player):
    page = open_player()
    page.evaluate("() => { video.loop = true; video.play(); }")
    stage = page.locator("#stage")
    expect(stage).not_to_have_class("shown")
    stage.hover()
    expect(stage).to_have_class("shown")
    page.mouse.move(1, 1)
    expect(stage).not_to_have_class("shown")
    page.get_by_label("Boxes while it plays").check()
    expect(stage).to_have_class("shown")


def test_who_comes_and_goes_as_it_plays(open_player):
    page = open_player()
    page.evaluate("video.play()")
    expect(page.locator("#here .name")).to_have_text(["Ana Lima"])
    expect(page.locator("#here .name")).to_have_text(["Ana Lima", "Unknown 1"])
    expect(page.locator("#nobody")).to_be_visible(timeout=10_000)
    assert page.locator(".row.on").count() == 0


def test_clicking_an_appearance_or_a_scene_goes_there(open_player):
    page = open_player()
    page.get_by_role("button", name="Ana Lima, 0:02 to 0:04").click()
    seeks_to(page, 2.04)
    assert names_here(page) == ["Ana Lima"]
    expect(page.locator("#said")).to_have_text("0:02: Ana Lima as Rosa")
    page.get_by_role("button", name="Scene 3, 0:04 to 0:06: nobody").click()
    seeks_to(page, 4.0)
    expect(page.locator("#nobody")).to_be_visible()
    expect(page.locator(".box")).to_have_count(0)
    page.get_by_role("button", name="Unknown 1, 0:03 to 0:04").click()
    seeks_to(page, 3.0)
    # Beside an appearance: the nearest one.
    strip = page.get_by_role("group", name="Unknown 1: on screen once")
    strip.click(position={"x": 5, "y": 5})
    seeks_to(page, 3.0)


def test_a_film_whose_clock_does_not_begin_at_zero(open_player, film, tmp_path):
    """A part that was cut out of another; browsers begin it at 5 s, or count from there."""
    path = tmp_path / "later.webm"
    with av.open(str(film)) as source, av.open(str(path), "w") as target:
        [stream] = source.streams
        copy = target.add_stream_from_template(stream)
        for packet in source.demux(stream):
            if packet.dts is not None:
                later = int(5 / packet.time_base)
                packet.pts, packet.dts, packet.stream = packet.pts + later, packet.dts + later, copy
                target.mux(packet)
    page = open_player(written(described(), path, tmp_path / "out"))
    expect(page.locator("#clock")).to_have_text("0:00")
    expect(page.locator("#problem")).to_have_text("")
    assert names_here(page) == ["Ana Lima", EVIL]
    begin = page.evaluate("zero")
    assert begin in (0, 5)
    page.get_by_role("button", name="Ana Lima, 0:02 to 0:04").click()
    seeks_to(page, begin + 2.04)
    assert names_here(page) == ["Ana Lima"]


def test_the_keyboard_is_enough(open_player):
    page = open_player()
    page.keyboard.press("ArrowRight")
    seeks_to(page, 5.0)
    page.keyboard.press("ArrowLeft")
    until(page, "video.currentTime < 0.1")
    page.keyboard.press("Space")
    until(page, "!video.paused")
    page.locator("#video").focus()  # whose own keys are not to undo it
    page.keyboard.press("Space")
    until(page, "video.paused")
    assert page.evaluate("video.currentTime") < 5
    page.keyboard.press("ArrowRight")
    until(page, "!video.seeking && video.currentTime > 5")
    assert page.evaluate("document.activeElement.id") == "video"

    def focused() -> str:
        return page.evaluate("document.activeElement.ariaLabel ?? document.activeElement.id")

    stops = []
    for _ in range(20):
        page.keyboard.press("Tab")
        stops.append(focused())
        if stops[-1].startswith("Scene"):
            break
    # One stop a timeline, and arrows from there.
    page.keyboard.press("ArrowRight")
    assert focused().startswith("Scene 2")
    page.keyboard.press("Enter")
    seeks_to(page, 2.0)
    page.keyboard.press("ArrowDown")
    assert focused().startswith("Ana Lima, 0:02")
    style = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert style == "solid"
    page.keyboard.press("Home")
    assert focused().startswith("Ana Lima, 0:00")
    page.keyboard.press("Tab")
    assert focused().startswith(EVIL)
    page.keyboard.press("ArrowUp")
    page.keyboard.press("End")
    page.keyboard.press("Enter")
    seeks_to(page, 2.04)
    page.keyboard.press("Shift+Tab")
    assert focused().startswith("Scene 2")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_scrolls_down_only(open_player, scheme):
    page = open_player(viewport={"width": 390, "height": 844}, color_scheme=scheme, has_touch=True)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    stage = page.locator("#stage").bounding_box()
    assert stage["width"] > 340
    assert stage["width"] / stage["height"] == pytest.approx(16 / 9, abs=0.02)
    for row in page.locator(".strip").all():
        assert row.bounding_box()["height"] >= 30
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(22, 24, 28)"
    assert dark == (scheme == "dark")


def test_boxes_lie_on_the_picture_in_full_screen_too(open_player):
    page = open_player(viewport={"width": 800, "height": 800})
    page.get_by_role("button", name="Full screen").click()
    until(page, "document.fullscreenElement !== null && stage.clientHeight === innerHeight")
    # It is in the middle as soon as the page has heard of its new size.
    until(page, "Math.abs(boxes.offsetTop + boxes.clientHeight / 2 - innerHeight / 2) < 2")
    picture, box = page.evaluate(
        "[boxes, document.querySelector('.box')].map(e => e.getBoundingClientRect().toJSON())"
    )
    assert picture["width"] / picture["height"] == pytest.approx(16 / 9, abs=0.02)
    assert abs(box["x"] - picture["x"] - 0.2 * picture["width"]) < 3


def test_screen_readers_are_told(open_player):
    page = open_player()
    assert page.locator("#said").get_attribute("role") == "status"
    page.get_by_role("button", name="Ana Lima, 0:02 to 0:04, 90 % sure").click()
    expect(page.locator("#said")).to_have_text("0:02: Ana Lima as Rosa")
    lit = page.locator("[aria-current=true]")
    assert {one.get_attribute("aria-label").split(",")[0] for one in lit.all()} == {
        "Scene 2",
        "Ana Lima",
    }
    unnamed = page.evaluate(
        "[...document.querySelectorAll('button,input,video')].filter(e => !(e.ariaLabel ||"
        " e.textContent.trim() || e.labels?.length)).map(e => e.outerHTML)"
    )
    assert unnamed == []


def test_a_video_that_is_gone_is_asked_for(open_player, film, tmp_path):
    page = open_player(written(described(), tmp_path / "gone.webm", tmp_path), plays=False)
    expect(page.locator("#missing")).to_be_visible()
    # Without it the timelines say who is there.
    page.get_by_role("button", name="Ana Lima, 0:02 to 0:04").click()
    assert names_here(page) == ["Ana Lima"]
    expect(page.locator("#said")).to_have_text("0:02: Ana Lima as Rosa")
    page.get_by_label("Open the video").set_input_files(film)
    expect(page.locator("#missing")).to_be_hidden()
    seeks_to(page, 2.04)  # where it was
    expect(page.locator(".box span")).to_have_text(["Ana Lima"])
    expect(page.locator("#problem")).to_be_empty()


def test_a_video_that_no_browser_plays_is_told_of(open_player, film, tmp_path):
    mpeg4 = write_video(tmp_path / "old.mp4", patterns(10, 320, 180))
    page = open_player(written(described(), mpeg4, tmp_path / "out"), plays=False)
    expect(page.locator("#why")).to_contain_text("this browser cannot play it")
    page.get_by_label("Open the video").set_input_files(mpeg4)
    expect(page.locator("#why")).to_contain_text("--burn-in")
    other = tmp_path / "other.webm"
    options = {"deadline": "realtime", "cpu-used": "8"}
    write_film(other, [take(3, seconds=1.0)], size=SIZE, codec="libvpx-vp9", options=options)
    page.get_by_label("Open the video").set_input_files(other)
    expect(page.locator("#problem")).to_contain_text("is it the same?")


def test_nothing_could_be_sent_out(open_player):
    page = open_player(blocks=True)
    typed = page.evaluate(
        """() => {
          globalThis.blocked = [];
          document.addEventListener("securitypolicyviolation", (event) =>
            blocked.push(event.effectiveDirective));
          const make = (tag, rest) => Object.assign(document.createElement(tag), rest);
          fetch("file:///fetch").catch(() => {});
          document.head.append(make("link", { rel: "stylesheet", href: "x.css" }));
          document.body.append(make("iframe", { src: "x.html" }));
          document.body.append(make("img", { src: "data:image/gif;base64,R0lGODlhAQABAAAAACw=" }));
          let typed = "";
          try { document.body.innerHTML = "x"; } catch (error) { typed = error.name; }
          return typed;
        }"""
    )
    assert typed == "TypeError"
    for directive in ("connect-src", "frame-src", "img-src", "style-src-elem"):
        until(page, f"blocked.includes('{directive}')")


def test_the_page_moves_with_its_folder_and_video(open_player, film, address, tmp_path):
    shutil.copytree(film.parent, tmp_path / "elsewhere")
    page = open_player((tmp_path / "elsewhere" / "out" / "index.html").as_uri())
    loaded = page.evaluate(
        "Promise.all([...document.querySelectorAll('#cast .face')].map(i => i.decode()))"
        ".then(all => all.length)"
    )
    assert loaded == 2


def test_a_browser_reads_the_tracks(browser):
    xray = described()
    page = browser.new_page()
    cues = page.evaluate(
        """async (texts) => {
          const video = document.createElement("video");
          return Promise.all(texts.map((text, n) => new Promise((done, failed) => {
            const track = document.createElement("track");
            track.kind = n ? "captions" : "metadata";
            track.onload = () => done([...track.track.cues].map((cue) =>
              [cue.startTime, cue.endTime,
               n ? cue.getCueAsHTML().textContent : JSON.parse(cue.text)]));
            track.onerror = failed;
            track.src = URL.createObjectURL(new Blob([text], { type: "text/vtt" }));
            video.append(track);
            track.track.mode = "hidden";
          })));
        }""",
        [metadata_vtt(xray), captions_vtt(xray)],
    )
    page.close()
    metadata, captions = cues
    assert [[p["name"] for p in said["people"]] for *_, said in metadata] == [
        ["Ana Lima", EVIL],
        ["Ana Lima"],
        ["Ana Lima"],
    ]
    assert [c[:2] for c in metadata] == [c[:2] for c in captions] == [[0, 2], [2.04, 3], [3, 4]]
    assert [text for *_, text in captions] == [
        f"Ana Lima (Rosa) · {EVIL}",
        "Ana Lima (Rosa)",
        "Ana Lima (Rosa) · Unknown 1",
    ]


WATCH = """() => {
  const boxes = document.querySelector("#boxes");
  globalThis.seen = [];
  new MutationObserver(() => {
    const texts = [...boxes.children].map(({ textContent }) => textContent).join(" + ");
    if (texts && texts !== seen.at(-1)) seen.push(texts);
  }).observe(boxes, { childList: true });
  document.querySelector("video").play();
}"""

# In one go: the page makes new boxes for every frame.
FIRST_BOX = """(() => {
  const box = document.querySelector("#boxes div");
  return box && box.offsetLeft / box.offsetParent.offsetWidth;
})()"""


def test_the_page_of_the_documentation_draws_who_is_there(browser, film, address, tmp_path):
    [_, page_of_docs] = (ROOT / "docs" / "xray.md").read_text().split("```html\n")
    (tmp_path / "page.html").write_text(page_of_docs.split("```")[0])
    (tmp_path / "film.mp4").symlink_to(film)
    (tmp_path / "xray").symlink_to(film.parent / "out")
    with plainly_serving(tmp_path) as server, browser.new_context() as context:
        page = context.new_page()
        page.goto(f"{server}page.html")
        page.evaluate(WATCH)
        left = until(page, FIRST_BOX)
        assert abs(left - 0.2) < 0.01
        until(page, "document.querySelector('video').ended")
        assert page.evaluate("seen") == [
            f"Ana Lima + {EVIL}",
            "Ana Lima",
            "Ana Lima + Unknown 1",
        ]
        expect(page.locator("#boxes div")).to_have_count(0)
