"""What X-Ray's constants do: each changed alone, on films that no figure is reported of.

    python benchmarks/xray_constants.py [--lfw ../shared/lfw] [--films 8]    # 5 to 10 minutes

The films are those of `benchmarks/xray.py` of seed 0. Faces are found and embedded once; tracks,
their parts and their names are made anew with each change.
"""

import argparse
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import numpy as np
from xray import table
from xray_answers import by_tracks, candidates_of
from xray_films import Film, make_film
from xray_measures import Score, add
from xray_people import dataset, find_people

from elenco.embedding.base import Embedder, load_embedder
from elenco.faces.mtcnn import Detector, load_detector
from elenco.layout import Layout
from elenco.recognition.fit import fit
from elenco.recognition.gallery import Gallery
from elenco.settings import Settings, load_settings
from elenco.xray import bars, evidence, naming, tracks
from elenco.xray.evidence import face_quality
from elenco.xray.faces import SeenFace, SeenFrame, look_for_faces
from elenco.xray.parts import Part, one_face_each
from elenco.xray.sampling import Passed, Sample, ShotSpan, take_samples
from elenco.xray.segments import Segment
from elenco.xray.tracks import Tracker, Tracklet
from elenco.xray.video import Video

KEYS = ("f1", "precision", "recall", "tracks_right", "strangers_named", "idf1")
# Module, constant, values that are tried beside its own.
CONSTANTS = (
    (tracks, "_FAR", (0.0, 2.0, 4.0)),
    (tracks, "_SAME", (0.75, 0.9)),
    (tracks, "WIDEN", (0.1, 0.25, 0.5)),
    (tracks, "PATIENCE", (0.35, 1.0, 1.5)),
    (tracks, "LEAST_SEEN", (1, 3)),
    (evidence, "CHANGE", (2.5, 8.0, 1e9)),
    (bars, "STRANGER_PAIRS", (0.01, 0.05, 0.1)),
)
MOST_FACES = (1, 2, 4, 16)
OFFSETS = (-0.01, -0.005, 0.005, 0.01)


@dataclass
class Looked:
    """A film's frames with faces, and the ends of its shots, by time; the vector of each face."""

    film: Film
    items: list[SeenFrame | ShotSpan]
    vectors: dict[SeenFace, np.ndarray]
    passed: Passed


def main() -> None:
    """Look once, then print a row a change."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--lfw", type=Path, default=Path("../shared/lfw"))
    parser.add_argument("--films", type=int, default=8)
    parser.add_argument("--work", type=Path, help="where films are kept for another run")
    options = parser.parse_args()
    settings = load_settings(embedding={"embedder": "dlib_resnet"})
    detector = load_detector(settings)
    embedder = load_embedder("dlib_resnet", settings, Layout.of(settings))
    with tempfile.TemporaryDirectory() as temporary:
        work = options.work or Path(temporary)
        work.mkdir(parents=True, exist_ok=True)
        people = find_people(options.lfw / "images", work, detector, embedder, 250)
        gallery = fit(dataset(people, embedder), settings)
        films = [make_film(people, n, 60.0, 20, work) for n in range(options.films)]
        looked = [look(film, settings, detector, embedder) for film in films]
    rows = [["", *(f"{mode} {key}" for mode in ("restricted", "open") for key in KEYS)]]
    rows += [["---"] * len(rows[0])]
    most = settings.xray.faces_per_track
    rows += [[name, *figures(looked, settings, gallery, count)] for name, count in changes(most)]
    print(table(rows))


def changes(most: int) -> Iterator[tuple[str, int]]:
    """What is changed while the next one is not asked for, and how many faces a track may keep."""
    yield "as it is", most
    for module, constant, values in CONSTANTS:
        own = getattr(module, constant)
        for value in values:
            with patch.object(module, constant, value):
                yield f"{constant.strip('_')} {value:g}, not {own:g}", most
    for count in MOST_FACES:
        yield f"faces_per_track {count}, not {most}", count
    with patch.object(naming, "cluster", lambda vectors, *_: np.arange(len(vectors))):
        yield "every track for itself", most
    for offset in OFFSETS:
        with _moved(offset):
            yield f"scores to reach {offset:+g}", most
    with patch.object(naming, "bars_of", _single):
        yield "one score to reach, by however many tracks", most
    with patch.object(naming, "bars_of", _whole):
        yield "the gallery's threshold", most


@contextmanager
def _moved(offset: float) -> Iterator[None]:
    """Scores to reach, all higher or lower."""
    real = naming.bars_of

    def moved(gallery: Gallery, candidates: np.ndarray) -> bars.Bars:
        own = real(gallery, candidates)
        return bars.Bars(own.single + offset, own.pooled + offset)

    with patch.object(naming, "bars_of", moved):
        yield


def _single(gallery: Gallery, candidates: np.ndarray) -> bars.Bars:
    own = bars.bars_of(gallery, candidates)
    return bars.Bars(own.single, own.single)


def _whole(gallery: Gallery, _candidates: np.ndarray) -> bars.Bars:
    return bars.Bars(gallery.threshold, gallery.threshold)


def look(film: Film, settings: Settings, detector: Detector, embedder: Embedder) -> Looked:
    """Find and embed every face of the frames that X-Ray looks at."""
    video, passed = Video(film.path), Passed()
    items: list[SeenFrame | ShotSpan] = []
    batch: list[Sample] = []
    rate, least = settings.xray.samples_per_second, settings.xray.min_face
    for one in take_samples(video.frames(0, Counter()), rate, 1e9, passed):
        if isinstance(one, Sample):
            batch.append(one)
        if batch and (len(batch) == 8 or isinstance(one, ShotSpan)):
            items += look_for_faces(batch, video.facts, detector, least)
            batch = []
        if isinstance(one, ShotSpan):
            items.append(one)
    faces = [face for one in items if isinstance(one, SeenFrame) for face in one.faces]
    vectors = embedder.embed_raw(np.stack([face.crop for face in faces]))
    return Looked(film, items, dict(zip(faces, vectors, strict=True)), passed)


def follow(looked: Looked, settings: Settings, most: int) -> Segment:
    """The film as one segment, as `elenco.xray.analysis` makes it."""
    part = Part(0.0, Path(), Tracker(settings.faces.min_score, most), looked.passed)
    for one in looked.items:
        over = part.take_shot(one) if isinstance(one, ShotSpan) else part.take_frame(one)
        for track in over:
            part.take_embedded(embedded(track, looked.vectors))
    part.over = True
    return part.segment()


def embedded(track: Tracklet, vectors: dict[SeenFace, np.ndarray]) -> list:
    """A track that is over, with its vectors."""
    faces = [face for _, face in track.best]
    own = np.stack([vectors[face] for face in faces])
    measures = np.array([face.measures for face in faces], np.float32)
    scores = np.array([face.score for face in faces], np.float32)
    return one_face_each(track, own, face_quality(own, measures, scores, "dlib_resnet"))


def figures(films: Sequence[Looked], settings: Settings, gallery: Gallery, most: int) -> list[str]:
    """A row of the table."""
    segments = [follow(looked, settings, most) for looked in films]
    cells: list[str] = []
    for mode in ("cast", "open"):
        score = Score()
        for n, (looked, segment) in enumerate(zip(films, segments, strict=True)):
            who = candidates_of(looked.film, gallery, mode)
            answer = by_tracks([segment], looked.film, gallery, who)
            add(score, looked.film.truth, answer, n)
        cells += [f"{score.figures()[key]:.4f}" for key in KEYS]
    return cells


if __name__ == "__main__":
    main()
