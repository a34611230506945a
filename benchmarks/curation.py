"""How clean a gallery gets: wrong labels, copies, bad faces and twins put into LFW on purpose.

    python benchmarks/curation.py [--lfw ../shared/lfw] [--work DIR]   # 5 minutes; again, 3

People with five or more photographs. It prints, as Markdown:

1. labels of 10 % of the photographs swapped at random, or the photographs replaced by strangers':
   how many of the wrong ones are left out, and of the right ones; and the top-1 of nearest means
   on the held-out half, for the clean gallery, the noisy one, the noisy one without exactly the
   wrong ones, and the curated one. All photographs are curated together, or the gallery half
   alone. "centred": the same embeddings less their mean, whose cosines lie quite elsewhere.
2. photographs changed, found and embedded again, and put into the test: how many are left out as
   near-duplicates; and how many of the photographs as they are.
3. photographs made bad: how many of the right ones are taken for somebody else.
4. people cut into two ids: how many are reported, and how many pairs that are not.
5. time and memory of 10,000 people with 30 embeddings of 512 dimensions, drawn at random.

Embeddings of `dlib_resnet`. What the stages made of the photographs stays in the work folder.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import cv2
import numpy as np

from elenco.compute.lanes import in_lanes
from elenco.curation.find import find
from elenco.curation.hashes import phash
from elenco.curation.verdicts import REASONS, Faces
from elenco.embedding import stage as embedding
from elenco.embedding.base import load_embedder
from elenco.faces import stage as detection
from elenco.faces.agreement import load_chooser
from elenco.faces.crops import align
from elenco.faces.images import decode, encode_jpeg
from elenco.faces.mtcnn import load_detector
from elenco.faces.quality import measure, quality, relative_norms
from elenco.faces.select import choose
from elenco.fingerprint import unit_interval
from elenco.layout import Layout
from elenco.settings import Curation, Settings, load_settings
from elenco.sources import listing
from elenco.sources.network import run
from elenco.sources.stage import collect_shard
from elenco.storage import read_npz
from elenco.vectors import lengths, unit

FEWEST = 5  # photographs of a person
SHARE, SEEDS = 0.1, 5
CHANGED = 300  # photographs
BAD = 400
SPLIT = 40  # people
LARGE = (10_000, 30, 512)
COPY = [REASONS.index("near_duplicate")]
SOMEBODY = [REASONS.index("wrong_person"), REASONS.index("looks_like_another")]
Picture = np.ndarray
Change = Callable[[Picture], Picture]


def saved(picture: Picture, level: int) -> Picture:
    return decode(encode_jpeg(np.ascontiguousarray(picture), level), 40)


def scaled(picture: Picture, factor: float) -> Picture:
    how = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    return cv2.resize(picture, None, fx=factor, fy=factor, interpolation=how)


def lit(picture: Picture, contrast: float, brightness: float) -> Picture:
    return np.clip(picture * contrast + brightness, 0, 255).astype(np.uint8)


def cut(picture: Picture) -> Picture:
    height, width = picture.shape[:2]
    return picture[round(0.06 * height) : round(0.97 * height), round(0.08 * width) :]


def turned(picture: Picture) -> Picture:
    height, width = picture.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), 3, 1)
    return cv2.warpAffine(picture, turn, (width, height), borderMode=cv2.BORDER_REPLICATE)


CHANGES: dict[str, Change] = {
    "as it is, found again": lambda p: p,
    "JPEG quality 40": lambda p: saved(p, 40),
    "half size": lambda p: saved(scaled(p, 0.5), 90),
    "1.5 times as large": lambda p: scaled(p, 1.5),
    "brighter": lambda p: lit(p, 1.2, 15),
    "less contrast": lambda p: lit(p, 0.75, 22),
    "grey": lambda p: cv2.cvtColor(cv2.cvtColor(p, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB),
    "cut": cut,
    "turned by 3 degrees": turned,
    "mirrored": lambda p: np.ascontiguousarray(p[:, ::-1]),
    "half size, cut, brighter, JPEG 60": lambda p: saved(lit(cut(scaled(p, 0.5)), 1.2, 15), 60),
}
WORSE: dict[str, Change] = {
    "half size": lambda p: scaled(p, 1 / 2),
    "third size": lambda p: scaled(p, 1 / 3),
    "quarter size": lambda p: scaled(p, 1 / 4),
    "blur of 2 pixels": lambda p: cv2.GaussianBlur(p, (0, 0), 2),
    "blur of 3 pixels": lambda p: cv2.GaussianBlur(p, (0, 0), 3),
}


class Lfw:
    """The embeddings of everybody, and the way from other photographs to more of them."""

    def __init__(self, photos: Path, work: Path) -> None:
        folder = {"source": "folder", "folder": photos, "people": 100_000, "test_fraction": 0.0}
        self.settings: Settings = load_settings(
            paths={"data": work / "data", "models": work / "models"},
            collect=folder | {"photos_per_person": 1000, "shards": 4},
            embedding={"embedder": "dlib_resnet"},
        )
        self.layout = Layout.of(self.settings)
        self._detector = load_detector(self.settings)
        self._embedder = load_embedder("dlib_resnet", self.settings, self.layout)
        rows = self._rows()
        self.ids = [f"{p}/{k}" for p, k in zip(rows["person_ids"], rows["keys"], strict=True)]
        nothing = np.zeros(len(self.ids), bool)
        columns = (unit(rows["vectors"]), rows["labels"], rows["quality"], rows["phashes"])
        self.faces = Faces(*columns, nothing, nothing, nothing)
        counts = np.bincount(self.faces.labels)
        self.known = np.flatnonzero(counts[self.faces.labels] >= FEWEST)
        self.strangers = np.flatnonzero(counts[self.faces.labels] < FEWEST)

    def _rows(self) -> dict[str, np.ndarray]:
        """Collect, detect, embed, join: what is there already is not done again."""
        settings, layout = self.settings, self.layout
        people = run(listing.list_people(settings, layout))
        names = {person.id: person.name for shard in people.shards for person in shard}
        chooser = load_chooser(settings, layout)
        shards = []
        for number, members in enumerate(people.shards):
            collected = run(collect_shard(members, number, settings, layout))
            detected = detection.detect_shard(collected, settings, layout, self._detector, chooser)
            shards.append(embedding.embed_shard(detected, settings, layout, self._embedder))
        joined = embedding.join_shards(shards, names, settings, layout, "dlib_resnet")
        return read_npz(layout.data / joined.train)

    def gallery(self) -> Faces:
        """The people with enough photographs, numbered from 0."""
        labels = np.unique(self.faces.labels[self.known], return_inverse=True)[1]
        return replace(only(self.faces, self.known), labels=labels)

    def changed(self, rows: np.ndarray, change: Change) -> tuple[np.ndarray, Faces]:
        """Photographs changed, then detected, aligned and embedded: which have a face, and it."""

        def work(some: np.ndarray) -> list[tuple[int, Picture, np.ndarray, float]]:
            pictures = [change(self._photograph(row)) for row in some]
            made = []
            found = self._detector.detect(pictures)
            for row, picture, own in zip(some.tolist(), pictures, found, strict=True):
                if len(own):
                    face = choose(own, picture.shape[1], picture.shape[0])
                    marks = own.landmarks[face]
                    crop = decode(encode_jpeg(align(picture, marks)), 1)
                    made.append((row, crop, marks, float(own.scores[face])))
            return made

        chunks = np.array_split(rows, -(-len(rows) // 25))
        made = [one for part in in_lanes(work, chunks, 2) for one in part]
        crops = np.stack([crop for _, crop, _, _ in made])
        raw = self._embedder.embed_raw(crops)
        measures = [measure(crop, marks) for _, crop, marks, _ in made]
        size, sharp, yaw = (
            np.array([getattr(m, name) for m in measures], np.float32)
            for name in ("size", "sharpness", "yaw")
        )
        scores = np.array([score for *_, score in made], np.float32)
        good = quality(size, sharp, yaw, scores, relative_norms(lengths(raw), "dlib_resnet"))
        which = np.array([row for row, *_ in made])
        hashes = np.array([phash(crop) for crop in crops])
        nothing = np.zeros(len(which), bool)
        labels = self.faces.labels[which]
        return which, Faces(unit(raw), labels, good, hashes, nothing, nothing, nothing)

    def _photograph(self, row: int) -> Picture:
        person, _, key = self.ids[row].partition("/")
        return decode(self.layout.image("train", person, key).read_bytes(), 40)


def only(faces: Faces, rows: np.ndarray) -> Faces:
    return Faces(**{name: column[rows] for name, column in vars(faces).items()})


def joined(one: Faces, other: Faces) -> Faces:
    parts = {name: np.concatenate([c, getattr(other, name)]) for name, c in vars(one).items()}
    return Faces(**parts)


def halves(ids: list[str], labels: np.ndarray) -> np.ndarray:
    """Which photographs are the gallery's: half of each person's, by a stable hash."""
    values = np.array([unit_interval(photograph) for photograph in ids])
    order = np.lexsort((values, labels))
    place = np.arange(len(order)) - np.searchsorted(labels[order], labels[order])
    chosen = np.zeros(len(order), bool)
    chosen[order] = 2 * place < np.bincount(labels)[labels[order]]
    return chosen


def top1(gallery: Faces, probes: Faces) -> float:
    """Share of probes whose nearest mean is their person's, in per cent."""
    sums = np.zeros((int(probes.labels.max()) + 1, gallery.vectors.shape[1]), np.float32)
    np.add.at(sums, gallery.labels, gallery.vectors)
    nearest = (probes.vectors @ unit(sums).T).argmax(axis=1)
    return 100 * float((nearest == probes.labels).mean())


