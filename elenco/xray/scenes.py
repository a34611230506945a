"""Shots to scenes, by what they look like.

Shots that alternate, as in a conversation, are of one scene: a shot belongs to the scene of an
earlier one that it resembles, and so do all between (Yeung, Yeo & Liu 1996, "Extracting story units
from long programs for video browsing and navigation": time-constrained clustering, overlapping
links; histogram intersection: Swain & Ballard 1991).
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float32

ALIKE = 0.7  # intersection of two histograms from which on shots are of one scene
WINDOW = 60.0  # seconds between them at most

Looks = Float32[np.ndarray, "k bins"]


def scenes_of(starts: Sequence[float], ends: Sequence[float], looks: Sequence[Looks]) -> list[int]:
    """The scene of each shot, numbered from 0; scenes are runs of shots.

    Args:
        starts: seconds of each shot, by time.
        ends: seconds.
        looks: for each shot histograms of some frames, each of sum 1.
    """
    reach = list(range(len(starts)))  # the last shot that each is linked to
    for earlier in range(len(starts)):
        for later in range(earlier + 1, len(starts)):
            if starts[later] - ends[earlier] > WINDOW:
                break
            if resemblance(looks[earlier], looks[later]) >= ALIKE:
                reach[earlier] = later
    scenes: list[int] = []
    scene, last = -1, -1
    for shot, linked in enumerate(reach):
        if shot > last:
            scene += 1
        last = max(last, linked)
        scenes.append(scene)
    return scenes


def resemblance(a: Looks, b: Looks) -> float:
    """The greatest intersection of a histogram of one shot with one of another, 0..1."""
    if not len(a) or not len(b):
        return 0.0
    return float(np.minimum(a[:, None], b[None]).sum(axis=2).max())
