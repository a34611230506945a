"""A trained version at work: embeddings in, people or unknown out."""

from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32

from elenco.errors import SpaceMismatch
from elenco.recognition.files import load_gallery
from elenco.recognition.scoring import highest
from elenco.types import EmbeddingSpace, Person

CANDIDATES = 5
ROWS_AT_ONCE = 1024  # bounds memory: each row has a probability a person

Vectors = Float32[np.ndarray, "n d"]


@dataclass(frozen=True)
class Answer:
    """Who a face is.

    Attributes:
        person_id: None for unknown.
        name: None for unknown.
        probability: of that person, or of being unknown.
        candidates: (person_id, name, probability) of the most probable people, best first, at most
            CANDIDATES of them, whether or not they beat unknown.
        unknown: probability of being nobody that the recogniser knows.
    """

    person_id: str | None
    name: str | None
    probability: float
    candidates: tuple[tuple[str, str, float], ...]
    unknown: float


class Recogniser:
    """Names embeddings of one space.

    Args:
        space: the only space whose vectors it takes.
        people: in the order of the classifier's outputs.
        model: unit-length f32 (n, d) -> probabilities f32 (n, people + 1), the last of unknown.
        denied: ids of people who are never named: what is given to them counts as unknown.

    Attributes:
        people: those who may be named.
    """

    def __init__(
        self,
        space: EmbeddingSpace,
        people: Sequence[Person],
        model: Callable[[Vectors], Any],
        denied: Container[str] = (),
    ) -> None:
        named = np.array([person.id not in denied for person in people], bool)
        self.space = space
        self.people = tuple(person for person, may in zip(people, named, strict=True) if may)
        self.model: Any = model
        self._denied = np.flatnonzero(~named)

    @classmethod
    def load(cls, directory: Path, denied: Container[str] = ()) -> "Recogniser":
        """The recogniser in a version's directory. Imports no TensorFlow.

        Args:
            directory: the version's.
            denied: ids of people who are never named.

        Raises:
            RegistryError: the directory is damaged; the message says what to do.
        """
        gallery = load_gallery(directory)
        return cls(gallery.space, gallery.people, gallery.probabilities, denied)

    def identify(self, embeddings: Vectors, space: EmbeddingSpace) -> list[Answer]:
        """Say who each face is.

        Args:
            embeddings: unit-length vectors; n may be 0.
            space: where they are from.

        Returns:
            One answer a row. Unknown is an answer like a person: it is given where its probability
            is above that of every person.

        Raises:
            SpaceMismatch: the vectors are of another space.
            ValueError: not float32 (n, space.dim).
        """
        if space != self.space:
            raise SpaceMismatch(
                f"the recogniser takes vectors of {describe(self.space)}, not of "
                f"{describe(space)}: `elenco models promote` a version of that space"
            )
        if embeddings.dtype != np.float32 or embeddings.shape[1:] != (space.dim,):
            raise ValueError(
                f"embeddings must be float32 (n, {space.dim}), "
                f"not {embeddings.dtype} {embeddings.shape}"
            )
        answers: list[Answer] = []
        for start in range(0, len(embeddings), ROWS_AT_ONCE):
            probabilities = np.asarray(self.model(embeddings[start : start + ROWS_AT_ONCE]))
            answers += map(self._answer, self._without_denied(probabilities))
        return answers

    def _without_denied(
        self, probabilities: Float32[np.ndarray, "n c"]
    ) -> Float32[np.ndarray, "n c2"]:
        """Their columns added to that of unknown, so that a row's sum stays 1."""
        if not len(self._denied):
            return probabilities
        theirs = probabilities[:, self._denied].sum(axis=1)
        rest = np.delete(probabilities, self._denied, axis=1)
        rest[:, -1] += theirs
        return rest

    def _answer(self, row: Float32[np.ndarray, " c"]) -> Answer:
        known, unknown = row[:-1], float(row[-1])
        if not len(known):  # everybody is denied
            return Answer(None, None, unknown, (), unknown)
        best = highest(known[None], CANDIDATES)[0].tolist()
        candidates = tuple((self.people[i].id, self.people[i].name, float(known[i])) for i in best)
        if unknown > candidates[0][2]:
            return Answer(None, None, unknown, candidates, unknown)
        return Answer(*candidates[0], candidates, unknown)


def describe(space: EmbeddingSpace) -> str:
    """A space in a few words, for a message."""
    return f"{space.embedder} ({space.dim}-d, weights {space.weights_sha256[:8]})"