def wrong_labels(lfw: Lfw) -> None:
    """Section 1."""
    faces = lfw.gallery()
    gallery = halves([lfw.ids[row] for row in lfw.known], faces.labels)
    mean = faces.vectors.mean(axis=0)
    forms = {"as they are": faces, "centred": replace(faces, vectors=unit(faces.vectors - mean))}
    print(
        "| embeddings | wrong are | curated | wrong left out | right left out | of these copies | "
        "clean | noisy | without the wrong | curated | lost |\n|---|---|---|" + "---:|" * 8
    )
    for name, form in forms.items():
        strangers = only(lfw.faces, lfw.strangers)
        if name == "centred":
            strangers = replace(strangers, vectors=unit(strangers.vectors - mean))
        for kind in ("swapped", "strangers", "none"):
            for scope in ("all", "half"):
                rows = np.array(
                    [
                        _noise(form, gallery, strangers, kind, scope, seed)
                        for seed in range(SEEDS if kind != "none" else 1)
                    ]
                )
                shown = [f"{value:.2f}" if np.isfinite(value) else "–" for value in rows.mean(0)]
                lost = f"{shown[-1]} ± {rows[:, -1].std():.2f}"
                print(f"| {name} | {kind} | {scope} | {' | '.join([*shown[:-1], lost])} |")


