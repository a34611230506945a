"""Whose photographs `benchmarks/xray.py` shows in films, and whose it trains on: never both."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from elenco.demo.synthetic import SyntheticCast
from elenco.embedding.base import Embedder
from elenco.faces.crops import align
from elenco.faces.images import decode
from elenco.faces.mtcnn import Detector
from elenco.faces.quality import measure
from elenco.fingerprint import digest, unit_interval
from elenco.recognition.dataset import Dataset
from elenco.storage import read_npz, write_npz
from elenco.vectors import unit
from elenco.xray.evidence import face_quality

FEWEST, MOST_TRAINED = 5, 8
SYNTHETIC_STRANGERS = 40


@dataclass(frozen=True)
class Photograph:
    """A photograph with its one face that counts."""

    path: Path
    box: tuple[float, ...]
    vector: np.ndarray
    measures: tuple[float, ...]
    quality: float


@dataclass(frozen=True)
class People:
    """Photographs by person, those that are trained on and those that are shown.

    Attributes:
        trained: of people who are known.
        shown: others of the same people.
        strangers: of people who are not known.
    """

    trained: dict[str, list[Photograph]]
    shown: dict[str, list[Photograph]]
    strangers: dict[str, list[Photograph]]


def find_people(
    photos: Path, work: Path, detector: Detector, embedder: Embedder, known: int
) -> People:
    """Split LFW by stable hash; faces and vectors are kept in `work` for the next time."""
    folders = {folder.name: sorted(folder.glob("*.jpg")) for folder in sorted(photos.iterdir())}
    several = [name for name, files in folders.items() if len(files) >= FEWEST]
    several.sort(key=lambda name: unit_interval(f"known {name}"))
    others = [name for name, files in folders.items() if 2 <= len(files) < FEWEST]
    others.sort(key=lambda name: unit_interval(f"stranger {name}"))
    chosen = {name: folders[name][: 3 * MOST_TRAINED] for name in several[:known]}
    chosen |= {name: folders[name] for name in others[: 2 * known]}
    found = look(chosen, work, detector, embedder)
    trained, shown = {}, {}
    for name in several[:known]:
        own = sorted(found[name], key=lambda p: unit_interval(f"split {p.path.name}"))
        half = min(MOST_TRAINED, len(own) // 2)
        if half >= 2 and len(own) - half >= 2:
            trained[name], shown[name] = own[:half], own[half:]
    return People(
        trained, shown, {name: found[name] for name in others[: 2 * known] if found[name]}
    )


def look(
    chosen: dict[str, list[Path]], work: Path, detector: Detector, embedder: Embedder
) -> dict[str, list[Photograph]]:
    """Faces of photographs that show one; others behind somebody would have no truth."""
    key = digest({k: [p.name for p in v] for k, v in chosen.items()}, detector.version)[:12]
    cached = work / f"photographs-of-one-{key}.npz"
    names = [(name, path) for name, files in chosen.items() for path in files]
    if not cached.exists():
        rows = []
        for start in range(0, len(names), 64):
            part = [decode(path.read_bytes(), 40) for _, path in names[start : start + 64]]
            crops, kept = [], []
            for place, (picture, faces) in enumerate(
                zip(part, detector.detect(part, 20), strict=True)
            ):
                if len(faces) != 1:
                    continue
                best = 0
                crop = align(picture, faces.landmarks[best])
                own = measure(crop, faces.landmarks[best])
                crops.append(crop)
                measures = (own.size, own.sharpness, own.yaw, float(faces.scores[best]))
                kept.append((start + place, *faces.boxes[best].tolist(), *measures))
            vectors = embedder.embed_raw(np.stack(crops))
            rows += [np.concatenate([k, v]) for k, v in zip(kept, vectors, strict=True)]
        write_npz(cached, rows=np.array(rows, np.float64))
    found: dict[str, list[Photograph]] = {name: [] for name in chosen}
    rows = read_npz(cached)["rows"]
    vectors = rows[:, 9:].astype(np.float32)
    measures = rows[:, 5:8].astype(np.float32)
    trusted = face_quality(
        vectors, measures, rows[:, 8].astype(np.float32), embedder.space.embedder
    )
    for row, vector, good in zip(rows, unit(vectors), trusted.tolist(), strict=True):
        name, path = names[int(row[0])]
        found[name].append(Photograph(path, tuple(row[1:5]), vector, tuple(row[5:9]), good))
    return found


def dataset(people: People, embedder: Embedder) -> Dataset:
    """The photographs that are trained on."""
    rows = [(name, photo) for name, own in sorted(people.trained.items()) for photo in own]
    names = np.array([name for name, _ in rows])
    ids = np.unique(names)
    column = [np.array([photo.measures[i] for _, photo in rows], np.float32) for i in range(3)]
    return Dataset(
        np.stack([photo.vector for _, photo in rows]),
        np.searchsorted(ids, names),
        names,
        names,
        np.array([photo.path.stem for _, photo in rows]),
        ids,
        np.array([photo.quality for _, photo in rows], np.float32),
        *column,
        embedder.space,
    )


def draw_synthetic(actors: int, folder: Path) -> Path:
    """Photographs of a cast that does not exist, in folders by person as LFW's are."""
    cast = SyntheticCast(actors + SYNTHETIC_STRANGERS)
    acting = [person for person in cast.people if person.department == "Acting"]
    for place, person in enumerate(acting):
        own = folder / str(person.id)
        own.mkdir(parents=True, exist_ok=True)
        # Who has fewer than FEWEST is a stranger.
        for number in range(2 * FEWEST if place < actors else FEWEST - 2):
            path = own / f"{number}.jpg"
            if not path.exists():
                path.write_bytes(cast.new_picture(100 * place + number, person).data)
    return folder
