"""Takes pictures for docs/operating.md, of what `elenco up` runs for ./data.

    python docs/operating/screenshots.py docs/operating

It wants a `daily_refresh` that promoted a second version, the packages of the tests, and Chromium.
"""

import base64
import io
import json
import shutil
import sys
import urllib.request
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Page, sync_playwright

OPS = Path("data/state/ops")
NAMES = ("chromium", "chromium-browser", "google-chrome")
VIEW, REPORT = ".app-router-view__view", ".artifact-data-markdown"
SIDE, WIDTH = 256, 1024  # the menu is not in the pictures
WIDE, HIGH = 1560, 6000  # of the window in which a report's tables are whole
MARGIN = 16
COLOURS = 256
# How much of each is shown, from where on.
REPORTS = {"daily-refresh": (0, 1150), "train-recogniser": (815, 1735), "publish-model": (0, 1700)}


class Server:
    """The Prefect server of this directory."""

    def __init__(self) -> None:
        self.url = json.loads((OPS / "topology.json").read_text())["url"]
        secret = (OPS / "secrets" / "server_auth").read_text().strip()
        self.password = base64.b64encode(secret.encode()).decode()

    def ids(self, path: str, **wanted: Any) -> list[str]:
        """Of what fits, the newest first."""
        request = urllib.request.Request(
            f"{self.url}/api/{path}/filter", json.dumps(wanted).encode()
        )
        request.add_header("Content-Type", "application/json")
        request.add_header("Authorization", f"Basic {self.password}")
        with urllib.request.urlopen(request, timeout=30) as answer:
            found = [one["id"] for one in json.load(answer)]
        if not found:
            sys.exit(f"the server has no {path} of {wanted}: `elenco run daily_refresh --watch`")
        return found

    def promoted(self) -> str:
        """The newest refresh that promoted a version."""
        run = {"state": {"name": {"any_": ["Promoted"]}}}
        return self.ids("flow_runs", flow_runs=run, sort="START_TIME_DESC")[0]

    def report(self, run: str, key: str) -> str:
        """That of a run, or of one that it started."""
        inside = {"parent_flow_run_id": {"any_": [run]}}
        runs = [run, *self.ids("flow_runs", flow_runs=inside)]
        wanted = {"key": {"any_": [key]}, "flow_run_id": {"any_": runs}}
        return self.ids("artifacts", artifacts=wanted, sort="CREATED_DESC")[0]


def main(folder: Path) -> None:
    """Write run.png and a picture a report."""
    server = Server()
    run = server.promoted()
    chromium = next(filter(None, map(shutil.which, NAMES)))
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        context = browser.new_context(color_scheme="dark")
        context.add_init_script(f"localStorage.setItem('prefect-password', {server.password!r})")
        page = context.new_page()
        page.goto(f"{server.url}/runs/flow-run/{run}")
        shoot(page, VIEW, 0, 560, folder / "run.png")
        for key, (top, height) in REPORTS.items():
            page.goto(f"{server.url}/artifacts/artifact/{server.report(run, key)}")
            shoot(page, REPORT, top, height, folder / f"{key}.png")
        browser.close()


def shoot(page: Page, what: str, top: int, height: int, path: Path) -> None:
    """Write a part of an element, with few colours."""
    size = (WIDE, HIGH) if what == REPORT else (SIDE + WIDTH, height)
    page.set_viewport_size({"width": size[0], "height": size[1]})
    page.wait_for_selector(what)
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(3000)  # the graph of a run is drawn then
    if what == VIEW and page.get_by_text("went wrong").count():
        sys.exit(f"{path.name}: the server did not answer in time: again, when it has less to do")
    box = page.locator(what).bounding_box()
    assert box is not None
    image = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    x, y = box["x"], box["y"] + top
    around = MARGIN if what == REPORT else 0
    most = min(height, box["height"] - top)
    image = image.crop((x - around, y - around, x + box["width"] + around, y + most + around))
    image.quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)
    print(path, image.size, path.stat().st_size)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