def _noise(
    faces: Faces, gallery: np.ndarray, strangers: Faces, kind: str, scope: str, seed: int
) -> list[float]:
    rng = np.random.default_rng(seed)
    part = np.ones(len(gallery), bool) if scope == "all" else gallery
    noisy = only(faces, part)
    rows = rng.permutation(len(noisy.labels))[: round(SHARE * len(noisy.labels))]
    wrong = np.zeros(len(noisy.labels), bool)
    if kind == "swapped":
        labels = noisy.labels.copy()
        labels[rows] = rng.permutation(labels[rows])
        wrong = labels != noisy.labels
        noisy = replace(noisy, labels=labels)
    elif kind == "strangers":
        wrong[rows] = True
        chosen = rng.choice(len(strangers.labels), len(rows), replace=False)
        for column in ("vectors", "quality", "phashes"):
            getattr(noisy, column)[rows] = getattr(strangers, column)[chosen]
    found = find(noisy, int(faces.labels.max()) + 1, Curation())
    out, own = found.quarantined, gallery[part]
    copies = out & np.isin(found.reason, COPY)
    probes = only(faces, ~gallery)
    clean = top1(only(faces, gallery), probes)
    curated = top1(only(noisy, own & ~out), probes)
    return [
        100 * out[wrong].mean() if wrong.any() else np.nan,
        100 * out[~wrong].mean(),
        100 * copies[~wrong].mean(),
        clean,
        top1(only(noisy, own), probes),
        top1(only(noisy, own & ~wrong), probes),
        curated,
        clean - curated,
    ]


def copies(lfw: Lfw) -> None:
    """Section 2."""
    rng = np.random.default_rng(0)
    rows = np.sort(rng.choice(len(lfw.ids), CHANGED, replace=False))
    people = int(lfw.faces.labels.max()) + 1
    plain = find(lfw.faces, people, Curation())
    own = np.isin(plain.reason, COPY)
    total = len(lfw.ids)
    print(f"\n{own.sum()} of LFW's own {total:,} photographs are near-duplicates.\n")
    print("| put into the test | faces | left out as near-duplicates |\n|---|---:|---:|")
    for name, change in CHANGES.items():
        which, made = lfw.changed(rows, change)
        made = replace(made, held_out=np.ones(len(which), bool))
        found = find(joined(lfw.faces, made), people, Curation())
        share = np.isin(found.reason[total:], COPY).mean()
        print(f"| {name} | {len(which)} | {100 * share:.1f} % |")


