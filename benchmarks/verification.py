"""How well the pipeline tells whether two photographs show one person: LFW View 1.

    python benchmarks/verification.py [--lfw ../shared/lfw] [--embedder dlib_resnet]

All of `pairsDevTrain.txt` (1,100 pairs of one person, 1,100 of two): photograph -> face -> chosen
face -> aligned crop -> JPEG -> embedding, as the stages do it. The threshold of each tenth of the
pairs is the best one of the other nine tenths. A photograph without a face counts as an error.
"""

import argparse
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

from elenco.embedding.base import EMBEDDERS, load_embedder
from elenco.faces.crops import align
from elenco.faces.images import decode, encode_jpeg
from elenco.faces.mtcnn import load_detector
from elenco.faces.select import choose
from elenco.layout import Layout
from elenco.settings import Settings, load_settings

FOLDS = 10


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lfw", type=Path, default=Path("../shared/lfw"))
    parser.add_argument("--embedder", choices=sorted(EMBEDDERS), default="dlib_resnet")
    options = parser.parse_args()
    first, second, same = pairs(options.lfw)
    files = sorted({*first, *second})
    settings = load_settings(embedding={"embedder": options.embedder})
    crops = faces(files, settings)
    missing = [file.name for file in files if file not in crops]
    print(f"{len(same)} pairs of {len(files)} photographs; without a face: {missing or 'none'}")
    for mirror in (False, True):
        settings = load_settings(embedding={"embedder": options.embedder, "mirror": mirror})
        embedder = load_embedder(options.embedder, settings, Layout.of(settings))
        vectors = dict(zip(crops, embedder.embed(np.stack(list(crops.values()))), strict=True))
        nothing = np.full(embedder.space.dim, np.nan, np.float32)
        a, b = (np.stack([vectors.get(f, nothing) for f in side]) for side in (first, second))
        right = judged((a * b).sum(axis=1), same)
        name = options.embedder + (" with mirror images" if mirror else "")
        error = np.sqrt(right.mean() * (1 - right.mean()) / len(right))
        print(f"{name:32} {100 * right.mean():.2f} % right (standard error {100 * error:.2f})")


def pairs(lfw: Path) -> tuple[list[Path], list[Path], np.ndarray]:
    """The files of each pair's two sides, and whether they show one person."""
    first, second, same = [], [], []
    for line in (lfw / "pairsDevTrain.txt").read_text().splitlines()[1:]:
        words = line.split()
        names = (words[0], words[0]) if len(words) == 3 else (words[0], words[2])
        numbers = int(words[1]), int(words[-1])
        for side, name, number in zip((first, second), names, numbers, strict=True):
            side.append(lfw / "images" / name / f"{name}_{number:04d}.jpg")
        same.append(len(words) == 3)
    return first, second, np.array(same)


def faces(files: list[Path], settings: Settings) -> dict[Path, np.ndarray]:
    """The canonical crop of each photograph's chosen face, as it is read back from disk."""
    detector = load_detector(settings)

    def crop(file: Path) -> np.ndarray | None:
        picture = decode(file.read_bytes(), 40)
        (found,) = detector.detect([picture])
        if not len(found):
            return None
        chosen = choose(found, picture.shape[1], picture.shape[0])
        return decode(encode_jpeg(align(picture, found.landmarks[chosen])), 40)

    with ThreadPoolExecutor() as pool:
        found = zip(files, pool.map(crop, files), strict=True)
        return {file: crop for file, crop in found if crop is not None}


def judged(scores: np.ndarray, same: np.ndarray) -> np.ndarray:
    """Which pairs are judged rightly, each fold by the best threshold of the others."""
    folds = np.random.default_rng(0).permutation(len(same)) % FOLDS
    right = np.zeros(len(same), bool)
    for fold in range(FOLDS):
        train, test = folds != fold, folds == fold
        candidates = np.sort(scores[train & np.isfinite(scores)])
        counts = ((scores[train] >= candidates[:, None]) == same[train]).sum(axis=1)
        best = candidates[np.flatnonzero(counts == counts.max())].mean()
        right[test] = ((scores[test] >= best) == same[test]) & np.isfinite(scores[test])
    return right


if __name__ == "__main__":
    main()
