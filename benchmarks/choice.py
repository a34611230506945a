"""How often the person's own face is chosen where a larger face of somebody else is beside it.

    python benchmarks/choice.py [--photos ../shared/lfw/images] [--skip 200]   # 1 to 3 minutes

People with five or more photographs, five of each; the first 200, on which the constants of
`choose_by_agreement` were chosen, are skipped. In k of a person's photographs somebody else's
photograph, 1.3 times as large, is put beside it: another stranger each time, or always the same
companion. In some rows a photograph without companion is of somebody else altogether. For the k
photographs it prints how often the person's face is chosen by size alone and with agreement, and
how often agreement decided and was wrong. Where companions are always there (k = 5), nothing can
tell who is meant: agreement should not decide.
"""

import argparse
import os
import time
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import cv2
import numpy as np

from elenco.embedding.base import load_embedder
from elenco.faces.crops import align
from elenco.faces.geometry import center
from elenco.faces.images import decode
from elenco.faces.mtcnn import Detector
from elenco.faces.select import MARGIN, SAME_PERSON, choose, choose_by_agreement
from elenco.layout import Layout
from elenco.settings import load_settings
from elenco.types import Detections

PHOTOS = 5
LARGER = 1.3
ALONE, STRANGER, COMPANION = "alone", "stranger", "companion"
# Who is beside the person, in how many photographs, and how many of the others are not theirs.
CASES = (
    *((STRANGER, k, 0) for k in range(1, PHOTOS + 1)),
    (STRANGER, 2, 1),
    (STRANGER, 3, 1),
    *((COMPANION, k, 0) for k in range(1, PHOTOS + 1)),
    (COMPANION, 3, 1),
)


@dataclass(frozen=True)
class Photograph:
    """The faces found in a photograph.

    Attributes:
        vectors: their embeddings.
        own: which is the person's.
        large: which is chosen by size.
    """

    vectors: np.ndarray
    own: int
    large: int


Found = dict[tuple[int, int, str], Photograph]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--photos", type=Path, default=Path("../shared/lfw/images"))
    parser.add_argument("--skip", type=int, default=200, help="how many of the people to leave out")
    options = parser.parse_args()
    started = time.perf_counter()
    folders = [sorted(folder.glob("*.jpg")) for folder in sorted(options.photos.iterdir())]
    people = [files[:PHOTOS] for files in folders if len(files) >= PHOTOS][options.skip :]
    strangers = [files[0] for files in folders if files and len(files) < PHOTOS]
    found = find(people, strangers)
    print(f"{len(people)} people; a cosine of {SAME_PERSON} and a margin of {MARGIN} decide")
    print("beside         k  others' photos  photographs  right by size  right  decided and wrong")
    for beside, k, wrong in CASES:
        print(f"{beside:12} {k:3} {wrong:15}  " + result(found, len(people), beside, k, wrong))
    print(f"{time.perf_counter() - started:.0f} s")


def result(found: Found, people: int, beside: str, k: int, wrong: int) -> str:
    """Choose for everybody; columns of the table."""
    right = by_size = mistaken = total = 0
    for person in range(people):
        whose = [(person + 7) % people if n >= PHOTOS - wrong else person for n in range(PHOTOS)]
        kinds = [beside if n < k else ALONE for n in range(PHOTOS)]
        keys = [key for key in zip(whose, range(PHOTOS), kinds, strict=True) if key in found]
        photographs = [found[key] for key in keys]
        choices = choose_by_agreement(
            [photograph.vectors for photograph in photographs],
            [photograph.large for photograph in photographs],
        )
        for (_, _, kind), photograph, choice in zip(keys, photographs, choices, strict=True):
            if kind != ALONE:
                total += 1
                by_size += photograph.large == photograph.own
                right += choice.index == photograph.own
                mistaken += choice.by == "agreement" and choice.index != photograph.own
    share = [f"{100 * count / total:.1f} %" for count in (by_size, right, mistaken)]
    return f"{total:11}  {share[0]:>13}  {share[1]:>5}  {share[2]:>17}"


def find(people: list[list[Path]], strangers: list[Path]) -> Found:
    """Every photograph of everybody: alone, with a stranger, with the companion."""
    rng = np.random.default_rng(0)
    order = rng.permutation(len(strangers))
    pictures, middles, keys = [], [], []
    for person, files in enumerate(people):
        for n, file in enumerate(files):
            own = read(file)
            stranger = strangers[order[(PHOTOS * person + n) % len(order)]]
            companion = people[(person + 1) % len(people)][n]
            left = bool(rng.integers(2))
            for kind, other in ((ALONE, None), (STRANGER, stranger), (COMPANION, companion)):
                picture, middle = (
                    (own, middle_of(own)) if other is None else beside(own, other, left)
                )
                pictures.append(picture)
                middles.append(middle)
                keys.append((person, n, kind))
    settings = load_settings(embedding={"embedder": "dlib_resnet"})
    faces, large, crops = [], [], []
    for picture, every in zip(pictures, Detector(settings.faces).detect(pictures), strict=True):
        sure = every.scores >= settings.faces.min_score
        kept = Detections(every.boxes[sure], every.scores[sure], every.landmarks[sure])
        faces.append(kept)
        large.append(choose(kept, picture.shape[1], picture.shape[0]) if len(kept) else -1)
        crops += [align(picture, landmarks) for landmarks in kept.landmarks]
    embedder = load_embedder("dlib_resnet", settings, Layout.of(settings))
    vectors = np.split(embedder.embed(np.stack(crops)), np.cumsum([len(kept) for kept in faces]))
    found: Found = {}
    for key, middle, kept, of, size in zip(keys, middles, faces, vectors[:-1], large, strict=True):
        distances = np.linalg.norm(center(kept.boxes) - middle, axis=1)
        nearest = int(distances.argmin()) if len(kept) else -1
        # Without the person's face, or with it alone, there is nothing to choose.
        if len(kept) and (key[2] == ALONE or (len(kept) > 1 and distances[nearest] < 40)):
            found[key] = Photograph(of, nearest, size)
    return found


def beside(own: np.ndarray, file: Path, left: bool) -> tuple[np.ndarray, np.ndarray]:
    """Both on one canvas; and the middle of the person's own photograph there."""
    other = cv2.resize(read(file), None, fx=LARGER, fy=LARGER, interpolation=cv2.INTER_CUBIC)
    above = (other.shape[0] - own.shape[0]) // 2
    below = other.shape[0] - own.shape[0] - above
    own = cv2.copyMakeBorder(own, above, below, 0, 0, cv2.BORDER_REPLICATE)
    start = np.array([0 if left else other.shape[1], 0])
    return np.hstack([own, other] if left else [other, own]), start + middle_of(own)


def read(file: Path) -> np.ndarray:
    return decode(file.read_bytes(), 40)


def middle_of(picture: np.ndarray) -> np.ndarray:
    """Where the face is that a photograph of LFW is of."""
    return np.array(picture.shape[1::-1]) / 2


if __name__ == "__main__":
    main()
