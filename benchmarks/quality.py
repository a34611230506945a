"""What rejecting the faces of the lowest quality does to errors, on real photographs.

    python benchmarks/quality.py [--photos ../shared/lfw/images] [--people 600]   # 1 to 3 minutes

People with three or more photographs, four of each at most; each photograph as it is, and once
degraded: at half, a third or a quarter of its size, or under Gaussian blur of 1.5, 2 or 3 pixels.
It prints the error-versus-discard characteristic of ISO/IEC 29794-1 with the `dlib_resnet`
embedder: the false non-match rate at the threshold where 0.1 % of all pairs of two people match,
as the worst 0, 10, 20 and 30 % of the faces are rejected, by the quality, by each of its parts
alone, and by nothing (at random); in brackets the false match rate then, and after "anew" the
figures at the threshold that brings it back to 0.1 %. Pairs are of two photographs, never of two
forms of one. Then how near the quality is to what it stands for: the share of the person's other
photographs, as they are, that a face matches. The quality's terms were fitted on every other
person (without third size and blur 2); "held out" are the rest.
"""

import argparse
import os
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import cv2
import numpy as np

from elenco.embedding.base import load_embedder
from elenco.faces.crops import align
from elenco.faces.geometry import center
from elenco.faces.images import decode
from elenco.faces.mtcnn import Detector
from elenco.faces.quality import measure, quality, relative_norms
from elenco.layout import Layout
from elenco.settings import load_settings

FMR = 1e-3
REJECTED = (0.0, 0.1, 0.2, 0.3)
BINS = (0, 0.2, 0.4, 0.6, 0.8, 0.9, 1)
MOST_PHOTOS, FEWEST_PHOTOS = 4, 3


