"""Images a second of the detector against the `mtcnn` package called plainly, in one run.

    python benchmarks/detect.py [--photos ../shared/lfw/images] [--count 128] [--rounds 3]

Two sets: photographs of a folder, and portraits of 421x632 of people who do not exist. The ways
take turns in every round; the best round counts. A face of the package is `found again` where ours
overlaps it by more than half.
"""

import argparse
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

from elenco.demo.face_model import DIM, face_model
from elenco.demo.portraits import PORTRAIT, compose
from elenco.faces.geometry import iou
from elenco.faces.images import decode
from elenco.faces.mtcnn import Detector
from elenco.settings import Faces

BATCH = 32
Pictures = Sequence[np.ndarray]
Boxes = list[np.ndarray]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=Path, default=Path("../shared/lfw/images"))
    parser.add_argument("--count", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()

    from mtcnn import MTCNN

    package, ours = MTCNN(), Detector(Faces(batch=BATCH))

    def boxes_of(answer: list[dict]) -> np.ndarray:
        boxes = np.array([face["box"] for face in answer], np.float64).reshape(-1, 4)
        boxes[:, 2:] += boxes[:, :2]
        return boxes

    def package_batches(pictures: Pictures) -> Boxes:
        batches = (list(pictures[i : i + BATCH]) for i in range(0, len(pictures), BATCH))
        return [boxes_of(a) for batch in batches for a in package.detect_faces(batch)]

    ways: dict[str, Callable[[Pictures], Boxes]] = {
        "mtcnn, one by one": lambda pictures: [boxes_of(package.detect_faces(p)) for p in pictures],
        f"mtcnn, batches of {BATCH}": package_batches,
        "elenco, one by one": lambda pictures: [ours.detect([p])[0].boxes for p in pictures],
        "elenco, all at once": lambda pictures: [found.boxes for found in ours.detect(pictures)],
    }
    for name, pictures in sets(options.photos, options.count).items():
        compare(name, pictures, ways, options.rounds)


def sets(photos: Path, count: int) -> dict[str, list[np.ndarray]]:
    """Pictures to search, by the set's name."""
    found: dict[str, list[np.ndarray]] = {}
    files = sorted(file for file in photos.glob("*/*") if file.suffix.lower() in (".jpg", ".jpeg"))
    if files:
        chosen = np.random.default_rng(0).permutation(len(files))[:count]
        name = f"{len(chosen)} photographs of {photos}"
        found[name] = [decode(files[i].read_bytes(), 40) for i in chosen]
    else:
        print(f"no */*.jpg in {photos}: portraits only")
    rng, model = np.random.default_rng(0), face_model()
    samples = rng.standard_normal((count, 2, DIM)).astype(np.float32)
    faces = [model.sample(*sample) for sample in samples]
    found[f"{count} portraits"] = [compose(rng, [face], *PORTRAIT)[0] for face in faces]
    return found


def compare(
    name: str, pictures: Pictures, ways: dict[str, Callable[[Pictures], Boxes]], rounds: int
) -> None:
    """Time every way in turns and print rates, ratios and how many faces agree."""
    seconds = dict.fromkeys(ways, float("inf"))
    answers: dict[str, Boxes] = {}
    for way in ways.values():
        way(pictures[:BATCH])
    for _ in range(rounds):
        for label, way in ways.items():
            start = time.perf_counter()
            answers[label] = way(pictures)
            seconds[label] = min(seconds[label], time.perf_counter() - start)
    sizes = sorted({picture.shape[1::-1] for picture in pictures})
    shown = ", ".join(f"{w}x{h}" for w, h in sizes[:3]) + (" ..." if len(sizes) > 3 else "")
    print(f"\n{name} ({shown})")
    base, *_, best = ways
    truth = answers[base]
    for label in ways:
        rate = len(pictures) / seconds[label]
        again = sum(
            int((iou(a, b).max(axis=1, initial=0) > 0.5).sum())
            for a, b in zip(truth, answers[label], strict=True)
        )
        faces = sum(map(len, answers[label]))
        without = sum(not len(boxes) for boxes in answers[label])
        print(
            f"  {label:22} {rate:7.1f} images/s  {seconds[base] / seconds[label]:5.2f}x"
            f"  {faces} faces, {again} of {sum(map(len, truth))} found again,"
            f" {without} pictures without"
        )
    batches = list(ways)[1]
    print(f"  {best} against {batches}: {seconds[batches] / seconds[best]:.2f}x")


if __name__ == "__main__":
    main()
