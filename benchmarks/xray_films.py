"""Films with known truth for `benchmarks/xray.py`: heads that move over blurred walls."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from xray_people import People

from elenco.demo.film import Head, Move, Role, Take, TrueFace, Truth, write_film
from elenco.faces.images import decode
from elenco.fingerprint import digest
from elenco.storage import read_json, write_json

STRANGER = "stranger "
FPS = 25
SIZE = (1280, 720)
FILM_VERSION = "5"


@dataclass(frozen=True)
class Film:
    """A film, its cast, and what it shows."""

    path: Path
    cast: list[str]
    truth: Truth


def make_film(people: People, number: int, seconds: float, cast_size: int, work: Path) -> Film:
    """A film, rendered once; another number, other people, ways and encoder settings."""
    rng = np.random.default_rng(number)
    known = sorted(people.shown)
    cast = sorted(rng.choice(known, min(cast_size, len(known)), replace=False).tolist())
    strangers = rng.choice(sorted(people.strangers), 12, replace=False).tolist()
    takes = [*_takes(rng, people, cast, strangers, seconds)]
    crf = int(rng.choice([21, 24, 28, 32]))
    key = digest("film", FILM_VERSION, number, seconds, cast, sorted(people.strangers), crf)[:12]
    path = work / f"film-{number:02d}-{key}.mp4"
    told = path.with_suffix(".json")
    if not told.exists():
        options = {"crf": str(crf), "preset": "veryfast"}
        truth = write_film(path, takes, size=SIZE, fps=FPS, options=options, seed=number)
        faces = [[(f.who, f.box, round(f.visible, 3)) for f in frame] for frame in truth.faces]
        write_json(told, {"times": truth.times, "cuts": truth.cuts, "faces": faces})
    return Film(path, cast, read_truth(told))


def read_truth(path: Path) -> Truth:
    """What `make_film` wrote."""
    value = read_json(path)
    faces = [[TrueFace(who, tuple(box), seen) for who, box, seen in f] for f in value["faces"]]
    return Truth(value["times"], faces, value["cuts"])


def _takes(
    rng: np.random.Generator,
    people: People,
    cast: Sequence[str],
    strangers: Sequence[str],
    seconds: float,
) -> list[Take]:
    walls = [
        _wall(rng, people.strangers[name][0].path) for name in rng.choice(strangers, 8).tolist()
    ]
    takes: list[Take] = []
    total = 0.0
    last = -1
    while total < seconds:
        length = float(np.clip(rng.gamma(3, 1.1), 1.2, 8))
        count = int(rng.choice([0, 1, 2, 3], p=[0.06, 0.49, 0.32, 0.13]))
        who = rng.choice(cast, count, replace=False).tolist()
        who = [
            name if rng.random() < 0.7 else STRANGER + str(rng.choice(strangers)) for name in who
        ]
        who = list(dict.fromkeys(who))
        roles = _roles(rng, people, who, length)
        wall = int(rng.integers(len(walls)))
        wall = (wall + 1) % len(walls) if wall == last else wall
        last = wall
        takes.append(
            Take(
                length,
                walls[wall],
                tuple(roles),
                zoom=float(rng.choice([1, 1, 1.15, 1.4])),
                light=float(rng.uniform(0.6, 1.15)),
                flash=0.6 * length if rng.random() < 0.08 else None,
                dissolve=float(rng.choice([0, 0, 0, 0, 0, 0.5, 1.0])) if length > 2 else 0.0,
            )
        )
        total += length
    return takes


def _roles(
    rng: np.random.Generator, people: People, who: Sequence[str], length: float
) -> list[Role]:
    """Everybody in a place of their own, or two who cross; some come, leave, or come nearer."""
    slots = rng.permutation([(0.5,), (0.3, 0.7), (0.2, 0.5, 0.8)][max(0, len(who) - 1)])
    roles: list[Role] = []
    crossing = len(who) == 2 and rng.random() < 0.35
    base = float(np.exp(rng.uniform(np.log(0.1), np.log(0.42 if len(who) < 3 else 0.3))))
    for place, name in enumerate(who):
        size = base * float(rng.uniform(0.8, 1.1))
        x, y = float(slots[place]), float(rng.uniform(0.4, 0.6))
        start, end = [x, y, size, float(rng.normal(0, 5))], [x, y, size, float(rng.normal(0, 5))]
        enters, leaves = 0.0, float("inf")
        how = rng.random()
        if crossing:
            end[0] = 1 - x
            start[1] = end[1] = 0.5 + (0.06 if place else -0.06)
        elif how < 0.15:
            start[0] = -0.2 if x < 0.5 else 1.2  # comes in from the side
        elif how < 0.3:
            end[0] = -0.2 if x < 0.5 else 1.2
        elif how < 0.4 and length > 2:
            enters = float(rng.uniform(0.3, 0.5)) * length
        elif how < 0.5 and length > 2:
            leaves = float(rng.uniform(0.5, 0.7)) * length
        elif how < 0.65:
            end[2] = size * float(rng.choice([0.6, 1.5]))
        else:
            end[0] += float(rng.uniform(-0.05, 0.05))
            end[1] += float(rng.uniform(-0.05, 0.05))
        blur = float(rng.choice([0, 0, 0, 1.0, 2.0, 3.0]))
        blur *= 720 * size / 250
        move = Move(tuple(start), tuple(end), float(rng.choice([0, 0.005, 0.015])))
        roles.append(Role(_head(rng, people, name), move, enters, leaves, blur))
    return roles


def _head(rng: np.random.Generator, people: People, name: str) -> Head:
    own = people.shown.get(name) or people.strangers[name.removeprefix(STRANGER)]
    photo = own[int(rng.integers(len(own)))]
    return Head.of(name, decode(photo.path.read_bytes(), 40), photo.box)


def _wall(rng: np.random.Generator, path: Path) -> np.ndarray:
    """Something coloured without a face."""
    picture = decode(path.read_bytes(), 40)
    picture = np.ascontiguousarray(picture[:: rng.choice([1, -1]), :: rng.choice([1, -1])])
    small = cv2.resize(picture, (16, 9), interpolation=cv2.INTER_AREA)
    wall = cv2.resize(small, (1280, 720), interpolation=cv2.INTER_CUBIC)
    for _ in range(12):  # furniture
        x, y = int(rng.integers(1280)), int(rng.integers(720))
        w, h = (int(v) for v in rng.integers(40, 300, 2))
        colour = tuple(int(v) for v in rng.integers(20, 220, 3))
        cv2.rectangle(wall, (x, y), (x + w, y + h), colour, -1)
    return cv2.GaussianBlur(wall, (0, 0), 2)
