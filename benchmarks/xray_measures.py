"""How well a film's tracks fit its truth, for `benchmarks/xray.py`."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import linear_sum_assignment

from elenco.demo.film import TrueFace, Truth
from elenco.faces.geometry import iou

STRANGER = "stranger "
CERTAIN = 0.6  # share of a face that is visible, from which on it has to be found
SAME = 0.4  # overlap of boxes of one face
WITHIN = 0.25  # seconds that a border may be off
HEIGHT = 0.07  # share of the picture's height: smaller ones need not be found


@dataclass(frozen=True)
class Said:
    """A face that an answer has in a frame: who (a person, or an unknown one), and where.

    `track` names the track that it is of, -1 where there are none.
    """

    who: str
    named: bool
    box: tuple[float, float, float, float]
    track: int = -1


Answer = list[list[Said]]  # for each frame


@dataclass
class Score:
    """Sums over frames and films."""

    right: int = 0
    wrong: int = 0
    missed: int = 0
    strangers: int = 0
    strangers_unknown: int = 0
    strangers_named: int = 0
    switches: int = 0
    pairs: Counter = field(default_factory=Counter)  # (truth, answer) -> frames
    of_truth: Counter = field(default_factory=Counter)
    of_answer: Counter = field(default_factory=Counter)
    tracks_right: int = 0
    tracks: int = 0
    borders: list = field(default_factory=list)

    @property
    def f1(self) -> float:
        return 2 * self.right / max(1, 2 * self.right + self.wrong + self.missed)

    def figures(self) -> dict[str, float]:
        """By name, as `COLUMNS`; without those of which nothing was added."""
        off = np.abs(self.borders) if self.borders else np.array([np.nan])
        none = float("nan")
        strangers = self.strangers or none
        found = {
            "f1": self.f1,
            "precision": self.right / max(1, self.right + self.wrong),
            "recall": self.right / max(1, self.right + self.missed),
            "tracks_right": self.tracks_right / (self.tracks or none),
            "strangers_unknown": self.strangers_unknown / strangers,
            "strangers_named": self.strangers_named / strangers,
            "idf1": self.identity(),
            "switches": self.switches if self.of_truth else none,
            "border_median": float(np.median(off)),
            "border_p90": float(np.quantile(off, 0.9)),
            "border_within": float((off <= WITHIN).mean()),
        }
        return {name: value for name, value in found.items() if not np.isnan(value)}

    def identity(self) -> float:
        """IDF1 (Ristani et al. 2016) at an overlap of 0.4."""
        truths, answers = sorted(self.of_truth), sorted(self.of_answer)
        if not truths or not answers:
            return float("nan")
        matrix = np.zeros((len(truths), len(answers)))
        index = {w: i for i, w in enumerate(truths)}, {w: i for i, w in enumerate(answers)}
        for (truth, answer), count in self.pairs.items():
            matrix[index[0][truth], index[1][answer]] = count
        rows, columns = linear_sum_assignment(-matrix)
        both = matrix[rows, columns].sum()
        return float(2 * both / (sum(self.of_truth.values()) + sum(self.of_answer.values())))


# Key, heading and decimals of what is printed.
COLUMNS = (
    ("f1", "F1", 4),
    ("precision", "precision", 4),
    ("recall", "recall", 4),
    ("tracks_right", "tracks right", 3),
    ("strangers_unknown", "strangers unknown", 3),
    ("strangers_named", "named", 3),
    ("idf1", "IDF1", 3),
    ("switches", "switches", 0),
    ("border_median", "border, median s", 2),
    ("border_p90", "90 % s", 2),
    ("border_within", f"within {WITHIN} s", 3),
)


def add_names(score: Score, truth: Sequence[Sequence[TrueFace]], answer: Answer) -> None:
    """Add who is named in each of some frames."""
    for faces, said in zip(truth, answer, strict=True):
        shown = {f.who for f in faces if not f.who.startswith(STRANGER)}
        sure = shown & {f.who for f in faces if must_be_found(f)}
        told = {s.who for s in said if s.named}
        score.right += len(told & sure)
        score.wrong += len(told - shown)
        score.missed += len(sure - told)


def must_be_found(face: TrueFace) -> bool:
    """Whether a face is large and visible enough."""
    return face.visible >= CERTAIN and face.box[3] >= HEIGHT


def add(score: Score, truth: Truth, answer: Answer, film: int) -> None:
    """Add all of a film's figures."""
    add_names(score, truth.faces, answer)
    last: dict[str, str] = {}
    of_track: dict[int, Counter] = defaultdict(Counter)
    name_of: dict[int, str] = {}
    cuts = set(np.round(truth.cuts, 3).tolist())
    for time, faces, said in zip(truth.times, truth.faces, answer, strict=True):
        if round(time, 3) in cuts:
            last.clear()
        must = [must_be_found(face) for face in faces]
        matched = _match([f.box for f in faces], [s.box for s in said])
        taken = {a for _, a in matched}
        for a, one in enumerate(said):
            name_of[one.track] = one.who if one.named else ""
            if a not in taken:
                score.of_answer[film, one.who] += 1
                of_track[one.track][None] += 1
        pairs = dict(matched)
        for t, face in enumerate(faces):
            if not must[t] and t not in pairs:
                continue
            score.of_truth[film, face.who] += 1
            stranger = face.who.startswith(STRANGER)
            if stranger and must[t]:
                score.strangers += 1
            if t not in pairs:
                continue
            one = said[pairs[t]]
            score.of_answer[film, one.who] += 1
            score.pairs[(film, face.who), (film, one.who)] += 1
            of_track[one.track][face.who] += 1
            if stranger and must[t]:
                score.strangers_unknown += not one.named
                score.strangers_named += one.named
            score.switches += last.get(face.who, one.who) != one.who
            last[face.who] = one.who
    for track, whose in of_track.items():
        if track >= 0:
            best = whose.most_common(1)[0][0]
            expected = "" if best is None or best.startswith(STRANGER) else best
            score.tracks += 1
            score.tracks_right += best is not None and name_of[track] == expected
    score.borders += borders(truth, answer)


