"""Makes faces_golden.npz: photographs of people who do not exist and what the stages made of them.

    python -m tests.data.make_faces_golden

Run it after DETECT_VERSION or EMBED_VERSION was raised on purpose, and look at what changed.
"""

import tempfile
from pathlib import Path

import cv2
import numpy as np

from elenco.demo.face_model import DIM, face_model
from elenco.demo.portraits import PORTRAIT, compose
from elenco.embedding.base import load_embedder
from elenco.embedding.stage import EMBED_VERSION, embed_shard
from elenco.faces.agreement import load_chooser
from elenco.faces.images import decode, encode_jpeg
from elenco.faces.mtcnn import load_detector
from elenco.faces.stage import DETECT_VERSION, detect_shard
from elenco.fingerprint import bytes_sha256
from elenco.layout import Layout
from elenco.records import Record
from elenco.settings import load_settings
from elenco.storage import read_npz, write_bytes, write_npz
from elenco.types import ShardRef, StageReport

GOLDEN = Path(__file__).with_name("faces_golden.npz")
COLUMNS = ("vectors", "norms", "boxes", "sizes", "sharpness", "yaws", "rolls", "scores", "quality")


def photographs() -> dict[str, bytes]:
    """Four of one person: alone twice, beside somebody larger, small and grey."""
    rng, model = np.random.default_rng(7), face_model()
    who, other = rng.standard_normal((2, DIM)).astype(np.float32) * 1.3

    def face(person: np.ndarray) -> np.ndarray:
        return model.sample(person, rng.standard_normal(DIM).astype(np.float32))

    pictures = {name: compose(rng, [face(who)], *PORTRAIT)[0] for name in ("a", "b", "small")}
    pictures["two"] = compose(rng, [face(other), face(who)], *PORTRAIT)[0]
    small = cv2.resize(pictures["small"], None, fx=0.18, fy=0.18, interpolation=cv2.INTER_AREA)
    pictures["small"] = small.mean(axis=2, keepdims=True).astype(np.uint8).repeat(3, 2)
    return {name: encode_jpeg(picture, 90) for name, picture in pictures.items()}


def run(pictures: dict[str, bytes], folder: Path) -> dict[str, np.ndarray]:
    """What both stages say of one person's photographs, by key; crops as pixels."""
    settings = load_settings(
        paths={"data": folder / "data", "models": folder / "models"},
        embedding={"embedder": "dlib_resnet"},
    )
    layout = Layout.of(settings)
    entries = []
    for key, data in pictures.items():
        write_bytes(layout.image("train", "p", key), data)
        height, width = decode(data, 40).shape[:2]
        entry = {"person_id": "p", "key": key, "split": "train", "sha256": bytes_sha256(data)}
        entries.append(entry | {"width": width, "height": height})
    record = Record("collect", "1", "", True, entries)
    record.save(layout.record("collect", 0))
    path = layout.relative(layout.record("collect", 0))
    ref = ShardRef("collect", 0, path, record.digest(), StageReport(0, 0))
    chooser = load_chooser(settings, layout)
    detected = detect_shard(ref, settings, layout, load_detector(settings), chooser)
    embedder = load_embedder("dlib_resnet", settings, layout)
    rows = read_npz(layout.data / embed_shard(detected, settings, layout, embedder).path)
    crops = [
        decode(layout.crop("train", "p", key).read_bytes(), 1) for key in rows["keys"].tolist()
    ]
    kept = Record.read(layout.data / detected.path)
    assert kept is not None
    chosen = np.array([f"{e['chosen']['by']} {e['face']}" for e in kept.kept])
    found = {name: rows[name] for name in ("keys", *COLUMNS)}
    return found | {"crops": np.stack(crops), "chosen": chosen}


def main() -> None:
    pictures = photographs()
    with tempfile.TemporaryDirectory() as folder:
        found = run(pictures, Path(folder))
    files = {f"jpeg_{name}": np.frombuffer(data, np.uint8) for name, data in pictures.items()}
    versions = np.array([DETECT_VERSION, EMBED_VERSION])
    crops = {
        f"crop_{i}": np.frombuffer(encode_jpeg(c, 90), np.uint8)
        for i, c in enumerate(found.pop("crops"))
    }
    write_npz(GOLDEN, versions=versions, **files, **crops, **found)
    for name, values in found.items():
        print(name, values if values.ndim == 1 else values.shape)


if __name__ == "__main__":
    main()
