"""Three ways to say who is on screen, for `benchmarks/xray.py`: tracks, frames, headshots."""

import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from xray_films import FPS, Film
from xray_measures import Answer, Said, Score, add_names

from elenco.embedding.base import Embedder
from elenco.faces.mtcnn import Detector
from elenco.recognition.gallery import Gallery
from elenco.settings import Settings
from elenco.xray.document import film_of
from elenco.xray.faces import look_for_faces
from elenco.xray.naming import name_tracks
from elenco.xray.sampling import Passed, Sample, take_samples
from elenco.xray.segments import Segment
from elenco.xray.video import Video

Faces = list[tuple[np.ndarray, np.ndarray]]  # box and unit vector of each
Seen = list[tuple[float, Faces]]  # seconds, and the faces
THRESHOLDS = np.arange(0.90, 0.975, 0.005)
MARGINS = (0.0, 0.0025, 0.005, 0.01, 0.02, 0.035)


@dataclass
class Spent:
    """Seconds of processor time by step, one step after the other.

    Frames are decoded ahead by threads of their own: a little of that falls to later steps.
    """

    steps: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))

    def on(self, step: str, began: float) -> None:
        """Add what was used since `began`."""
        self.steps[step] += time.process_time() - began


def see(
    film: Film, settings: Settings, detector: Detector, embedder: Embedder, spent: Spent
) -> Seen:
    """Every face of the frames that X-Ray looks at, embedded."""
    video = Video(film.path)
    began = time.process_time()
    rate = settings.xray.samples_per_second
    taken = take_samples(video.frames(0, Counter()), rate, 1e9, Passed())
    samples = (one for one in taken if isinstance(one, Sample))
    seen: Seen = []
    part: list[Sample] = []
    for sample in samples:
        part.append(sample)
        if len(part) < 8:
            continue
        spent.on("decode, shots", began)
        seen += _embedded(part, video, settings, detector, embedder, spent)
        part, began = [], time.process_time()
    spent.on("decode, shots", began)
    if part:
        seen += _embedded(part, video, settings, detector, embedder, spent)
    return seen


def _embedded(
    samples: Sequence[Sample],
    video: Video,
    settings: Settings,
    detector: Detector,
    embedder: Embedder,
    spent: Spent,
) -> Seen:
    began = time.process_time()
    looked = look_for_faces(samples, video.facts, detector, settings.xray.min_face)
    spent.on("faces", began)
    began = time.process_time()
    least = settings.faces.min_score
    faces = [[face for face in frame.faces if face.score >= least] for frame in looked]
    crops = [face.crop for own in faces for face in own]
    vectors = iter(embedder.embed(np.stack(crops)) if crops else [])
    seen = [
        (frame.time, [(face.box, next(vectors)) for face in own])
        for frame, own in zip(looked, faces, strict=True)
    ]
    spent.on("vectors of all", began)
    return seen


def candidates_of(film: Film, gallery: Gallery, mode: str) -> np.ndarray:
    """Who may be named: the film's cast, or everybody."""
    ids = [person.id for person in gallery.people]
    if mode == "open":
        return np.arange(len(ids))
    return np.array(sorted(ids.index(name) for name in film.cast if name in ids))


def by_tracks(
    segments: list[Segment], film: Film, gallery: Gallery, candidates: np.ndarray
) -> Answer:
    """What `elenco xray` says."""
    whole = film_of(segments)
    named, _ = name_tracks(whole.tracks, whole.shot_of, gallery, candidates, [])
    answer: Answer = [[] for _ in film.truth.times]
    for n, (track, who) in enumerate(zip(whole.tracks, named, strict=True)):
        name = f"unknown {who.group}" if who.person is None else gallery.people[who.person].id
        first, last = (int(np.ceil(t * FPS - 1e-6)) for t in (track.start, track.end))
        times = np.arange(first, min(last, len(answer))) / FPS
        boxes = [np.interp(times, track.boxes[:, 0], track.boxes[:, c]) for c in range(1, 5)]
        for place, box in enumerate(zip(*boxes, strict=True)):
            one = Said(name, who.person is not None, tuple(map(float, box)), n)
            answer[first + place].append(one)
    return answer


def by_frames(seen: Seen, gallery: Gallery, candidates: np.ndarray) -> list[list[Said]]:
    """The recogniser's answer for each face; the better one keeps a name that two have."""
    said = []
    for _, faces in seen:
        if not faces:
            said.append([])
            continue
        scores = gallery.scores(np.stack([v for _, v in faces]))[:, candidates]
        said.append(_one_each(faces, scores, scores >= gallery.threshold, gallery, candidates))
    return said


def by_headshots(
    seen: Seen,
    gallery: Gallery,
    heads: np.ndarray,
    candidates: np.ndarray,
    threshold: float,
    margin: float,
) -> list[list[Said]]:
    """Cosine with one photograph a person, and its lead over the next."""
    said = []
    for _, faces in seen:
        if not faces:
            said.append([])
            continue
        scores = np.stack([v for _, v in faces]) @ heads[candidates].T
        best = np.sort(scores, axis=1)
        lead = best[:, -1] - best[:, -2] if best.shape[1] > 1 else np.ones(len(best))
        good = (scores >= threshold) & (lead >= margin)[:, None]
        said.append(_one_each(faces, scores, good, gallery, candidates))
    return said


def _one_each(
    faces: Faces, scores: np.ndarray, good: np.ndarray, gallery: Gallery, candidates: np.ndarray
) -> list[Said]:
    best = scores.argmax(axis=1)
    said, taken = {}, set()
    for face in np.argsort(-scores.max(axis=1), kind="stable").tolist():
        person = int(best[face])
        named = bool(good[face, person]) and person not in taken
        if named:
            taken.add(person)
        who = gallery.people[candidates[person]].id if named else "unknown"
        said[face] = Said(who, named, tuple(faces[face][0].tolist()))
    return [said[face] for face in range(len(faces))]


def held(seen: Seen, film: Film, said: list[list[Said]]) -> Answer:
    """What is said of a frame holds until halfway to the next, but not beyond a (true) cut."""
    times = np.array([time for time, _ in seen])
    cuts = np.array(film.truth.cuts)
    shot = np.searchsorted(cuts, times + 1e-6)
    answer: Answer = []
    for now in film.truth.times:
        own = np.flatnonzero(shot == np.searchsorted(cuts, now + 1e-6))
        near = own if len(own) else np.arange(len(times))
        answer.append(said[int(near[np.abs(times[near] - now).argmin()])])
    return answer


def tune(
    films: Sequence[Film], seen: Sequence[Seen], gallery: Gallery, heads: np.ndarray, mode: str
) -> tuple[float, float]:
    """Threshold and margin for headshots of the best F1 in the frames that were looked at."""
    best = (-1.0, 0.0, 0.0)
    for threshold in THRESHOLDS.tolist():
        for margin in MARGINS:
            score = Score()
            for film, own in zip(films, seen, strict=True):
                candidates = candidates_of(film, gallery, mode)
                said = by_headshots(own, gallery, heads, candidates, threshold, margin)
                places = [min(round(t * FPS), len(film.truth.faces) - 1) for t, _ in own]
                add_names(score, [film.truth.faces[place] for place in places], said)
            best = max(best, (score.f1, threshold, margin))
    return best[1], best[2]