def _match(truth: Sequence, said: Sequence) -> list[tuple[int, int]]:
    if not truth or not said:
        return []
    overlap = iou(_corners(truth), _corners(said))
    rows, columns = linear_sum_assignment(-overlap)
    return [
        (r, c)
        for r, c in zip(rows.tolist(), columns.tolist(), strict=True)
        if overlap[r, c] >= SAME
    ]


def _corners(boxes: Sequence) -> np.ndarray:
    found = np.array(boxes, np.float64)
    return np.concatenate([found[:, :2], found[:, :2] + found[:, 2:]], axis=1)


def borders(truth: Truth, answer: Answer) -> list[float]:
    """Seconds from each coming and going of a person to the nearest one that was told.

    Only of those that are told of at all during that time.
    """
    step = truth.times[1] - truth.times[0]
    shown = [{f.who for f in faces if f.visible > 0.3} for faces in truth.faces]
    told = [{s.who for s in said if s.named} for said in answer]
    errors = []
    people = {w for who in shown for w in who if not w.startswith(STRANGER)}
    for person in sorted(people):
        there = _runs([person in who for who in shown])
        said = _runs([person in who for who in told])
        for begin, end in there:
            if (end - begin) * step < 0.5:
                continue
            same = [run for run in said if min(end, run[1]) - max(begin, run[0]) > 0]
            if same:
                errors.append((min(run[0] for run in same) - begin) * step)
                errors.append((max(run[1] for run in same) - end) * step)
    return errors


def _runs(flags: Sequence[bool]) -> list[tuple[int, int]]:
    padded = np.diff(np.concatenate([[0], np.array(flags, int), [0]]))
    return list(zip(np.flatnonzero(padded == 1), np.flatnonzero(padded == -1), strict=True))
