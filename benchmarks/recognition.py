"""Time, memory and figures of training on people who do not exist: random directions and noise.

    python benchmarks/recognition.py [--people 10000] [--photos 10] [--dim 128] [--spread 0.75]

Each person has `photos` training photographs and two more to be asked about. The figures say that
training works at this size; how well faces are recognised is measured on real ones.
"""

import argparse
import json
import os
import resource
import tempfile
from dataclasses import asdict
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

from elenco.progress import console_sink
from elenco.recognition.train import train_candidate
from elenco.settings import load_settings
from elenco.storage import write_npz
from elenco.types import EmbeddingSpace
from elenco.vectors import unit

TEST_PHOTOS = 2


def main() -> None:
    """Train once and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--people", type=int, default=10_000)
    parser.add_argument("--photos", type=int, default=10)
    parser.add_argument("--dim", type=int, default=128)
    parser.add_argument("--spread", type=float, default=0.75, help="length of the noise vector")
    parser.add_argument("--epochs", type=int, default=None)
    options = parser.parse_args()
    settings = load_settings(training={"epochs": options.epochs})
    with tempfile.TemporaryDirectory() as folder, console_sink():
        root = Path(folder)
        rng = np.random.default_rng(0)
        people = unit(rng.standard_normal((options.people, options.dim), np.float32))
        for split, photos in (("train", options.photos), ("test", TEST_PHOTOS)):
            write_split(root / f"{split}.npz", people, photos, options.spread, rng)
        (root / "out").mkdir()
        before = peak_mib()
        metrics = train_candidate(
            root / "train.npz", root / "test.npz", root / "out", settings, "", ""
        )
        size = (root / "out" / "classifier.keras").stat().st_size / 2**20
    print(json.dumps(metrics, indent=1))
    print(f"{metrics['seconds']:.0f} s, peak {peak_mib():,.0f} MiB (before: {before:,.0f} MiB)")
    print(f"classifier.keras {size:.1f} MiB")


def write_split(
    path: Path, people: np.ndarray, photos: int, spread: float, rng: np.random.Generator
) -> None:
    """`photos` embeddings a person: their direction plus noise of the given length."""
    count, dim = people.shape
    labels = np.repeat(np.arange(count, dtype=np.int64), photos)
    noise = rng.standard_normal((len(labels), dim), np.float32) * (spread / dim**0.5)
    ids = np.array([f"{n:06d}" for n in range(count)])
    write_npz(
        path,
        vectors=unit(people[labels] + noise),
        person_ids=ids[labels],
        names=ids[labels],
        keys=np.tile(np.array([f"{path.stem}{n:03d}" for n in range(photos)]), count),
        labels=labels,
        people=ids,
        meta=np.array(json.dumps({"space": asdict(EmbeddingSpace("synthetic", "", dim, ""))})),
    )


def peak_mib() -> float:
    """The most memory that this process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
