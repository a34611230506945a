"""The page in use: by keyboard, by screen reader, on a phone, in the dark, and when things fail."""

import base64
import re

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from elenco.rights.notice import TMDB_NOTICE
from tests.web.conftest import eventually

AA = 4.5  # contrast of text (WCAG 2.2, 1.4.3)
CONTRAST = """() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const luminance = (colours) => {
    canvas.clearRect(0, 0, 1, 1);
    for (const colour of colours) {
      canvas.fillStyle = colour;
      canvas.fillRect(0, 0, 1, 1);
    }
    const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data].map((value) => {
      const part = value / 255;
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (node) => {
    const colours = [];
    for (let at = node; at; at = at.parentElement) {
      colours.unshift(getComputedStyle(at).backgroundColor);
    }
    return colours;
  };
  const selector = "h1, h2, p, label, button, legend, b, .name, .probability";
  return [...document.querySelectorAll(selector)]
    .filter((node) => node.checkVisibility() && node.textContent && !node.closest("#faces"))
    .map((node) => {
      const ground = behind(node);
      const pair = [luminance(ground), luminance([...ground, getComputedStyle(node).color])];
      const ratio = (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
      return [node.textContent.trim().slice(0, 30), ratio];
    });
}"""

PORTRAITS = """() => [...document.querySelectorAll("#results canvas")].map((canvas) =>
  [...canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data]
    .filter((_, i) => i % 4 === 1))"""


def see(page, picture):
    page.set_input_files("#file", picture)
    expect(page.locator("#said")).to_contain_text("face")


def with_choosers(open_page):
    """A page, and what waits for its first file chooser.

    It listens from the start: one that opens as playwright begins to listen is lost.
    """
    choosers = []
    page = open_page(prepare=lambda page: page.on("filechooser", lambda one: choosers.append(one)))
    return page, lambda: eventually(page, lambda: choosers, "a file chooser")[0]


def name_of(site, number):
    return list(site.cast.people)[number].name


def test_a_picture_is_shown_with_names_on_its_faces_and_in_the_list(page, site, pictures):
    see(page, pictures[1])
    names = page.locator("#results .name").all_inner_texts()
    assert len(names) == 2
    assert set(names) <= {person.name for person in site.cast.people}
    for number, name in enumerate(names, 1):
        item = page.get_by_role("listitem").nth(number - 1)
        assert re.fullmatch(rf"{number}\s+{name}\s+\d+\.\d%", item.inner_text())
    tags = page.locator("#faces .tag").all_inner_texts()
    assert [tag.split()[0] for tag in tags] == ["1", "2"]
    # The faces beside the names are those of the picture: no two alike, and none of one colour.
    portraits = page.evaluate(PORTRAITS)
    assert len({tuple(pixels) for pixels in portraits}) == 2
    assert all(np.std(pixels) > 10 for pixels in portraits)
    assert page.get_by_role("status").inner_text() == f"2 faces: {', '.join(names)}."


def test_who_is_not_known_is_unknown(page, pictures):
    see(page, pictures[-1])
    expect(page.get_by_role("status")).to_have_text("1 face: unknown.")
    expect(page.locator("#faces .tag")).to_contain_text("unknown")


def test_a_picture_without_a_face_says_so(page, tmp_path):
    Image.new("RGB", (200, 150), "teal").save(tmp_path / "teal.png")
    page.set_input_files("#file", tmp_path / "teal.png")
    expect(page.get_by_role("status")).to_have_text("No face.")
    expect(page.get_by_role("listitem")).to_have_count(0)


def test_everything_can_be_done_by_keyboard(open_page, pictures):
    page, chosen = with_choosers(open_page)
    page.keyboard.press("Tab")
    expect(page.locator("#file")).to_be_focused()
    outline = page.locator("label[for=file]").evaluate(
        "(node) => getComputedStyle(node).outlineStyle"
    )
    assert outline == "solid"
    page.keyboard.press("Enter")
    chosen().set_files(pictures[0])
    expect(page.get_by_role("status")).to_contain_text("1 face")
    page.keyboard.press("Tab")
    expect(page.locator("#camera")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_role("radio", name="what suits this device")).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("radio", name="WebAssembly")).to_be_checked()
    expect(page.locator("#about")).to_contain_text("WebAssembly")
    expect(page.locator("#notice")).to_have_text(TMDB_NOTICE)
    assert "backend=wasm" in page.url


def test_an_empty_stage_asks_for_a_file(open_page):
    page, chosen = with_choosers(open_page)
    page.locator("#hint").click()
    assert chosen().element.get_attribute("id") == "file"


def test_a_screen_reader_finds_names_for_everything(page, pictures):
    see(page, pictures[0])
    tree = page.locator("body").aria_snapshot()
    for line in (
        'heading "Who is on screen?" [level=1]',
        'region "What to look at"',
        'button "Choose a picture or video"',
        'button "Use camera"',
        'img "The picture that was chosen"',
        'region "Faces"',
        'list "Faces and who they are"',
        "status:",
        'group "Computed with"',
        'radio "what suits this device" [checked]',
        'radio "WebGL"',
    ):
        assert line in tree, line
    assert page.get_attribute("#faces", "aria-hidden") == "true"  # the list says the same
    assert page.get_attribute("#problem", "role") == "alert"
    assert page.get_attribute("html", "lang") == "en"


def test_loading_has_a_named_bar(open_page):
    page = open_page(ready=False)
    assert 'progressbar "Loading the models"' in page.locator("body").aria_snapshot()
    expect(page.locator("#file")).to_be_enabled()
    expect(page.locator("#loading")).to_be_hidden()


