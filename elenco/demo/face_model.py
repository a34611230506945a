"""A statistical model of faces, from which people who do not exist are sampled.

`face_model.npz`: a mean face, 128 components, and how far they vary between people (identity)
and between photographs of one person (appearance).
"""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
from jaxtyping import Float32, UInt8

DIM = 128
HEIGHT, WIDTH = 140, 112
IDENTITY_GAIN = 1.6  # over 1 sets people further apart than they are in nature
APPEARANCE_GAIN = 0.5


@dataclass(frozen=True)
class FaceModel:
    """The model's arrays.

    Attributes:
        mean: RGB 0-255, flattened from (140, 112, 3).
        components: one picture a column, in the same order.
        identity: maps a person's standard normal sample to component weights.
        appearance: likewise for one photograph.
        landmarks: x, y of left eye, right eye, nose, left and right mouth corner ("left" as
            seen) in the 140x112 picture.
    """

    mean: Float32[np.ndarray, " p"]
    components: Float32[np.ndarray, "p d"]
    identity: Float32[np.ndarray, "d d"]
    appearance: Float32[np.ndarray, "d d"]
    landmarks: Float32[np.ndarray, "5 2"]

    def sample(
        self, person: Float32[np.ndarray, " d"], photograph: Float32[np.ndarray, " d"]
    ) -> UInt8[np.ndarray, "140 112 3"]:
        """The face of a person in a photograph, RGB, from two standard normal samples."""
        weights = IDENTITY_GAIN * (self.identity @ person)
        weights += APPEARANCE_GAIN * (self.appearance @ photograph)
        # Not `@`: BLAS would start threads for it, take six times as long and round differently.
        face = self.mean + np.einsum("pd,d->p", self.components, weights)
        return np.clip(face, 0, 255).astype(np.uint8).reshape(HEIGHT, WIDTH, 3)


def point(rng: np.random.Generator) -> Float32[np.ndarray, " d"]:
    """A standard normal sample: a person, or one photograph's look."""
    return rng.standard_normal(DIM, np.float32)


@cache
def face_model() -> FaceModel:
    """The model of the package, read once: 24 MB."""
    with (files("elenco.demo") / "face_model.npz").open("rb") as file:
        arrays = np.load(file, allow_pickle=False)
        components = arrays["components"].reshape(DIM, -1) * arrays["scale"][:, None]
        return FaceModel(
            arrays["mean"].reshape(-1).astype(np.float32),
            np.ascontiguousarray(components.T, np.float32),
            arrays["identity"].astype(np.float32),
            arrays["appearance"].astype(np.float32),
            arrays["landmarks"].astype(np.float32),
        )
