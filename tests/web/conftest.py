"""A browser, and the page of a version that knows a few people who do not exist."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from elenco.demo.synthetic import SyntheticCast
from elenco.export.web_server import serving
from elenco.faces.images import decode
from elenco.settings import Settings
from tests.web.version import export, make_version, synthetic

playwright = pytest.importorskip(
    "playwright.sync_api", reason="needs playwright, which is not here"
)

CHROMIUM = shutil.which("chromium")
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


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    root = tmp_path_factory.mktemp("site")
    cast = SyntheticCast(PEOPLE)
    settings = make_version(root, synthetic(cast))
    return Site(export(root, settings), settings, cast)


@pytest.fixture(scope="session")
def url(site: Site) -> Iterator[str]:
    with serving(site.folder) as url:
        yield url


@pytest.fixture(scope="session")
def driver() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("needs Chromium (/usr/bin/chromium), which is not here")
    with playwright.sync_playwright() as driver:
        yield driver


@pytest.fixture(scope="session")
def camera(tmp_path_factory: pytest.TempPathFactory, site: Site) -> Path:
    """What the browser's camera films: one person, in YUV4MPEG2."""
    picture = decode(site.cast.new_pictures([known(site)[0]], 2)[0].data, 40)
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


@pytest.fixture(scope="session")
def browser(driver: Any, camera: Path) -> Iterator[Any]:
    browser = driver.chromium.launch(
        executable_path=CHROMIUM, args=[*FLAGS, f"--use-file-for-fake-video-capture={camera}"]
    )
    yield browser
    browser.close()


@pytest.fixture
def open_page(browser: Any, url: str) -> Iterator[Callable[..., Any]]:
    """Opens the page in a context of its own; an error in its code fails the test."""
    errors: list[str] = []
    contexts = []

    def open_page(address: str = url, ready: bool = True, prepare: Any = None, **options: Any):
        context = browser.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        if prepare:
            prepare(page)
        page.goto(address)
        if ready:
            playwright.expect(page.locator("#file")).to_be_enabled(timeout=60_000)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert errors == []


@pytest.fixture
def page(open_page: Callable[..., Any]) -> Any:
    """The page with its models loaded."""
    return open_page()


def known(site: Site) -> list[str]:
    return [str(person.id) for person in site.cast.people]


@pytest.fixture(scope="session")
def pictures(site: Site, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """New pictures: of one and two people in turn; the last of a stranger."""
    folder = tmp_path_factory.mktemp("pictures")
    paths = []
    for picture in site.cast.new_pictures(known(site), 6):
        path = folder / picture.name
        path.write_bytes(picture.data)
        paths.append(path)
    return paths


@pytest.fixture(scope="session")
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