def test_a_video_is_followed_from_scene_to_scene(page, site, video):
    page.set_input_files("#file", video)
    expect(page.locator("#results .name").first).to_have_text(name_of(site, 0))
    expect(page.locator("#results .name").first).to_have_text(name_of(site, 1))
    expect(page.get_by_role("status")).to_contain_text("On screen")
    assert page.locator("#video").get_attribute("controls") is not None
    page.get_by_role("button", name="Stop").press("Enter")
    expect(page.locator("#video")).to_be_hidden()
    expect(page.locator("#results li")).to_have_count(0)
    expect(page.locator("#file")).to_be_focused()


def test_the_camera_is_named_and_let_go_of(open_page, site):
    page = open_page(permissions=["camera"])
    page.get_by_role("button", name="Use camera").click()
    shown = page.get_by_role("status")
    expect(shown).to_contain_text(f"On screen: {name_of(site, 0)}")
    page.evaluate("globalThis.stream = document.querySelector('#video').srcObject")
    page.get_by_role("button", name="Stop").click()
    assert page.evaluate("stream.getTracks().map((track) => track.readyState)") == ["ended"]


NO_CAMERA = """(name) => {
  const refuse = () => Promise.reject(new DOMException("refused", name));
  navigator.mediaDevices.getUserMedia = refuse;
}"""


def alert_of(page):
    alert = page.get_by_role("alert")
    expect(alert).not_to_be_empty()
    return alert.inner_text()


def test_a_camera_that_is_refused_is_said_and_forgotten_with_the_next_picture(page, pictures):
    page.evaluate(NO_CAMERA, "NotAllowedError")
    page.click("#camera")
    assert alert_of(page).startswith("The camera was refused. Allow it")
    see(page, pictures[0])
    expect(page.get_by_role("alert")).to_be_empty()


def test_no_camera_is_said(page):
    page.evaluate(NO_CAMERA, "NotFoundError")
    page.click("#camera")
    assert alert_of(page) == "There is no camera. Choose a picture or video instead."


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("words.txt", b"hello", "“words.txt” is not a picture that this browser can read"),
        ("words.jpg", b"hello", "“words.jpg” is not a picture"),
        ("nothing.png", b"", "“nothing.png” is not a picture"),
        ("words.mp4", b"hello", "“words.mp4” is not a video that this browser can play"),
    ],
)
def test_a_file_that_is_no_picture_and_no_video_is_said(page, tmp_path, name, data, said):
    (tmp_path / name).write_bytes(data)
    page.set_input_files("#file", tmp_path / name)
    assert said in alert_of(page)
    expect(page.locator("#hint")).to_be_visible()


def test_half_a_picture_is_no_picture(page, pictures, tmp_path):
    data = pictures[0].read_bytes()
    (tmp_path / "half.jpg").write_bytes(data[: len(data) // 2])
    page.set_input_files("#file", tmp_path / "half.jpg")
    assert "“half.jpg” is not a picture" in alert_of(page)


def test_sizes_that_can_not_be_searched_are_said(page, tmp_path):
    Image.new("RGB", (10, 10)).save(tmp_path / "tiny.png")
    page.set_input_files("#file", tmp_path / "tiny.png")
    assert "10×10 pixels: too small" in alert_of(page)
    Image.new("L", (8000, 6000)).save(tmp_path / "huge.png")
    page.set_input_files("#file", tmp_path / "huge.png")
    expect(page.get_by_role("alert")).to_contain_text("more than 40 million")


def test_of_two_pictures_the_later_one_is_shown(page, pictures):
    page.set_input_files("#file", pictures[1])
    page.set_input_files("#file", pictures[-1])
    expect(page.get_by_role("status")).to_have_text("1 face: unknown.")
    expect(page.get_by_role("listitem")).to_have_count(1)


def test_a_picture_can_be_dropped_and_pasted(page, pictures):
    give = """([kind, text]) => {
      const data = new DataTransfer();
      const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
      data.items.add(new File([bytes], "given.jpg", { type: "image/jpeg" }));
      const options = { bubbles: true, cancelable: true };
      const event = kind === "paste"
        ? new ClipboardEvent(kind, { ...options, clipboardData: data })
        : new DragEvent(kind, { ...options, dataTransfer: data });
      document.body.dispatchEvent(event);
    }"""

    for kind, picture, faces in (
        ("drop", pictures[0], "1 face"),
        ("paste", pictures[1], "2 faces"),
    ):
        page.evaluate(give, [kind, base64.b64encode(picture.read_bytes()).decode()])
        expect(page.get_by_role("status")).to_contain_text(faces)


def test_a_phone_shows_it_all_without_scrolling_sideways(open_page, pictures):
    page = open_page(viewport={"width": 320, "height": 700}, has_touch=True, is_mobile=True)
    for width in (320, 375):
        page.set_viewport_size({"width": width, "height": 700})
        see(page, pictures[1])
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        stage = page.locator("#stage").bounding_box()
        for tag in page.locator("#faces .tag").all():
            box = tag.bounding_box()
            assert box["x"] >= stage["x"] - 1
            assert box["x"] + box["width"] <= stage["x"] + stage["width"] + 1
        for control in ("label[for=file]", "#camera"):
            assert page.locator(control).bounding_box()["height"] >= 40


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read_in_light_and_dark(page, pictures, scheme, tmp_path):
    page.emulate_media(color_scheme=scheme)
    see(page, pictures[1])
    ratios = page.evaluate(CONTRAST)
    (tmp_path / "words.txt").write_text("no picture")
    page.set_input_files("#file", tmp_path / "words.txt")
    alert_of(page)
    ratios += page.evaluate(CONTRAST)
    assert len(ratios) > 15
    assert [(text, ratio) for text, ratio in ratios if ratio < AA] == []
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (int(re.findall(r"\d+", ground)[0]) < 128) is (scheme == "dark")