def bad_faces(lfw: Lfw) -> None:
    """Section 3."""
    faces = lfw.gallery()
    rng = np.random.default_rng(0)
    rows = np.sort(rng.choice(lfw.known, BAD, replace=False))
    print(
        "\n| a tenth of the photographs | their quality, median | taken for somebody else | "
        "the same, were they of quality 0.95 | unusable |\n|---|---:|---:|---:|---:|"
    )
    for name, change in WORSE.items():
        which, made = lfw.changed(rows, change)
        place = np.searchsorted(lfw.known, which)
        worse = replace(faces, vectors=faces.vectors.copy(), quality=faces.quality.copy())
        worse.vectors[place] = made.vectors
        shares = []
        for values in (made.quality, np.float32(0.95)):
            worse.quality[place] = values
            found = find(worse, int(faces.labels.max()) + 1, Curation())
            shares.append(100 * np.isin(found.reason[place], SOMEBODY).mean())
        unusable = 100 * (made.quality < Curation().min_quality).mean()
        middle = np.median(made.quality)
        print(
            f"| {name} | {middle:.2f} | {shares[0]:.1f} % | {shares[1]:.1f} % | {unusable:.0f} % |"
        )


def twins(lfw: Lfw) -> None:
    """Section 4."""
    faces, rng = lfw.faces, np.random.default_rng(0)
    people = int(faces.labels.max()) + 1
    several = np.flatnonzero(np.bincount(faces.labels) >= 2 * FEWEST)
    chosen = rng.choice(several, SPLIT, replace=False)
    labels = faces.labels.copy()
    for number, person in enumerate(chosen):
        rows = rng.permutation(np.flatnonzero(labels == person))
        labels[rows[: len(rows) // 2]] = people + number
    found = find(replace(faces, labels=labels), people + SPLIT, Curation())
    cut_up = {(int(person), people + number) for number, person in enumerate(chosen)}
    told = {(pair.one, pair.other) for pair in found.twins}
    gone = found.quarantined & np.isin(labels, [*chosen, *range(people, people + SPLIT)])
    print(
        f"\n{len(told & cut_up)} of {SPLIT} people cut into two ids are reported, among "
        f"{people + SPLIT:,} people; {len(told - cut_up)} other pairs are. "
        f"{np.isin(found.reason[gone], SOMEBODY).sum()} photographs of those people are taken for "
        "somebody else."
    )


def large() -> None:
    """Section 5, in this process."""
    people, photographs, dim = LARGE
    rng = np.random.default_rng(0)
    spread = np.exp(-np.arange(dim) / (dim / 4)).astype(np.float32)
    spread /= np.sqrt(np.square(spread).sum())
    middles = rng.standard_normal((people, dim), np.float32) * spread
    labels = np.repeat(np.arange(people), photographs)
    vectors = np.empty((len(labels), dim), np.float32)
    for start in range(0, len(labels), 1 << 14):
        part = labels[start : start + (1 << 14)]
        noise = rng.standard_normal((len(part), dim), np.float32) * np.float32(0.9 / dim**0.5)
        vectors[start : start + len(part)] = unit(middles[part] + noise)
    rows = rng.permutation(len(labels))[: len(labels) // 10]
    given = labels.copy()
    given[rows] = rng.permutation(given[rows])
    wrong = given != labels
    hashes = rng.integers(0, 2**64, len(labels), np.uint64)
    nothing = np.zeros(len(labels), bool)
    held_out = rng.random(len(labels)) < 0.2
    good = np.full(len(labels), 0.95, np.float32)
    before = peak_mib()
    started = time.perf_counter()
    faces = Faces(vectors, given, good, hashes, held_out, nothing, nothing)
    found = find(faces, people, Curation())
    seconds = time.perf_counter() - started
    out = found.quarantined
    print(
        f"\n{people:,} people × {photographs} photographs × {dim} dimensions: {seconds:.0f} s, "
        f"peak {peak_mib():,.0f} MiB ({before:,.0f} MiB before); of {wrong.sum():,} wrong labels "
        f"{100 * out[wrong].mean():.1f} % are left out, of the right ones "
        f"{100 * out[~wrong].mean():.2f} %."
    )


def peak_mib() -> float:
    """The most memory that this process has held; what started it does not count (Linux)."""
    status = Path("/proc/self/status").read_text().split()
    return int(status[status.index("VmHWM:") + 1]) / 1024


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--lfw", type=Path, default=Path("../shared/lfw"))
    parser.add_argument(
        "--work", type=Path, default=Path(tempfile.gettempdir()) / "elenco-curation"
    )
    parser.add_argument("--large", action="store_true", help="section 5 alone")
    options = parser.parse_args()
    if options.large:
        large()
        return
    lfw = Lfw(options.lfw / "images", options.work)
    for section in (wrong_labels, copies, bad_faces, twins):
        section(lfw)
    # In a process of its own: the peak is then that of curating.
    subprocess.run([sys.executable, __file__, "--large"], check=True)


if __name__ == "__main__":
    main()
