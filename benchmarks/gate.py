"""How often the gate stops a candidate that is as good as the one in use, and one that is worse.

    python benchmarks/gate.py [--photos ../shared/lfw/images | --npz train.npz]   # 5 to 15 minutes

People with five or more photographs; two fifths of these, by stable hash, are held out. Versions
are made of the rest: with a share of the photographs missing, another one each time, as from one
day to the next; with half of them missing; with wrong names on some; with another threshold or
temperature. Each is judged against versions of which 1 % of the photographs are missing. It prints
how often a candidate is not promoted, by `publish.tolerance`, the mean differences in points, and
in how many comparisons the drift of the embeddings raises an alarm. Then what people get who are
added to a version by hand, a fifth of all one after another, and who are trained with the others:
how many of their photographs are named rightly, and how many are given a name in their absence.
"""

import argparse
import json
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from itertools import permutations
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

from elenco.embedding.base import load_embedder
from elenco.evaluation.folder import embed_folder, look_into
from elenco.fingerprint import unit_interval
from elenco.layout import Layout
from elenco.recognition.changed import with_person
from elenco.recognition.dataset import Dataset, read_dataset
from elenco.recognition.drift import drift_of
from elenco.recognition.fit import fit
from elenco.recognition.gallery import Gallery
from elenco.recognition.gate import compare
from elenco.recognition.held_out import HeldOut
from elenco.recognition.statistics import data_statistics
from elenco.settings import Settings, load_settings
from elenco.storage import read_npz, write_json, write_npz
from elenco.types import EmbeddingSpace, Person

FEWEST, HELD_OUT = 5, 0.4
TOLERANCES = (0.0, 0.002, 0.005)
VERSIONS, JUDGES = 8, 2  # candidates of a kind, and versions in use that each is judged against


@dataclass
class Version:
    """A gallery and the directory with the statistics of what it was made of."""

    gallery: Gallery
    directory: Path


class Bench:
    """Versions of one data set, judged on its held-out photographs."""

    def __init__(self, arrays: dict[str, np.ndarray], space: EmbeddingSpace, root: Path) -> None:
        self.settings = load_settings(None, paths={"data": root / "data", "models": root})
        self.layout, self.root, self.space = Layout.of(self.settings), root, space
        _, whose, counts = np.unique(arrays["person_ids"], return_inverse=True, return_counts=True)
        pairs = zip(arrays["person_ids"].tolist(), arrays["keys"].tolist(), strict=True)
        hashes = np.array([unit_interval(f"{person}/{key}") for person, key in pairs])
        known, out = counts[whose] >= FEWEST, hashes < HELD_OUT
        self.train = only(arrays, known & ~out)
        self.random, self.made = np.random.default_rng(0), 0
        path = self.layout.joined(space.embedder, "test")
        write_npz(path, **only(arrays, known & out))
        self.held_out = read_dataset(path)
        print(
            f"{int(known.sum()):,} photographs of {int((counts >= FEWEST).sum())} people, "
            f"{len(self.held_out):,} held out"
        )

    def version(
        self, missing: float, wrong: float = 0, change: Callable[[Gallery], Gallery] | None = None
    ) -> Version:
        """Without a share of the photographs, and with wrong names on a share of the others."""
        rows = self.random.random(len(self.train["keys"])) >= missing
        arrays = only(self.train, rows)
        mixed = np.flatnonzero(self.random.random(int(rows.sum())) < wrong)
        others = self.random.permutation(mixed)
        for name in ("person_ids", "names", "labels"):
            arrays[name] = arrays[name].copy()
            arrays[name][mixed] = arrays[name][others]
        columns = {f.name: arrays[f.name] for f in fields(Dataset) if f.name != "space"}
        gallery = fit(Dataset(**columns, space=self.space), self.settings)
        gallery = change(gallery) if change else gallery
        return Version(gallery, self._describe(gallery, arrays))

    def _describe(self, gallery: Gallery, arrays: dict[str, np.ndarray]) -> Path:
        self.made += 1
        folder = self.root / f"v{self.made:06d}"
        people = [{"id": person.id, "name": person.name} for person in gallery.people]
        write_json(folder / "labels.json", {"space": vars(self.space), "people": people})
        write_json(folder / "metrics.json", {})
        none = only(arrays, np.zeros(len(arrays["keys"]), bool))
        found = data_statistics({"train": arrays, "test": none}, {}, 0.2)
        write_json(folder / "statistics.json", found)
        return folder

    def row(self, title: str, pairs: list[tuple[Version, Version]]) -> str:
        """Judge candidates, each against a version in use; a row of the table."""
        stopped = []
        for tolerance in TOLERANCES:
            publish = self.settings.publish.model_copy(update={"tolerance": tolerance})
            settings = self.settings.model_copy(update={"publish": publish})
            verdicts = [self._judge(pair, settings) for pair in pairs]
            stopped.append(sum(not verdict.promote for verdict in verdicts))
        means = [
            100 * float(np.mean([verdict.figures[name]["difference"] for verdict in verdicts]))
            for name in ("named_right", "named_strangers", "calibration_error")
        ]
        alarms = sum(bool(drift_of(old.directory, new.directory)["alarm"]) for new, old in pairs)
        cells = [f"{count / len(pairs):.0%}" for count in (*stopped, alarms)]
        figures = [f"{mean:+.2f}" for mean in means]
        return f"| {title} | {len(pairs)} | {' | '.join([*cells[:-1], *figures, cells[-1]])} |"

    def _judge(self, pair: tuple[Version, Version], settings: Settings):
        galleries = {version.directory: version.gallery for version in pair}
        new, old = (version.directory for version in pair)
        return compare(new, old, self.layout, settings, galleries.__getitem__)

    def by_hand(self, added: list[str]) -> tuple[Gallery, Gallery]:
        """A version with these people added by hand, and one trained with them."""
        trained = self.version(0).gallery
        theirs = np.isin(self.train["person_ids"], added)
        everybody, self.train = self.train, only(self.train, ~theirs)
        gallery = self.version(0).gallery
        self.train = everybody
        for person in added:
            vectors = everybody["vectors"][everybody["person_ids"] == person]
            gallery = with_person(gallery, Person(person, person), vectors)
        return gallery, trained

    def asked(self, gallery: Gallery, people: list[str]) -> tuple[float, float]:
        """Shares of these people's held-out photographs: named rightly; named with them away."""
        found = HeldOut.of(gallery, self.held_out)
        found = found.only(np.isin(found.person_ids, people))
        return float(found.said().right.mean()), float((~found.said_of_strangers().right).mean())


