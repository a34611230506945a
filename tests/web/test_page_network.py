"""Nothing leaves the machine, and no model is used that is not the one that was exported."""

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

from tests.web.conftest import eventually, until
from tests.web.servers import Collector, plainly_serving, serving_with

TRY = """async (url) => {
  const attempts = { fetch: () => fetch(url + "fetch"), import: () => import(url + "import.js") };
  const said = {};
  for (const [name, attempt] of Object.entries(attempts)) {
    said[name] = await attempt().then(() => "went out", (error) => error.constructor.name);
  }
  return said;
}"""
BLOCKED = {"fetch": "TypeError", "import": "TypeError"}
TRY_ON_THE_PAGE = """(url) => {
  globalThis.blocked = [];
  document.addEventListener("securitypolicyviolation", ({ effectiveDirective, blockedURI }) => {
    // Of a frame only the origin is told.
    const what = blockedURI.replace(url, "").replace(new URL(url).origin, "frame");
    blocked.push(`${effectiveDirective} ${what}`);
  });
  const make = (tag, rest) => Object.assign(document.createElement(tag), rest);
  fetch(url + "fetch").catch(() => {});
  navigator.sendBeacon(url + "beacon", "x");
  make("img", { src: url + "image.png" });
  document.head.append(make("script", { src: url + "script.js" }));
  document.head.append(make("script", { textContent: "globalThis.ran = true" }));
  document.head.append(make("link", { rel: "stylesheet", href: url + "style.css" }));
  document.body.append(make("iframe", { src: url + "frame" }));
  const form = make("form", { action: url + "form", method: "post", target: "target" });
  document.body.append(make("iframe", { name: "target" }), form);
  form.submit();
}"""
TRIED = {
    "fetch": "connect-src",
    "beacon": "connect-src",
    "image.png": "img-src",
    "script.js": "script-src-elem",
    "inline": "script-src-elem",
    "style.css": "style-src-elem",
    "frame": "frame-src",
    "form": "form-action",
}


@pytest.fixture
def elsewhere() -> Iterator[tuple[str, list[str]]]:
    """Another site's address, and what it was asked for."""
    with serving_with(Collector) as served:
        yield served


def test_no_request_leaves_the_origin_whatever_is_looked_at(
    open_page, url, pictures, video, tmp_path
):
    asked: list[str] = []
    page = open_page(
        prepare=lambda page: page.context.on("request", lambda one: asked.append(one.url)),
        permissions=["camera"],
    )
    page.set_input_files("#file", pictures[0])
    expect(page.locator("#count")).to_contain_text("face")
    page.set_input_files("#file", video)
    expect(page.locator("#said")).to_contain_text("On screen")
    page.click("#camera")
    expect(page.locator("#stop")).to_be_visible()
    expect(page.locator("#said")).to_contain_text("screen", ignore_case=True)
    page.click("#stop")
    (tmp_path / "words.txt").write_text("no picture")
    page.set_input_files("#file", tmp_path / "words.txt")
    expect(page.get_by_role("alert")).to_contain_text("not a picture")
    assert len(asked) > 20
    outside = [one for one in asked if not one.startswith((url, f"blob:{url.rstrip('/')}"))]
    assert outside == []
    # And of the pictures nothing goes back to the own server either.
    assert all(not urlsplit(one).query or "sha256=" in one for one in asked)


def test_another_site_would_be_reached_without_the_policy(browser, elsewhere):
    """Or the tests below would show nothing."""
    site, asked = elsewhere
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{site}page")
    page.evaluate(TRY_ON_THE_PAGE, site)
    assert page.evaluate("globalThis.ran")
    wanted = {f"/{path}" for path in TRIED if path != "inline"}
    eventually(page, lambda: wanted <= set(asked), "everything asked of the other site")
    context.close()


def is_blocked_on(page, site) -> None:
    page.evaluate(TRY_ON_THE_PAGE, site)
    for path, directive in TRIED.items():
        until(page, f"blocked.includes('{directive} {path}')")
    assert page.evaluate("globalThis.ran ?? false") is False


def test_the_policy_blocks_what_tries(open_page, elsewhere):
    site, asked = elsewhere
    is_blocked_on(open_page(), site)
    assert asked == []


def test_the_worker_can_reach_nobody_either(page, elsewhere):
    site, asked = elsewhere
    (worker,) = page.workers
    assert worker.evaluate(TRY, site) == BLOCKED
    assert asked == []


def test_any_web_server_can_hand_it_out_and_the_policy_still_holds(
    site, open_page, pictures, elsewhere
):
    other, asked = elsewhere
    with plainly_serving(site.folder) as plain_url:
        page = open_page(plain_url)
        page.set_input_files("#file", pictures[0])
        expect(page.locator("#count")).to_contain_text("face")
        (worker,) = page.workers
        assert worker.evaluate(TRY, other) == BLOCKED
        is_blocked_on(page, other)
        page.context.close()
    assert asked == []


def alert_when(open_page, pattern, answer) -> str:
    """What the page says when requests of a pattern are answered otherwise."""
    page = open_page(ready=False, prepare=lambda page: page.context.route(pattern, answer))
    alert = page.get_by_role("alert")
    expect(alert).not_to_be_empty()
    expect(page.locator("#file")).to_be_disabled()
    expect(page.locator("#loading")).to_be_hidden()
    return alert.inner_text()


def test_a_model_with_another_byte_is_not_used(open_page, site):
    body = bytearray((site.folder / "models/embedder/weights.bin").read_bytes())
    body[1000] ^= 1
    said = alert_when(
        open_page,
        "**/models/embedder/weights.bin*",
        lambda route: route.fulfill(body=bytes(body), content_type="application/octet-stream"),
    )
    assert "models/embedder/weights.bin is not the file that was exported" in said
    assert "Reload the page" in said


def test_a_model_that_was_cut_short_is_not_used(open_page, site):
    body = (site.folder / "models/onet/weights.bin").read_bytes()[:-100]
    said = alert_when(
        open_page,
        "**/models/onet/weights.bin*",
        lambda route: route.fulfill(body=body, content_type="application/octet-stream"),
    )
    assert f"models/onet/weights.bin is not the file that was exported ({len(body)} of" in said


@pytest.mark.parametrize("name", ["meta.json", "labels.json", "models/pnet/model.json"])
def test_a_missing_file_is_said(open_page, name):
    said = alert_when(open_page, f"**/{name}*", lambda route: route.fulfill(status=404, body="no"))
    assert "is missing (HTTP 404)" in said


def test_a_server_that_is_gone_is_said(open_page):
    said = alert_when(open_page, "**/models/rnet/weights.bin*", lambda route: route.abort())
    assert "could not be fetched" in said


def test_a_module_that_is_missing_is_said(open_page):
    said = alert_when(open_page, "**/detector.js", lambda route: route.fulfill(status=404, body=""))
    assert "Reload the page" in said


def test_models_of_another_release_are_not_used(open_page):
    said = alert_when(
        open_page,
        "**/meta.json",
        lambda route: route.fulfill(body='{"schema": 99}', content_type="application/json"),
    )
    assert "exported by another release" in said


def test_a_device_that_computes_otherwise_is_found_out(open_page, site):
    text = (site.folder / "meta.json").read_text()
    wrong = text.replace('"last": [', '"last": [7.0, ', 1)
    said = alert_when(
        open_page,
        "**/meta.json",
        lambda route: route.fulfill(body=wrong, content_type="application/json"),
    )
    assert "computes" in said
