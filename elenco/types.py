"""The values that pass between the parts. Frozen; arrays are numpy with named axes."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from jaxtyping import Float32

Split = Literal["train", "test"]
Outcome = Literal["promoted", "not promoted", "nothing new"]
SPLITS: tuple[Split, ...] = ("train", "test")


@dataclass(frozen=True)
class Person:
    """Someone to recognise. `id` is TMDB's number as text, or a folder's name."""

    id: str
    name: str
    popularity: float = 0.0


@dataclass(frozen=True)
class ImageRef:
    """A photograph that a source offers.

    `key` is stable and names the file (TMDB's file_path stem; a folder's relative path hashed).
    `url` is where it is fetched from: http(s)://, or a path for the folder source.
    `width` and `height` are pixels of the original as the source states them, 0 where it does not.
    `version` changes when the content behind the same key does: a size, or a file's date.
    `vote_average` (0..10), `vote_count` and `language` (ISO 639-1, None for none) are TMDB's.
    """

    person_id: str
    key: str
    url: str
    width: int = 0
    height: int = 0
    version: str = ""
    vote_average: float = 0.0
    vote_count: int = 0
    language: str | None = None


@dataclass(frozen=True)
class Skipped:
    """One thing that a stage was given and did not keep. `id` is `person_id/key` for pictures."""

    id: str
    reason: str
    detail: str = ""


@dataclass(frozen=True)
class Detections:
    """Faces in one picture, best score first; n may be 0.

    Attributes:
        boxes: (n, 4) x1, y1, x2, y2 in pixels of the upright original.
        scores: (n,) 0..1.
        landmarks: (n, 5, 2) x, y of left eye, right eye, nose, left and right mouth corner,
            "left" as seen in the picture, in the same pixels.
    """

    boxes: Float32[np.ndarray, "n 4"]
    scores: Float32[np.ndarray, " n"]
    landmarks: Float32[np.ndarray, "n 5 2"]

    def __len__(self) -> int:
        return len(self.scores)


@dataclass(frozen=True)
class EmbeddingSpace:
    """Which vectors may be compared. Two differ if any field does."""

    embedder: str
    weights_sha256: str
    dim: int
    preprocessing: str


@dataclass(frozen=True)
class StageReport:
    """What a stage did with what it was given: `kept + sum(skipped.values()) == given`.

    `reused` of the kept were there already from an earlier run; `seconds` is wall time.
    """

    given: int
    kept: int
    reused: int = 0
    skipped: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0

    @staticmethod
    def of(kept: int, skipped: Iterable[Skipped], reused: int, seconds: float) -> "StageReport":
        """Counts `skipped` by reason."""
        reasons = dict(sorted(Counter(s.reason for s in skipped).items()))
        return StageReport(kept + sum(reasons.values()), kept, reused, reasons, round(seconds, 3))

    def again(self) -> "StageReport":
        """The same outcome, found stored instead of worked for."""
        return replace(self, reused=self.kept, seconds=0.0)

    def __add__(self, other: "StageReport") -> "StageReport":
        reasons = Counter(self.skipped) + Counter(other.skipped)
        return StageReport(
            self.given + other.given,
            self.kept + other.kept,
            self.reused + other.reused,
            dict(sorted(reasons.items())),
            round(self.seconds + other.seconds, 3),
        )


@dataclass(frozen=True)
class Listing:
    """The people of a day.

    Attributes:
        path: the dated list, relative to the data directory.
        shards: the people, cut by a stable hash of their id.
        came: who was not in the newest list of an earlier day; nobody if there is none.
        left: who was, and is in this one no more.
        changed: of how many people the source said that something changed since the last time.
        report: who was looked at, kept, and left out by reason.
        stayed: how many are in it only because they were in the one before: they could not be
            asked about, or the source did not tell whether it still lists them.
    """

    path: str
    shards: list[list[Person]]
    came: list[Person]
    left: list[Person]
    changed: int
    report: StageReport
    stayed: int = 0


@dataclass(frozen=True)
class ShardRef:
    """All that tasks pass to one another: where a stage's output for one shard is.

    Attributes:
        stage: `collect`, `detect` or `embed`.
        shard: the shard's number.
        path: the output, relative to the data directory.
        digest: sha256 of the output's content, without times and addresses: what the next
            stage's cache key is made of.
        report: counts of the run that wrote it.
    """

    stage: str
    shard: int
    path: str
    digest: str
    report: StageReport


@dataclass(frozen=True)
class TrainedRef:
    """A trained candidate, or the version that was trained before from the same inputs.

    Attributes:
        path: its directory, relative to the models directory.
        fingerprint: digest of all that it was trained from.
        version: `vNNNNNN` if it is registered already, else None.
        metrics: measurements on the test split.
        reused: whether it was there already.
    """

    path: str
    fingerprint: str
    version: str | None
    metrics: dict[str, Any]
    reused: bool = False


@dataclass(frozen=True)
class PublishedRef:
    """What became of a candidate.

    Attributes:
        version: the version it is registered as.
        outcome: `promoted`, `not promoted` or `nothing new`.
        reason: why, in one line.
        current: the version in use now.
        metrics: measurements of `version` on the test split.
    """

    version: str
    outcome: Outcome
    reason: str
    current: str | None
    metrics: dict[str, Any]


@dataclass(frozen=True)
class RefreshResult:
    """A refresh as a whole. `stages` are in the order in which they ran."""

    stages: dict[str, StageReport]
    published: PublishedRef


@dataclass(frozen=True)
class DatasetRef:
    """The embeddings of everybody, by split, and what a classifier is trained on.

    Attributes:
        train: npz, relative to the data directory.
        test: the same for the held-out photographs.
        digest: names the content of both.
        people: how many, over both splits.
        train_rows: how many embeddings to train on.
        test_rows: how many are held out.
    """

    train: str
    test: str
    digest: str
    people: int
    train_rows: int
    test_rows: int


@dataclass(frozen=True)
class CuratedRef:
    """A data set, and which of its photographs are neither trained nor measured on.

    Attributes:
        dataset: what was curated.
        quarantine: JSON of what is left out and why, relative to the data directory; see
            `elenco.curation.quarantine`.
        digest: names the data set, the operator's decisions, and how it was curated.
        report: given = the rows of both splits; skipped = those in quarantine, by reason.
    """

    dataset: DatasetRef
    quarantine: str
    digest: str
    report: StageReport
