"""The page of the version in use, in Chromium: bytes, seconds to the first answer, frames a second.

    python benchmarks/web.py [--backend wasm] [--pictures 40] [--seconds 15]

Pictures are portraits of people who do not exist, 421x632; the video is 640x360, 25 frames a
second, of two of them who move, with a cut after each four seconds. Needs playwright and Chromium;
what else runs on the machine counts, so its load is printed.
"""

import argparse
import os
import shutil
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
from playwright.sync_api import Page, expect, sync_playwright

from elenco.demo.synthetic import SyntheticCast
from elenco.export.web import export_web
from elenco.export.web_server import serving
from elenco.faces.images import decode
from elenco.layout import Layout
from elenco.settings import load_settings

# In a container Chromium has no sandbox of its own.
FLAGS = ["--no-sandbox", "--autoplay-policy=no-user-gesture-required"]
SOFTWARE = ["--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist"]
WIDTH, HEIGHT, RATE, SCENE = 640, 360, 25, 4
LOAD = """async (backend) => {
  const { load } = await import("/recognise.js");
  const start = performance.now();
  globalThis.recogniser = await load({ backend });
  const input = document.createElement("input");
  document.body.append(Object.assign(input, { type: "file", id: "many", multiple: true }));
  return performance.now() - start;
}"""
RECOGNISE = """async () => {
  const times = [];
  const { files } = document.querySelector("#many");
  for (const file of files) {
    const start = performance.now();
    await recogniser.recognise(file);
    times.push(performance.now() - start);
  }
  return times;
}"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backend", default="wasm", choices=("wasm", "webgl"))
    parser.add_argument("--pictures", type=int, default=40)
    parser.add_argument("--seconds", type=float, default=15)
    options = parser.parse_args()
    settings = load_settings()
    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as driver:
        page_folder, video = Path(scratch) / "page", Path(scratch) / "scenes.webm"
        written = export_web(page_folder, settings, Layout.of(settings))
        cast = SyntheticCast(4)
        people = list(cast.people)
        pictures: list[Path] = []
        for number in range(options.pictures):
            picture = cast.new_picture(number, people[number % len(people)])
            pictures.append(Path(scratch) / f"{number}.jpg")
            pictures[-1].write_bytes(picture.data)
        write_video(
            video, [decode(path.read_bytes(), 40) for path in pictures[:3]], options.seconds
        )
        print(f"{written.version}, {written.people:,} people: {written.megabytes:.1f} MB of models")
        print(
            f"{options.backend}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the start"
        )
        browser = driver.chromium.launch(
            executable_path=shutil.which("chromium"),
            args=FLAGS + (SOFTWARE if options.backend == "webgl" else []),
        )
        with serving(page_folder) as url:
            measure_pictures(browser.new_page(), url, options.backend, pictures)
            measure_video(browser.new_page(), url, options.backend, video, options.seconds)
        browser.close()
        print(f"load after {os.getloadavg()[0]:.1f}")


def measure_pictures(page: Page, url: str, backend: str, pictures: list[Path]) -> None:
    """From the page's start to the first answer, and how long the others take."""
    page.goto(f"{url}README.md")  # no page that would load the models too
    loaded = page.evaluate(LOAD, backend)
    page.set_input_files("#many", pictures)
    first, *rest = page.evaluate(RECOGNISE)
    print(f"models loaded, checked and tried: {loaded / 1000:.2f} s")
    print(f"first answer after that: {first / 1000:.2f} s")
    quantiles = np.quantile(rest, [0.5, 0.95])
    print(f"a picture of 421x632: {quantiles[0]:.0f} ms, 95 % within {quantiles[1]:.0f} ms")
    page.close()


def measure_video(page: Page, url: str, backend: str, video: Path, seconds: float) -> None:
    """Frames in which faces were found and named, a second; from the second second on."""
    page.goto(f"{url}?backend={backend}")
    expect(page.locator("#file")).to_be_enabled(timeout=120_000)
    page.set_input_files("#file", video)
    time.sleep(1)
    start, before = time.monotonic(), frames(page)
    time.sleep(seconds - 2)
    count, passed = frames(page) - before, time.monotonic() - start
    print(f"a video of 640x360: {count / passed:.1f} frames/s ({page.inner_text('#count')})")
    page.close()


def frames(page: Page) -> int:
    """How many frames the page has worked on."""
    return int(page.get_attribute("#stage", "data-frames") or 0)


def write_video(path: Path, pictures: list[np.ndarray], seconds: float) -> None:
    """Two people side by side who move a little; after a cut the next two."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"VP90"), RATE, (WIDTH, HEIGHT))
    small = [cv2.resize(p, (HEIGHT * p.shape[1] // p.shape[0], HEIGHT)) for p in pictures]
    for number in range(int(seconds * RATE)):
        scene = number // (RATE * SCENE)
        frame = np.full((HEIGHT, WIDTH, 3), 60 + 120 * (scene % 2), np.uint8)
        for place in range(2):
            person = small[(scene + place) % len(small)]
            left = 50 + 300 * place + round(25 * np.sin(number / 9 + place))
            frame[:, left : left + person.shape[1]] = person
        writer.write(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
    writer.release()


if __name__ == "__main__":
    main()
