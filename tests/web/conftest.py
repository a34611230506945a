"""A browser, and the page of a version that knows a few people who do not exist."""

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from playwright.sync_api import expect, sync_playwright

from elenco.demo.synthetic import SyntheticCast
from elenco.export.web_server import serving
from elenco.faces.images import decode
from elenco.settings import Settings
from tests.web.version import export, make_version, synthetic

NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next((path for path in map(shutil.which, NAMES) if path), None)
PATIENCE = 60  # seconds: the machine may have other work as well
PEOPLE = 12
WIDTH, HEIGHT = 640, 360
# In a container Chromium has no sandbox of its own, and WebGL is computed in software.
FLAGS = (
    "--no-sandbox",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--ignore-gpu-blocklist",
    "--autoplay-policy=no-user-gesture-required",
    "--use-fake-device-for-media-stream",
)
expect.set_options(timeout=1000 * PATIENCE)


@dataclass(frozen=True)
class Site:
    """A version and its page.

    Attributes:
        folder: the exported page.
        settings: of the version.
        cast: whom it knows.
    """

    folder: Path
    settings: Settings
    cast: SyntheticCast


@pytest.fixture(scope="package")
def driver() -> Iterator[Any]:
    """Playwright, for these tests only: as long as it runs no other asyncio loop can."""
    if CHROMIUM is None:
        pytest.skip(f"needs Chromium, which is not on the PATH ({', '.join(NAMES)})")
    with sync_playwright() as driver:
        yield driver


@pytest.fixture(scope="package")
def cast() -> SyntheticCast:
    return SyntheticCast(PEOPLE)


@pytest.fixture(scope="package")
def site(tmp_path_factory: pytest.TempPathFactory, cast: SyntheticCast, driver: Any) -> Site:
    root = tmp_path_factory.mktemp("site")
    settings = make_version(root, synthetic(cast))
    return Site(export(root, settings), settings, cast)


@pytest.fixture(scope="package")
def url(site: Site) -> Iterator[str]:
    with serving(site.folder) as url:
        yield url


@pytest.fixture(scope="package")
def camera(tmp_path_factory: pytest.TempPathFactory, cast: SyntheticCast) -> Path:
    """What the browser's camera films: one person, in YUV4MPEG2."""
    picture = decode(cast.new_pictures([str(cast.people[0].id)], 2)[0].data, 40)
    frame = np.full((HEIGHT, WIDTH, 3), 110, np.uint8)
    small = cv2.resize(picture, (HEIGHT * picture.shape[1] // picture.shape[0], HEIGHT))
    left = (WIDTH - small.shape[1]) // 2
    frame[:, left : left + small.shape[1]] = small
    planes = cv2.cvtColor(frame, cv2.COLOR_RGB2YUV_I420).tobytes()
    path = tmp_path_factory.mktemp("camera") / "camera.y4m"
    path.write_bytes(
        f"YUV4MPEG2 W{WIDTH} H{HEIGHT} F10:1 Ip A1:1 C420\n".encode() + (b"FRAME\n" + planes) * 10
    )
    return path


@pytest.fixture(scope="package")
def browser(driver: Any, camera: Path) -> Iterator[Any]:
    browser = driver.chromium.launch(
        executable_path=CHROMIUM, args=[*FLAGS, f"--use-file-for-fake-video-capture={camera}"]
    )
    yield browser
    browser.close()


@contextmanager
def opening(browser: Any, url: str) -> Iterator[tuple[Callable[..., Any], list[str]]]:
    """Opens the page in contexts of their own; the list has the errors in its code."""
    errors: list[str] = []
    contexts = []

    def open_page(address: str = url, ready: bool = True, prepare: Any = None, **options: Any):
        context = browser.new_context(**options)
        contexts.append(context)
        context.set_default_timeout(1000 * PATIENCE)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        if prepare:
            prepare(page)
        page.goto(address)
        if ready:
            expect(page.locator("#file")).to_be_enabled()
        return page

    yield open_page, errors
    for context in contexts:
        context.close()


@pytest.fixture
def open_page(browser: Any, url: str) -> Iterator[Callable[..., Any]]:
    """Opens a page; an error in its code fails the test."""
    with opening(browser, url) as (open_page, errors):
        yield open_page
    assert errors == []


@pytest.fixture(scope="package")
def loaded(browser: Any, url: str) -> Iterator[tuple[Any, list[str]]]:
    with opening(browser, url) as (open_page, errors):
        yield open_page(), errors


@pytest.fixture
def page(loaded: tuple[Any, list[str]]) -> Iterator[Any]:
    """The page with its models loaded, for tests that only give it something to look at.

    Loading takes longer than looking: what a test leaves on it, the next one replaces.
    """
    page, errors = loaded
    yield page
    own, errors[:] = errors[:], []
    assert own == []


@pytest.fixture
def blank(open_page: Callable[..., Any], url: str) -> Any:
    """A page of the same origin and policy, without the app."""
    return open_page(f"{url}labels.json", ready=False)


def until(page: Any, what: str) -> Any:
    """Ask the page for a value until it is true.

    What playwright has for it the page's policy forbids.
    """
    return eventually(page, lambda: page.evaluate(what), what)


def eventually(page: Any, ask: Callable[[], Any], what: str) -> Any:
    """What `ask` answers as soon as that is true; the page goes on meanwhile."""
    deadline = time.monotonic() + PATIENCE
    while not (answer := ask()):
        assert time.monotonic() < deadline, f"never: {what}"
        page.wait_for_timeout(50)
    return answer


def known(site: Site) -> list[str]:
    return [str(person.id) for person in site.cast.people]


@pytest.fixture(scope="package")
def pictures(site: Site, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """New pictures: of one and two people in turn; the last of a stranger."""
    folder = tmp_path_factory.mktemp("pictures")
    paths = []
    for picture in site.cast.new_pictures(known(site), 6):
        path = folder / picture.name
        path.write_bytes(picture.data)
        paths.append(path)
    return paths


@pytest.fixture(scope="package")
def video(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds of a person who moves a little, then of another; 640x360, VP9."""
    path = tmp_path_factory.mktemp("video") / "scenes.webm"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"VP90"), 25, (WIDTH, HEIGHT))
    if not writer.isOpened():
        pytest.skip("needs an OpenCV that writes VP9")
    for scene, person in enumerate(known(site)[:2]):
        picture = decode(site.cast.new_pictures([person], 2)[0].data, 40)
        small = cv2.resize(picture, (HEIGHT * picture.shape[1] // picture.shape[0], HEIGHT))
        for number in range(50):
            frame = np.full((HEIGHT, WIDTH, 3), 30 + 180 * scene, np.uint8)
            left = 60 + 250 * scene + round(20 * np.sin(number / 8))
            frame[:, left : left + small.shape[1]] = small
            writer.write(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
    writer.release()
    return path
