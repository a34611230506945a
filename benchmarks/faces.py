"""Photographs a second from JPEG files to embeddings, beside other people's pipelines, in one run.

    python benchmarks/faces.py [--count 96] [--rounds 3] [--peers DIR] [--growth 1000 10000]

The photographs are portraits of 421x632 of people who do not exist. Each way runs in a process of
its own, the same files, the same cores, one after the other in every round; the best round counts.
`--peers` names the environment that `sh benchmarks/peers.sh DIR` made; without it, Elenco alone is
measured. Elenco's stages do all that they do in a refresh: read and check files, choose the face,
write crops and records to disk with fsync, read the crops again, write the npz.

`networks` is what the networks alone take for the same inputs, recorded and run again with nothing
in between; `of peak` is the share of the machine's float32 matrix product (numpy, all cores) that
they reach. FaceNet has its initial weights: only the time counts, and it does not depend on them.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

from elenco.compute.batches import Batches
from elenco.compute.lanes import in_lanes
from elenco.demo.face_model import DIM, face_model
from elenco.demo.portraits import PORTRAIT, compose
from elenco.embedding import facenet
from elenco.embedding.base import Embedder, NetworkEmbedder, load_embedder
from elenco.embedding.stage import embed_shard
from elenco.faces.agreement import load_chooser
from elenco.faces.images import encode_jpeg
from elenco.faces.mtcnn import load_detector
from elenco.faces.stage import detect_shard
from elenco.fingerprint import file_sha256
from elenco.layout import Layout
from elenco.records import Record
from elenco.settings import Settings, load_settings
from elenco.storage import read_npz
from elenco.types import ShardRef, StageReport

# What benchmarks/peers.py is called with. Elenco looks for faces from 40 pixels on first.
PEERS = ("facenet-pytorch", "facenet-pytorch --min-face 40", "deepface", "dlib")
QUALITY = 90
PHOTOS_A_PERSON = 10

Items = Sequence[np.ndarray] | np.ndarray


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=96)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peers", type=Path, help="folder of the peers' environment")
    parser.add_argument("--beside", nargs="+", default=PEERS, help="which of the peers")
    parser.add_argument("--only", nargs="+", default=["facenet", "dlib_resnet"])
    parser.add_argument("--runtime", default="auto")
    parser.add_argument("--growth", type=int, nargs="*", default=[])
    parser.add_argument("--inside", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        embedder, photos = options.inside
        print(json.dumps(measure(embedder, Path(photos), options.runtime)))
        return
    with tempfile.TemporaryDirectory() as folder:
        photos = Path(folder) / "photos"
        draw(photos, options.count)
        peak = matmul_peak()
        print(f"{options.count} portraits of 421x632, {os.cpu_count()} cores, {peak:.0f} GFLOP/s")
        ways = [f"elenco {name}" for name in options.only]
        ways += options.beside if options.peers else []
        best: dict[str, dict[str, Any]] = {}
        for _ in range(options.rounds):
            for way in ways:
                result = run(way, photos, options)
                if way not in best or result["both"] > best[way]["both"]:
                    best[way] = result
        show(best, peak)
        for count in options.growth:
            many = Path(folder) / f"many-{count}"
            draw(many, count)
            result = run("elenco dlib_resnet", many, options)
            print(
                f"{count:6} photographs: {count / result['both']:7.1f} s, "
                f"{result['peak_mb']:.0f} MiB resident at most"
            )


def run(way: str, photos: Path, options: argparse.Namespace) -> dict[str, Any]:
    """One way in a process of its own; the last line of its output."""
    if way.startswith("elenco"):
        inside = ["--inside", way.split()[1], str(photos), "--runtime", options.runtime]
        command = [sys.executable, __file__, *inside]
    else:
        peers = Path(__file__).with_name("peers.py")
        name, *settings = way.split()
        command = [str(options.peers / "bin" / "python"), str(peers), name, str(photos), *settings]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{way} failed:\n{done.stderr[-3000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def show(best: dict[str, dict[str, Any]], peak: float) -> None:
    print(
        f"{'':22} {'detect':>8} {'embed':>8} {'both':>8} {'networks':>9} {'of peak':>8} {'MiB':>6}"
    )
    for way, found in best.items():
        alone, share = "", ""
        if "networks" in found:
            alone = f"{found['networks']:.1f}"
            share = f"{100 * found['gflop'] * found['networks'] / peak:.0f} %"
        print(
            f"{way:30} {found['detect']:8.1f} {found['embed']:8.1f} {found['both']:8.1f} "
            f"{alone:>8} {share:>8} {found['peak_mb']:8.0f}   {found['faces']} faces"
        )
    for way in best:
        if way.startswith("elenco"):
            ratios = [
                f"{best[way]['both'] / other['both']:.1f}x {name}"
                for name, other in best.items()
                if not name.startswith("elenco")
            ]
            reached = best[way]["both"] / best[way]["networks"]
            print(f"{way}: {100 * reached:.0f} % of its networks alone", *ratios, sep=", ")


def draw(folder: Path, count: int) -> None:
    """Write portraits, no two of them alike."""
    folder.mkdir(parents=True)
    rng, model = np.random.default_rng(0), face_model()
    base: list[np.ndarray] = []
    for number in range(count):
        if number < 96:
            sample = rng.standard_normal((2, DIM)).astype(np.float32)
            base.append(compose(rng, [model.sample(*sample)], *PORTRAIT)[0])
        picture = base[number % 96]
        if number >= 96:  # drawing a face takes longer than finding it
            moved = np.roll(picture, rng.integers(-12, 13, 2), (0, 1)).astype(np.int16)
            picture = np.clip(moved + rng.integers(-20, 21), 0, 255).astype(np.uint8)
        (folder / f"{number:06}.jpg").write_bytes(encode_jpeg(picture, QUALITY))


def matmul_peak(side: int = 2048) -> float:
    """Float32 GFLOP/s of numpy's matrix product on all cores, the best of ten."""
    a = np.random.default_rng(0).standard_normal((side, side)).astype(np.float32)
    seconds = float("inf")
    for _ in range(10):
        start = time.perf_counter()
        a @ a
        seconds = min(seconds, time.perf_counter() - start)
    return 2 * side**3 / seconds / 1e9


