"""How well people are recognised from their embeddings, beside other ways, and what training takes.

    python benchmarks/recognition.py [--lfw ../shared/lfw] [--work DIR] [--splits 8]
    python benchmarks/recognition.py --synthetic 10000 10 512      # people, photographs, dimensions
    python benchmarks/recognition.py --growth

LFW goes through the stages once without and once with `embedding.mirror`, `--work` keeps the
embeddings. Known are those with five or more photographs; half of each person's, by stable hash,
are in the gallery, the others are asked about, and everybody else is a stranger. The first split is
that of `elenco evaluate --photos`; the others take other hashes. Nothing has seen the strangers:
every way has its settings, threshold and temperature from the gallery half alone.

Synthetic people are random directions and noise: the figures say nothing, seconds and memory do.
"""

import argparse
import itertools
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from functools import cache, partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from baselines import WAYS, Way, learned

from elenco.embedding.base import load_embedder
from elenco.evaluation.bootstrap import Resampling
from elenco.evaluation.calibration import calibration
from elenco.evaluation.folder import embed_folder, look_into
from elenco.evaluation.open_set import open_set
from elenco.evaluation.protocol import folder_trial
from elenco.evaluation.trial import Trial, only
from elenco.fingerprint import unit_interval
from elenco.layout import Layout
from elenco.recognition import fit as fit_module
from elenco.recognition import scoring
from elenco.recognition.dataset import Dataset, read_dataset
from elenco.recognition.fit import fit
from elenco.recognition.search import Search
from elenco.recognition.svm import svm_baseline
from elenco.recognition.train import train_candidate
from elenco.settings import Settings, load_settings
from elenco.storage import write_bytes, write_npz
from elenco.types import EmbeddingSpace
from elenco.vectors import unit

MIN_PHOTOS = 5
OURS = "**ours**"
COLUMNS = (
    *("top-1", "DIR at FPIR 10 %", "1 %", "0.1 %"),
    *("strangers named", "by person", "ECE, known", "ECE, all", "fit, s"),
)
AT_1_PERCENT = 2  # the column
# Each of the constants beside what it could be.
IDENTITIES = (0.4, 0.5, 0.6, 0.7, 0.8, 1.0)
COHORTS = (1, 2, 3, 5)
WEIGHTS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)
# Of synthetic people.
TEST_PHOTOS, SPREAD = 2, 0.75
GROWTH = [(p, 10, 512) for p in (1000, 3000, 10_000)] + [(10_000, n, 512) for n in (5, 20)]

Ask = Callable[[np.ndarray], Search]
Recogniser = tuple[Ask, float, float]  # what searches, its threshold, seconds to fit


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--lfw", type=Path, default=Path("../shared/lfw"))
    parser.add_argument("--work", type=Path, help="folder for the embeddings; a temporary one")
    parser.add_argument("--splits", type=int, default=8)
    parser.add_argument("--synthetic", type=int, nargs=3, metavar=("PEOPLE", "PHOTOS", "DIM"))
    parser.add_argument("--growth", action="store_true")
    parser.add_argument("--no-svm", action="store_true", help="of synthetic people")
    options = parser.parse_args()
    if options.synthetic:
        print(json.dumps(synthetic(*options.synthetic, svm=not options.no_svm)))
    elif options.growth:
        growth()
    else:
        with tempfile.TemporaryDirectory() as temporary:
            lfw(options.lfw / "images", options.work or Path(temporary), options.splits)


def lfw(photos: Path, work: Path, splits: int) -> None:
    """Print the tables of real photographs."""
    sets = {mirror: embedded(photos, work, mirror) for mirror in (False, True)}
    for mirror, data in sets.items():
        name = "with mirror images" if mirror else "as photographed"
        trials = [split(data, number) for number in range(splits)]
        first = trials[0]
        print(
            f"\n## {data.space.embedder}, {name}\n\n{len(first.gallery.people)} people with "
            f"{len(first.made_from)} photographs, {len(first.probes)} asked about, "
            f"{len(first.strangers)} of {len(np.unique(first.strangers.person_ids))} strangers; %\n"
        )
        compared(trials)
    print(
        "\n## The constants\n\nIDENTITY, COHORT and COHORT_WEIGHT were chosen on splits of these "
        "photographs. Here they are chosen on one half of the people, known and strangers, by mean "
        "DIR at FPIR 1 and 0.1 % over the splits, and measured on the other half.\n"
    )
    for mirror, data in sets.items():
        crossed(data, splits, "mirror" if mirror else "as photographed")