def only(arrays: dict[str, np.ndarray], rows: np.ndarray) -> dict[str, np.ndarray]:
    fixed = ("people", "meta")
    return {name: a if name in fixed else a[rows] for name, a in arrays.items()}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--photos", type=Path, default=Path("../shared/lfw/images"))
    parser.add_argument("--npz", type=Path)
    arguments = parser.parse_args()
    arrays = read_npz(arguments.npz or embedded(arguments.photos))
    space = EmbeddingSpace(**json.loads(str(arrays["meta"]))["space"])
    with tempfile.TemporaryDirectory() as scratch:
        measure(Bench(arrays, space, Path(scratch)))


def embedded(photos: Path) -> Path:
    settings = load_settings(None, embedding={"embedder": "dlib_resnet"})
    layout = Layout.of(settings)
    embedder = load_embedder("dlib_resnet", settings, layout)
    folder = look_into(photos, settings, layout)
    embed_folder(folder, embedder, layout.denylist)
    return folder.layout.joined("dlib_resnet", "train")


def measure(bench: Bench) -> None:
    titles = " | ".join(f"not promoted at {100 * tolerance:g} points" for tolerance in TOLERANCES)
    print(
        f"| candidate | judged | {titles} | named right | strangers named | calibration error | "
        "alarm |"
    )
    print("|---|" + "---:|" * 8)
    for missing in (0.01, 0.025, 0.1):
        alike = [bench.version(missing) for _ in range(VERSIONS)]
        title = f"{2 * missing:.0%} of the photographs exchanged"
        print(bench.row(title, list(permutations(alike, 2))), flush=True)
    current = [bench.version(0.01) for _ in range(JUDGES)]

    def against(title: str, make: Callable[[], Version]) -> None:
        pairs = [(new, old) for new in (make() for _ in range(VERSIONS)) for old in current]
        print(bench.row(title, pairs), flush=True)

    against("half of the photographs missing", lambda: bench.version(0.5))
    for wrong in (0.005, 0.01, 0.02, 0.1):
        against(f"{wrong:.1%} under a wrong name", lambda wrong=wrong: bench.version(0.01, wrong))
    for by in (-0.005, 0.005):
        against(
            f"threshold {by:+g}",
            lambda by=by: bench.version(
                0.01, change=lambda gallery: replace(gallery, threshold=gallery.threshold + by)
            ),
        )
    against(
        "half the inverse temperature",
        lambda: bench.version(
            0.01, change=lambda gallery: replace(gallery, scale=gallery.scale / 2)
        ),
    )
    print("\n| a fifth of the people | named right | strangers named | others named right |")
    print("|---|---:|---:|---:|")
    people = np.unique(bench.train["person_ids"]).tolist()
    for seed in range(JUDGES + 1):
        order = np.random.default_rng(seed).permutation(people).tolist()
        added, others = order[: len(people) // 5], order[len(people) // 5 :]
        for title, gallery in zip(("added by hand", "trained"), bench.by_hand(added), strict=True):
            right, named = bench.asked(gallery, added)
            rest = bench.asked(gallery, others)[0]
            print(f"| {title}, draw {seed + 1} | {right:.2%} | {named:.2%} | {rest:.2%} |")


if __name__ == "__main__":
    main()