def measure(name: str, photos: Path, runtime: str) -> dict[str, Any]:
    """Run both stages on a folder of photographs in this process."""
    with tempfile.TemporaryDirectory() as folder:
        settings = load_settings(
            paths={"data": f"{folder}/data", "models": f"{folder}/models"},
            embedding={"embedder": name},
            compute={"runtime": runtime},
        )
        layout = Layout.of(settings)
        detector, embedder = load_detector(settings), embedder_of(name, settings, layout)
        files = sorted(photos.glob("*.jpg"))
        stages(files[:48], 0, settings, layout, detector, embedder)  # warm up
        detect, embed, rows = stages(files, 1, settings, layout, detector, embedder)
        resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        recorded: list[tuple[Batches, Items]] = []
        few = files[: min(len(files), 192)]  # what goes through the networks is kept in memory
        with recording(recorded):
            stages(few, 2, settings, layout, detector, embedder)
        alone = replay(recorded)
        gflop = sum(flop_of(network, np.shape(items)) for network, items in recorded) / 1e9
        return {
            "detect": len(files) / detect,
            "embed": rows / embed,
            "both": len(files) / (detect + embed),
            "networks": len(few) / alone,
            "gflop": gflop / len(few),
            "faces": rows,
            "peak_mb": resident,
        }


def embedder_of(name: str, settings: Settings, layout: Layout) -> Embedder:
    if name == "facenet":
        network = facenet.inception_resnet_v1
        return NetworkEmbedder(facenet.SPACE, facenet.FACENET_WINDOW, network, settings)
    return load_embedder(name, settings, layout)


def stages(
    files: list[Path], shard: int, settings: Settings, layout: Layout, detector: Any, embedder: Any
) -> tuple[float, float, int]:
    """Seconds of the detect stage, of the embed stage, and how many faces came of it."""
    entries = []
    for number, file in enumerate(files):
        person, key = f"{shard}-{number // PHOTOS_A_PERSON}", file.stem
        path = layout.image("train", person, key)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.hardlink_to(file)
        width, height = PORTRAIT
        size = {"width": width, "height": height, "sha256": file_sha256(file)}
        entries.append({"person_id": person, "key": key, "split": "train"} | size)
    record = Record("collect", "1", "", True, entries)
    path = layout.record("collect", shard)
    record.save(path)
    nothing = StageReport(0, 0)
    ref = ShardRef("collect", shard, layout.relative(path), record.digest(), nothing)
    start = time.perf_counter()
    found = detect_shard(ref, settings, layout, detector, load_chooser(settings, layout))
    middle = time.perf_counter()
    done = embed_shard(found, settings, layout, embedder)
    end = time.perf_counter()
    rows = len(read_npz(layout.data / done.path)["vectors"])
    return middle - start, end - middle, rows


class recording:
    """Keep a copy of everything that goes through a network meanwhile."""

    def __init__(self, into: list[tuple[Batches, Items]]) -> None:
        self.into, self.original = into, Batches.parts

    def __enter__(self) -> None:
        into, original = self.into, self.original

        def parts(network: Batches, items: Items) -> Iterator[list[np.ndarray]]:
            into.append((network, items))
            return original(network, items)

        Batches.parts = parts

    def __exit__(self, *error: object) -> None:
        Batches.parts = self.original


def replay(recorded: list[tuple[Batches, Items]], times: int = 3) -> float:
    """Seconds that the networks take for what was recorded, on all cores."""
    seconds = float("inf")
    for _ in range(times):
        start = time.perf_counter()
        for _ in in_lanes(lambda call: list(call[0].parts(call[1])), recorded, os.cpu_count() or 1):
            pass
        seconds = min(seconds, time.perf_counter() - start)
    return seconds


def flop_of(network: Batches, shape: tuple[int, ...]) -> float:
    """Floating point operations of the convolutions and dense layers for items of a shape."""
    import keras

    key = (id(network), shape[1:])
    if key not in _flop:
        model = network._model
        copy = keras.models.clone_model(model, keras.Input(batch_shape=(1, *shape[1:])))
        total = 0.0
        for layer in copy._flatten_layers():
            if isinstance(layer, keras.layers.Conv2D | keras.layers.Dense):
                total += 2.0 * np.prod(layer.kernel.shape) * np.prod(layer.output.shape[1:-1])
        _flop[key] = total
    return _flop[key] * shape[0]


_flop: dict[tuple[int, tuple[int, ...]], float] = {}


if __name__ == "__main__":
    main()