def embedded(photos: Path, work: Path, mirror: bool) -> Dataset:
    """The embeddings of a folder, as the stages make them; those in the work folder if there."""
    kept = work / ("mirror.npz" if mirror else "plain.npz")
    if not kept.exists():
        settings = settings_of(work, embedding={"embedder": "dlib_resnet", "mirror": mirror})
        layout = Layout.of(settings)
        folder = look_into(photos, settings, layout)
        embedder = load_embedder("dlib_resnet", settings, layout)
        embed_folder(folder, embedder, layout.denylist)
        write_bytes(kept, folder.layout.joined("dlib_resnet", "train").read_bytes())
    return read_dataset(kept)


@cache
def defaults() -> Settings:
    """The settings as they are without options."""
    return load_settings()


def settings_of(root: Path, **sections: Any) -> Settings:
    """The defaults, with data and models in a folder."""
    return load_settings(paths={"data": root / "data", "models": root / "models"}, **sections)


def split(data: Dataset, number: int) -> Trial:
    """The protocol; another number than 0 halves everybody's photographs otherwise."""
    if number:
        data = replace(data, keys=np.char.add(data.keys, f" split {number}"))
    return folder_trial(data, MIN_PHOTOS, fit, defaults())


def compared(trials: Sequence[Trial]) -> None:
    """Print what each way does, on the first split and over all."""
    ours = [
        (OURS, fitted),
        ("ours, without projection", partial(fitted, IDENTITY=1.0)),
        ("ours, without cohort", partial(fitted, COHORT_WEIGHT=0.0)),
    ]
    ways = [*ours, *((way.name, partial(baseline, way)) for way in WAYS)]
    found: dict[str, np.ndarray] = {}
    for name, make in ways:
        found[name] = np.array([figures(trial, make(trial.made_from)) for trial in trials])
        print(f"{name} is done", file=sys.stderr)
    header("way", *COLUMNS)
    for name, rows in found.items():
        row(name, *(f"{value:.2f}" for value in rows[0]))
    print(f"\nOver {len(trials)} splits, mean (lowest-highest):\n")
    header("way", *COLUMNS, f"splits in which {OURS} is better at 1 %")
    for name, rows in found.items():
        better = (found[OURS][:, AT_1_PERCENT] > rows[:, AT_1_PERCENT]).sum()
        cells = zip(rows.mean(axis=0), rows.min(axis=0), rows.max(axis=0), strict=True)
        row(name, *("{:.2f} ({:.2f}-{:.2f})".format(*cell) for cell in cells), str(better))


def fitted(data: Dataset, **constants: float) -> Recogniser:
    """Ours, with other constants or its own."""
    with using(**constants):
        started = time.perf_counter()
        gallery = fit(data, defaults())
        return gallery.search, gallery.threshold, time.perf_counter() - started


def baseline(way: Way, data: Dataset) -> Recogniser:
    """Another way; photographs are by person already."""
    found = learned(way, data.vectors, data.labels, defaults().training.false_positive_rate)
    return found.search, found.threshold, found.seconds


def figures(trial: Trial, recogniser: Recogniser) -> list[float]:
    """COLUMNS, in %."""
    search, threshold, seconds = recogniser
    known, strangers = search(trial.probes.vectors), search(trial.strangers.vectors)
    asked = (known, trial.truth, trial.people, strangers, trial.stranger_people, threshold)
    once = Resampling(trial.strata, 1, 0)
    found, calibrated = open_set(*asked, once), calibration(*asked, once)
    unknown = found.strangers_called_unknown, found.strangers_called_unknown_by_person
    shares = [
        found.top1.value,
        *(at.found.value for at in found.dir_at_fpir),
        *(1 - (share.value or 0) for share in unknown),
        calibrated.known.ece.value,
        calibrated.all.ece.value,
    ]
    return [*(100 * float(share or 0) for share in shares), seconds]


@contextmanager
def using(**constants: float) -> Iterator[None]:
    """Recognise with other constants meanwhile."""
    places = {"IDENTITY": scoring, "COHORT": scoring, "COHORT_WEIGHT": fit_module}
    patches = [patch.object(places[name], name, value) for name, value in constants.items()]
    for one in patches:
        one.start()
    try:
        yield
    finally:
        for one in patches:
            one.stop()


def crossed(data: Dataset, splits: int, name: str) -> None:
    """Print how constants do on the half of the people that they were not chosen on."""
    second = np.array([unit_interval(f"half {p}") >= 0.5 for p in data.person_ids.tolist()])
    halves = [[split(only(data, half), n) for n in range(splits)] for half in (~second, second)]
    names = ("IDENTITY", "COHORT", "COHORT_WEIGHT")
    every: list[dict[str, float]] = [
        dict(zip(names, values, strict=True))
        for values in itertools.product(IDENTITIES, COHORTS, WEIGHTS)
        if values[2] or values[1] == COHORTS[0]  # nothing is taken, of however many
    ]
    found = [[mean_dir(trials, constants) for constants in every] for trials in halves]
    own: dict[str, float] = {
        "IDENTITY": scoring.IDENTITY,
        "COHORT": scoring.COHORT,
        "COHORT_WEIGHT": fit_module.COHORT_WEIGHT,
    }
    header(f"{name}, measured on", "constants", *names, "DIR at FPIR 1 %", "0.1 %")
    for half, other in ((0, 1), (1, 0)):
        best = [int(np.argmax([sum(at) for at in found[h]])) for h in (half, other)]
        places = {
            "as they are": every.index(own),
            "chosen on the other half": best[1],
            "chosen on this half": best[0],
            "nearest mean": every.index({"IDENTITY": 1.0, "COHORT": 1, "COHORT_WEIGHT": 0.0}),
        }
        people = len(halves[half][0].gallery.people)
        for label, place in places.items():
            shares = (f"{value:.2f}" for value in found[half][place])
            row(f"{people} people", label, *map(str, every[place].values()), *shares)
    print()


