"""Who is on screen in films whose truth is known: accuracy, borders, speed, against two baselines.

    python benchmarks/xray.py [--lfw ../shared/lfw] [--json FILE]    # 10 minutes of processor time
    python benchmarks/xray.py --synthetic      # without LFW: its figures say only that it runs

Photographs move over walls in films of 1280x720 at 25 frames a second, h264: people come, leave,
cross, come nearer; cuts, dissolves, flashes, zooms; faces from 10 % of the height on, blur, strong
compression; three in ten faces are of strangers. The recogniser is trained on other photographs of
the same people. All ways are asked about the film's cast alone, and about everybody:

tracks      `elenco xray`
frames      the recogniser on each of the frames that X-Ray looks at, without tracks
headshots   cosine with one photograph a person, with the threshold and margin of the best F1

What is chosen (the headshots' threshold here, X-Ray's constants) is chosen on films of seed 0, and
what is printed is of films of seed 1.

F1, precision and recall are of people named in frames; faces must be found from 7 % of the height
on, where 60 % are visible. Tracks are right that have the name of the face that they mostly show,
or none if that is a stranger's. Strangers are faces in frames. A border is the time from somebody's
coming or going to when that is told. `tracks, gaps closed` is what appearances say. Nothing is kept
but in --work.
"""

import argparse
import json
import os
import resource
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from xray_answers import (
    Spent,
    by_frames,
    by_headshots,
    by_tracks,
    candidates_of,
    held,
    see,
    tune,
)
from xray_films import FPS, make_film
from xray_measures import COLUMNS, Answer, Said, Score, add, add_names, borders
from xray_people import dataset, draw_synthetic, find_people

from elenco.embedding.base import load_embedder
from elenco.faces.mtcnn import load_detector
from elenco.layout import Layout
from elenco.progress import console_sink
from elenco.recognition.fit import fit
from elenco.settings import Settings, load_settings
from elenco.storage import write_json
from elenco.vectors import unit
from elenco.xray.analysis import analyse
from elenco.xray.video import Video

MODES = {"cast": "restricted", "open": "open"}
CLOSED = "tracks, gaps closed"
WAYS = ("tracks", CLOSED, "frames", "headshots")
SEED = 1000  # films of one seed at most


