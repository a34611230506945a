"""What a track's faces say together: one vector, and how much it weighs.

Template pooling by quality (Yang et al. 2017, "Neural Aggregation Network", weights that are
learned there; here the predicted utility of `elenco.faces.quality`).
"""

import numpy as np
from jaxtyping import Float32

from elenco.faces.quality import quality, relative_norms
from elenco.vectors import lengths, unit

Raw = Float32[np.ndarray, "n d"]
CHANGE = 4.0  # times that two sides of a change differ more than the faces of a side
LEAST_SIDE = 2  # faces of each side of a change
FLOOR = 0.02  # weight of the worst face: a track of such faces alone has a vector too


def face_quality(
    vectors: Raw,
    measures: Float32[np.ndarray, "n 3"],
    scores: Float32[np.ndarray, " n"],
    embedder: str,
) -> Float32[np.ndarray, " n"]:
    """How far each face can be trusted, 0..1.

    Args:
        vectors: as the network gives them, not of unit length.
        measures: size in pixels, sharpness, yaw in degrees.
        scores: the detector's.
        embedder: name of the network.
    """
    norms = relative_norms(lengths(vectors), embedder)
    return quality(measures[:, 0], measures[:, 1], measures[:, 2], scores, norms)


def pool(vectors: Raw, weights: Float32[np.ndarray, " n"]) -> Float32[np.ndarray, " d"]:
    """One unit-length vector of several of any length: their weighted mean direction.

    Args:
        vectors: one or more.
        weights: how far each can be trusted, 0..1.

    Raises:
        ValueError: there is none.
    """
    if not len(vectors):
        raise ValueError("no vector to pool")
    weighted = unit(vectors) * (FLOOR + weights[:, None])
    # By numpy, in a fixed order: BLAS would round it another way on another machine.
    return unit(weighted.sum(axis=0).astype(np.float32))


def change_of_face(vectors: Raw, weights: Float32[np.ndarray, " n"]) -> int | None:
    """Where faces by time stop being one person's and are another's from there on.

    Of all ways to cut in two, the one whose sides differ most, measured against how much the faces
    of each side differ from their own pooled vector: a head that turns does both, another person
    only the first.

    Args:
        vectors: by time, of any length.
        weights: how far each can be trusted, 0..1.

    Returns:
        How many faces come before the change; None where there is none.
    """
    best: tuple[float, int] | None = None
    units = unit(vectors)
    for before in range(LEAST_SIDE, len(vectors) - LEAST_SIDE + 1):
        sides = (slice(None, before), slice(before, None))
        pools = [pool(vectors[side], weights[side]) for side in sides]
        apart = 1 - float((pools[0] * pools[1]).sum())
        within = [
            float(1 - (units[side] * one).sum(axis=1).mean())
            for side, one in zip(sides, pools, strict=True)
        ]
        ratio = apart / max(*within, 1e-6)
        if best is None or ratio > best[0]:
            best = ratio, before
    return best[1] if best is not None and best[0] >= CHANGE else None