def mean_dir(trials: Sequence[Trial], constants: dict[str, float]) -> tuple[float, float]:
    """DIR at FPIR 1 and 0.1 %, in %, over splits."""
    with using(**constants):
        rows = [figures(trial, fitted(trial.made_from, **constants)) for trial in trials]
    _, _, one, tenth, *_ = np.mean(rows, axis=0)
    return float(one), float(tenth)


def growth() -> None:
    """Print what training takes at other sizes, each in a process of its own."""
    sizes = "people", "photographs each", "dimensions"
    header(*sizes, "fit, s", "CPU s", "peak, MiB", "all, s", "peak, MiB")
    for size in GROWTH:
        command = [sys.executable, __file__, "--no-svm", "--synthetic", *map(str, size)]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        found = json.loads(done.stdout.splitlines()[-1])
        names = ("fit_seconds", "fit_cpu_seconds", "fit_peak_mib", "all_seconds", "all_peak_mib")
        row(*(f"{value:,}" for value in size), *(f"{found[name]:,.0f}" for name in names))


def synthetic(people: int, photos: int, dim: int, svm: bool) -> dict[str, float]:
    """Train once; seconds, and the process's peak of memory.

    `fit_cpu_seconds` are those of all cores. `all` is the stage as a whole, but for the baseline:
    its time is `svm_seconds`.
    """
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        rng = np.random.default_rng(0)
        centres = unit(rng.standard_normal((people, dim), np.float32))
        train = write_split(root / "train.npz", centres, photos, rng)
        test = write_split(root / "test.npz", centres, TEST_PHOTOS, rng)
        settings = settings_of(root, training={"svm_people": 2})
        found: dict[str, float] = {"people": people, "photographs": photos, "dim": dim}
        found["before_peak_mib"] = peak_mib()
        started, cpu = time.perf_counter(), time.process_time()
        data = read_dataset(train)
        fit(data, settings)
        found |= {"fit_seconds": time.perf_counter() - started, "fit_peak_mib": peak_mib()}
        found["fit_cpu_seconds"] = time.process_time() - cpu
        (root / "out").mkdir()
        started = time.perf_counter()
        trained = train_candidate(train, test, root / "out", settings, Layout.of(settings))
        found |= {"all_seconds": time.perf_counter() - started, "all_peak_mib": peak_mib()}
        if svm:
            asked, most = read_dataset(test), defaults().training.svm_people
            both = (data.vectors, data.labels), (asked.vectors, asked.labels)
            started = time.perf_counter()
            svm_baseline(*both, data.people.tolist(), most, 0)
            found["svm_seconds"] = time.perf_counter() - started
        size = (root / "out" / "classifier.keras").stat().st_size / 2**20
        return found | {"classifier_mib": size, "top1": trained.metrics["top1"]}


def write_split(path: Path, centres: np.ndarray, photos: int, rng: np.random.Generator) -> Path:
    """`photos` embeddings a person: their direction plus noise of length SPREAD."""
    count, dim = centres.shape
    labels = np.repeat(np.arange(count, dtype=np.int64), photos)
    noise = rng.standard_normal((len(labels), dim), np.float32)
    ids = np.array([f"{n:06d}" for n in range(count)])
    one = np.ones(len(labels), np.float32)
    write_npz(
        path,
        vectors=unit(centres[labels] + np.float32(SPREAD / dim**0.5) * noise),
        person_ids=ids[labels],
        names=ids[labels],
        keys=np.tile(np.array([f"{path.stem}{n:03d}" for n in range(photos)]), count),
        labels=labels,
        people=ids,
        quality=one,
        sizes=one,
        sharpness=one,
        yaws=one,
        meta=np.array(json.dumps({"space": asdict(EmbeddingSpace("synthetic", "", dim, ""))})),
    )
    return path


def peak_mib() -> float:
    """The most memory that this process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def header(*titles: str) -> None:
    """The head of a Markdown table."""
    row(*titles)
    row(*("---" for _ in titles))


def row(*cells: str) -> None:
    """A row of it."""
    print("| " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