def smaller(times: int) -> Callable[[np.ndarray], np.ndarray]:
    """The picture averaged down."""

    def resize(image: np.ndarray) -> np.ndarray:
        height, width = image.shape[:2]
        return cv2.resize(image, (width // times, height // times), interpolation=cv2.INTER_AREA)

    return resize


def blurred(sigma: float) -> Callable[[np.ndarray], np.ndarray]:
    """The picture under Gaussian blur of `sigma` pixels."""
    return lambda image: cv2.GaussianBlur(image, (0, 0), sigma)


STATES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "as it is": lambda image: image,
    "half size": smaller(2),
    "third size": smaller(3),
    "quarter size": smaller(4),
    "blur 1.5": blurred(1.5),
    "blur 2": blurred(2),
    "blur 3": blurred(3),
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--photos", type=Path, default=Path("../shared/lfw/images"))
    parser.add_argument("--people", type=int, default=600)
    options = parser.parse_args()
    started = time.perf_counter()
    faces = find(options.photos, options.people)
    held_out = {key: values[faces["person"] % 2 == 1] for key, values in faces.items()}
    plain = {key: values[held_out["state"] == 0] for key, values in held_out.items()}
    discard("held out", held_out)
    discard("held out, as they are", plain)
    discard("all", faces)
    predict(held_out)
    print(f"{time.perf_counter() - started:.0f} s")


def find(photos: Path, people: int) -> dict[str, np.ndarray]:
    """A row for every face: who, which photograph, in which state, vector, and all measures."""
    of_people = [sorted(folder.glob("*.jpg")) for folder in sorted(photos.iterdir())]
    of_people = [files[:MOST_PHOTOS] for files in of_people if len(files) >= FEWEST_PHOTOS]
    files = [(n, file) for n, own in enumerate(of_people[:people]) for file in own]
    settings = load_settings(embedding={"embedder": "dlib_resnet"})
    detector = Detector(settings.faces)
    degraded = np.random.default_rng(0).integers(1, len(STATES), len(files))
    rows: list[tuple] = []
    crops = []
    for state, (name, change) in enumerate(STATES.items()):
        use = [i for i in range(len(files)) if state in (0, degraded[i])]
        pictures = [change(decode(files[i][1].read_bytes(), 40)) for i in use]
        missed = 0
        for i, picture, found in zip(use, pictures, detector.detect(pictures), strict=True):
            if not len(found):
                missed += 1
                continue
            middle = np.array(picture.shape[1::-1]) / 2  # whom a photograph of LFW is of
            face = int(np.argmin(((center(found.boxes) - middle) ** 2).sum(axis=1)))
            crops.append(align(picture, found.landmarks[face]))
            of = measure(crops[-1], found.landmarks[face])
            score = found.scores[face]
            rows.append((files[i][0], i, state, of.size, of.sharpness, abs(of.yaw), score))
        print(f"{len(use):5} photographs {name}: {missed} without a face", flush=True)
    names = ("person", "photo", "state", "size", "sharpness", "turn", "score")
    columns = zip(names, zip(*rows, strict=True), strict=True)
    faces = {name: np.array(column) for name, column in columns}
    raw = load_embedder("dlib_resnet", settings, Layout.of(settings)).embed_raw(np.stack(crops))
    norms = np.linalg.norm(raw, axis=1)
    faces |= {"vector": raw / norms[:, None], "norm": relative_norms(norms, "dlib_resnet")}
    parts = (faces[name] for name in ("size", "sharpness", "turn", "score", "norm"))
    at_random = np.random.default_rng(1).random(len(raw))
    return faces | {"quality": quality(*parts), "nothing": at_random}


def discard(name: str, faces: dict[str, np.ndarray]) -> None:
    """Print the error-versus-discard characteristic."""
    cosines, genuine, impostor = pairs(faces)
    threshold = float(np.quantile(cosines[impostor], 1 - FMR))
    print(
        f"\n{name}: {len(cosines)} faces of {len(np.unique(faces['person']))} people, "
        f"{genuine.sum()} pairs of one person, {impostor.sum()} of two; "
        f"cosine {threshold:.4f} at a false match rate of {FMR:.1%}"
    )
    print("FNMR (FMR) in %, rejected:  " + "".join(f"{part:>16.0%}" for part in REJECTED))
    for by in ("quality", "size", "sharpness", "turn", "score", "norm", "nothing"):
        values = -faces[by] if by == "turn" else faces[by]
        fixed, anew = f"  by {by:24}", f"  by {by + ', anew':24}"
        for part in REJECTED:
            kept = values >= np.quantile(values, part)
            both = kept[:, None] & kept
            own, others = cosines[genuine & both], cosines[impostor & both]
            fixed += rates(own, others, threshold)
            anew += rates(own, others, float(np.quantile(others, 1 - FMR)))
        print(fixed)
        if by == "quality":
            print(anew)


def rates(own: np.ndarray, others: np.ndarray, threshold: float) -> str:
    """The false non-match rate, and the false match rate in brackets, in percent."""
    missed, matched = (own < threshold).mean(), (others >= threshold).mean()
    return f"{100 * missed:9.2f} ({100 * matched:.2f})"


def pairs(faces: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cosines of all pairs; which are of one person and two photographs; which of two people."""
    cosines = faces["vector"] @ faces["vector"].T
    once = np.triu(np.ones(cosines.shape, bool), 1)
    one_person = faces["person"][:, None] == faces["person"]
    one_photo = faces["photo"][:, None] == faces["photo"]
    return cosines, once & one_person & ~one_photo, once & ~one_person


def predict(faces: dict[str, np.ndarray]) -> None:
    """Print quality beside the share of photographs, as they are, that a face matches."""
    plain = faces["state"] == 0
    cosines = faces["vector"] @ faces["vector"][plain].T
    one_person = faces["person"][:, None] == faces["person"][plain]
    others = one_person & (faces["photo"][:, None] != faces["photo"][plain])
    threshold = np.quantile(cosines[plain][~one_person[plain]], 1 - FMR)
    matched, of = (others & (cosines >= threshold)).sum(axis=1), others.sum(axis=1)
    print(f"\nheld out: matches with photographs as they are, at a cosine of {threshold:.4f}")

    def line(label: str, which: np.ndarray) -> None:
        if which.any():
            share = matched[which].sum() / of[which].sum()
            mean = faces["quality"][which].mean()
            print(f"  {label:14} {which.sum():5} faces  quality {mean:.3f}  matched {share:.3f}")

    for state, name in enumerate(STATES):
        line(name, faces["state"] == state)
    for low, high in pairwise(BINS):
        line(f"{low:g} to {high:g}", (faces["quality"] >= low) & (faces["quality"] < high))


if __name__ == "__main__":
    main()