def main() -> None:
    """Make films, ask, and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--lfw", type=Path, default=Path("../shared/lfw"))
    parser.add_argument("--synthetic", action="store_true", help="people who do not exist")
    parser.add_argument("--films", type=int, default=4, help="that are reported")
    parser.add_argument("--tuning", type=int, default=2, help="that thresholds are chosen on")
    parser.add_argument("--seed", type=int, default=1, help="of the films that are reported")
    parser.add_argument("--seconds", type=float, default=60.0, help="of a film")
    parser.add_argument("--people", type=int, default=250, help="how many are known")
    parser.add_argument("--cast", type=int, default=20)
    parser.add_argument("--mirror", action="store_true")
    parser.add_argument("--json", type=Path, help="where figures are written")
    parser.add_argument("--work", type=Path, help="where films are kept for another run")
    options = parser.parse_args()
    settings = load_settings(
        embedding={"embedder": "dlib_resnet", "mirror": options.mirror or None}
    )
    with tempfile.TemporaryDirectory() as temporary, console_sink():
        work = options.work or Path(temporary)
        work.mkdir(parents=True, exist_ok=True)
        figures = run(options, settings, work)
    if options.json:
        write_json(options.json, figures)


def run(options: argparse.Namespace, settings: Settings, work: Path) -> dict:
    """All of it; the figures."""
    detector = load_detector(settings)
    embedder = load_embedder("dlib_resnet", settings, Layout.of(settings))
    if options.synthetic:
        photos = draw_synthetic(min(options.people, 60), work / "synthetic")
    else:
        photos = options.lfw / "images" if (options.lfw / "images").is_dir() else options.lfw
    people = find_people(photos, work, detector, embedder, options.people)
    gallery = fit(dataset(people, embedder), settings)
    heads = unit(np.stack([people.trained[p.id][0].vector for p in gallery.people]))

    def films_of(seed: int, count: int) -> list:
        numbers = range(SEED * seed, SEED * seed + count)
        return [make_film(people, n, options.seconds, options.cast, work) for n in numbers]

    tuning = films_of(0, options.tuning)
    seen = [see(film, settings, detector, embedder, Spent()) for film in tuning]
    tuned = {mode: tune(tuning, seen, gallery, heads, mode) for mode in MODES}
    scores = {(mode, way): Score() for mode in MODES for way in WAYS}
    spent = Spent()
    wall = processor = length = 0.0
    for n, film in enumerate(films_of(options.seed, options.films)):
        began, used = time.perf_counter(), time.process_time()
        with tempfile.TemporaryDirectory() as folder:
            segments = analyse(Video(film.path), settings, detector, embedder, Path(folder))
        wall, processor = wall + time.perf_counter() - began, processor + time.process_time() - used
        length += segments[-1].last
        faces = see(film, settings, detector, embedder, spent)
        for mode in MODES:
            who = candidates_of(film, gallery, mode)
            tracks = by_tracks(segments, film, gallery, who)
            heads_said = by_headshots(faces, gallery, heads, who, *tuned[mode])
            answers = {
                "tracks": tracks,
                "frames": held(faces, film, by_frames(faces, gallery, who)),
                "headshots": held(faces, film, heads_said),
            }
            for way, answer in answers.items():
                add(scores[mode, way], film.truth, answer, n)
            appear = closed(tracks, settings.xray.gap_seconds)
            add_names(scores[mode, CLOSED], film.truth.faces, appear)
            scores[mode, CLOSED].borders += borders(film.truth, appear)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    figures = {
        "people": len(gallery.people),
        "nearest_shown_to_trained": max(
            float((photo.vector @ np.stack([t.vector for t in people.trained[name]]).T).max())
            for name, shown in people.shown.items()
            for photo in shown
        ),
        "cast": options.cast,
        "films": options.films,
        "seed": options.seed,
        "answers": {
            MODES[mode]: {way: scores[mode, way].figures() for way in WAYS} for mode in MODES
        },
        "headshots": {
            MODES[mode]: {"cosine": round(cosine, 4), "margin": margin}
            for mode, (cosine, margin) in tuned.items()
        },
        "speed": {
            "video_seconds": length,
            "wall_seconds": wall,
            "processor_seconds": processor,
            "times_real_time": length / wall,
            "times_real_time_two_free_cores": 2 * length / processor,
            "peak_mib": peak,
            "load": os.getloadavg()[0],
        },
        "processor_seconds_by_step": dict(spent.steps),
    }
    print(json.dumps(figures["headshots"]))
    print(markdown(figures))
    return figures


def closed(answer: Answer, gap: float) -> Answer:
    """On screen also in short gaps between tracks, as appearances are."""
    frames: Answer = [list(said) for said in answer]
    for name in sorted({one.who for said in answer for one in said if one.named}):
        there = np.flatnonzero([any(o.named and o.who == name for o in said) for said in answer])
        for first, after in zip(there.tolist(), there[1:].tolist(), strict=False):
            if after - first > 1 and (after - first - 1) / FPS <= gap:
                for place in range(first + 1, after):
                    frames[place].append(Said(name, True, (0, 0, 0, 0)))
    return frames


def markdown(figures: dict) -> str:
    """The tables."""
    speed = figures["speed"]
    rows = [["", *(heading for _, heading, _ in COLUMNS)], ["---"] * (len(COLUMNS) + 1)]
    rows += [
        [f"{mode}, {way}", *(_cell(own.get(key), places) for key, _, places in COLUMNS)]
        for mode, ways in figures["answers"].items()
        for way, own in ways.items()
    ]
    steps = figures["processor_seconds_by_step"]
    parts = [["step", "ms of processor time a second of video"], ["---", "---"]]
    parts += [[step, f"{1000 * s / speed['video_seconds']:.0f}"] for step, s in steps.items()]
    return (
        f"{figures['films']} films, {figures['people']} people known, "
        f"casts of {figures['cast']}; no photograph is in film and gallery, the highest cosine "
        f"of two is {figures['nearest_shown_to_trained']:.3f}\n\n{table(rows)}\n\n"
        f"{speed['video_seconds']:.0f} s of video in {speed['wall_seconds']:.1f} s at a load of "
        f"{speed['load']:.1f}: "
        f"{speed['times_real_time']:.2f} x real time; {speed['processor_seconds']:.1f} s of "
        "processor time: two free cores, evenly used, would do "
        f"{speed['times_real_time_two_free_cores']:.2f} x; peak {speed['peak_mib']:,.0f} MiB\n\n"
        f"{table(parts)}\n"
    )


def _cell(value: float | None, places: int) -> str:
    return "–" if value is None else f"{value:.{places}f}"


def table(rows: Sequence[Sequence[str]]) -> str:
    """Rows as Markdown."""
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


if __name__ == "__main__":
    main()
