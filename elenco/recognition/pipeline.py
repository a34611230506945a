"""From pictures to names: detect, align, embed, recognise, in batches over all pictures."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from jaxtyping import UInt8

from elenco.embedding.base import Embedder, load_embedder
from elenco.errors import SpaceMismatch
from elenco.faces.crops import CROP_SIZE, align
from elenco.faces.mtcnn import load_detector
from elenco.layout import Layout
from elenco.recognition.recogniser import Answer, Recogniser, describe
from elenco.registry import Registry
from elenco.rights.versions import denied_of
from elenco.settings import Settings
from elenco.types import Detections, EmbeddingSpace

Pictures = Sequence[UInt8[np.ndarray, "h w 3"]]


class FaceDetector(Protocol):
    """What finds faces: `elenco.faces.mtcnn.Detector`."""

    def detect(self, images: Pictures) -> list[Detections]: ...


@dataclass(frozen=True)
class Face:
    """One face of a picture.

    Attributes:
        box: x1, y1, x2, y2 in pixels of the upright picture.
        person_id: None for unknown.
        name: None for unknown.
        probability: of being that person, or unknown.
    """

    box: tuple[float, float, float, float]
    person_id: str | None
    name: str | None
    probability: float


@dataclass(frozen=True)
class Pipeline:
    """Everything between a picture and the names on it.

    Attributes:
        detector: finds faces.
        embedder: its space is the recogniser's.
        recogniser: names vectors.
        min_score: detector score below which a face does not count, 0..1.

    Raises:
        SpaceMismatch: embedder and recogniser are of two spaces.
    """

    detector: FaceDetector
    embedder: Embedder
    recogniser: Recogniser
    min_score: float

    def __post_init__(self) -> None:
        check_space(self.recogniser, self.embedder.space)

    def recognise(self, pictures: Pictures) -> list[list[Face]]:
        """Name all faces of each picture.

        A person is given at most once in a picture: see `one_each`.

        Args:
            pictures: upright RGB, of any sizes.

        Returns:
            The faces of each picture, best detection first; empty where there is none.
        """
        found = [self._faces(detections) for detections in self.detector.detect(pictures)]
        crops = [
            align(picture, landmarks)
            for picture, detections in zip(pictures, found, strict=True)
            for landmarks in detections.landmarks
        ]
        stacked = np.stack(crops) if crops else np.empty((0, CROP_SIZE, CROP_SIZE, 3), np.uint8)
        answers = self.recogniser.identify(self.embedder.embed(stacked), self.embedder.space)
        named: list[list[Face]] = []
        for detections in found:
            own, answers = answers[: len(detections)], answers[len(detections) :]
            named.append(
                [
                    Face(tuple(box), answer.person_id, answer.name, answer.probability)
                    for box, answer in zip(detections.boxes.tolist(), one_each(own), strict=True)
                ]
            )
        return named

    def _faces(self, detections: Detections) -> Detections:
        # Points in one place can't be aligned: nothing that has such landmarks is a face.
        spread = np.ptp(detections.landmarks, axis=1).max(axis=-1, initial=0) > 0
        kept = (detections.scores >= self.min_score) & spread
        return Detections(
            detections.boxes[kept], detections.scores[kept], detections.landmarks[kept]
        )


def one_each(answers: Sequence[Answer]) -> list[Answer]:
    """Answers for the faces of one picture, in which nobody is seen twice.

    Where two faces are given the same person, the more probable keeps the name (of equals, the
    first). The other takes its next best candidate that is more probable than unknown and not
    held with a higher probability by a third; if there is none, it is unknown. Its probability is
    then conditional on not being those who are taken.
    """
    held: dict[str, int] = {}  # person -> face
    tried = [0] * len(answers)  # candidates that a face has been refused

    def wants(face: int) -> tuple[str, str, float] | None:
        answer = answers[face]
        if answer.person_id is None or tried[face] >= len(answer.candidates):
            return None
        candidate = answer.candidates[tried[face]]
        return candidate if candidate[2] >= answer.unknown else None

    # Deferred acceptance (Gale and Shapley 1962): the outcome does not depend on the order.
    waiting = list(range(len(answers)))[::-1]
    while waiting:
        face = waiting.pop()
        while (candidate := wants(face)) is not None:
            person, _, probability = candidate
            other = held.get(person)
            if other is None:
                held[person] = face
                break
            theirs = wants(other)
            assert theirs is not None, "who holds a person wants it"
            if (probability, -face) > (theirs[2], -other):
                held[person] = face
                tried[other] += 1
                waiting.append(other)
                break
            tried[face] += 1
    return [_after(answer, tried[face], wants(face)) for face, answer in enumerate(answers)]


def _after(answer: Answer, refused: int, candidate: tuple[str, str, float] | None) -> Answer:
    if not refused:
        return answer
    person, name, probability = candidate or (None, None, answer.unknown)
    rest = 1 - sum(p for _, _, p in answer.candidates[:refused])
    conditional = min(1.0, probability / rest) if rest > 0 else 1.0
    return Answer(person, name, conditional, answer.candidates, answer.unknown)


def check_space(recogniser: Recogniser, space: EmbeddingSpace) -> None:
    """Raise SpaceMismatch, saying what to do, unless the recogniser takes vectors of `space`."""
    if recogniser.space != space:
        raise SpaceMismatch(
            f"the version in use was trained on {describe(recogniser.space)}, the embedder here is "
            f"{describe(space)}: run `elenco refresh`, or `elenco models promote` a version of it"
        )


def load_pipeline(settings: Settings, layout: Layout) -> Pipeline:
    """The pipeline of the version in use, with the embedder that it was trained on.

    Who is on the denylist is unknown to it, whether or not the version was trained on them.

    Raises:
        RegistryError: no version is promoted yet, or it is damaged.
        SpaceMismatch: the embedder is not as it was when the version was trained.
        WeightsError: weights are missing or not the ones expected.
    """
    directory = Registry(layout.recogniser).current()
    recogniser = Recogniser.load(directory, denied_of(directory, layout))
    embedder = load_embedder(recogniser.space.embedder, settings, layout)
    check_space(recogniser, embedder.space)
    return Pipeline(load_detector(settings), embedder, recogniser, settings.faces.min_score)
