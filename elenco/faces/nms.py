"""Non-maximum suppression of boxes of many pictures at a time."""

from typing import Literal

import numpy as np
from jaxtyping import Float, Int64

BLOCK = 512  # boxes of one group that are compared with all of it at a time


def suppress(
    boxes: Float[np.ndarray, "n 4"],
    scores: Float[np.ndarray, " n"],
    groups: Int64[np.ndarray, " n"],
    threshold: float,
    over: Literal["union", "smaller"] = "union",
) -> Int64[np.ndarray, " m"]:
    """Leave out every box that overlaps a better one of its group.

    As in the package `mtcnn`, a box counts against lesser ones even if it is left out itself: the
    answer needs no order of work, so it is computed for many groups at once.

    Args:
        boxes: x1, y1, x2, y2.
        scores: higher is better; the first given wins a tie.
        groups: only boxes of equal group are compared: pictures, or levels of pictures.
        threshold: the overlap, 0..1, over which a box is left out.
        over: what the intersection is divided by: the union, or the smaller of the two boxes.

    Returns:
        Indices of the boxes that stay, by group, the best first.
    """
    order = np.lexsort((-scores, groups))
    if len(order) < 2:
        return order
    boxes, groups = boxes[order], groups[order]
    first = np.flatnonzero(np.r_[True, groups[1:] != groups[:-1]])
    sizes = np.diff(np.r_[first, len(order)])
    stays = np.ones(len(order), bool)
    # Groups of about the same size are filled up to it and compared in one go.
    classes = np.minimum(1 << np.ceil(np.log2(sizes)).astype(int), BLOCK)
    for side in np.unique(classes[(sizes > 1) & (sizes <= BLOCK)]).tolist():
        members = np.flatnonzero((classes == side) & (sizes > 1) & (sizes <= BLOCK))
        at_a_time = max(1, BLOCK * BLOCK // side**2)
        for start in range(0, len(members), at_a_time):
            some = members[start : start + at_a_time]
            places = first[some, None] + np.arange(side)
            real = np.arange(side) < sizes[some, None]
            places = np.where(real, places, 0)
            padded = np.where(real[..., None], boxes[places], 0)
            lost = _lost(padded, padded, threshold, over, 0)
            stays[places[real]] = ~lost[real]
    for group in np.flatnonzero(sizes > BLOCK).tolist():
        whole = boxes[first[group] : first[group] + sizes[group]]
        for start in range(0, len(whole), BLOCK):
            part = whole[None, start : start + BLOCK]
            lost = _lost(whole[None, : start + BLOCK], part, threshold, over, start)[0]
            stays[first[group] + start :][: len(lost)] = ~lost
    return order[stays]


def _lost(
    better: np.ndarray, boxes: np.ndarray, threshold: float, over: str, offset: int
) -> np.ndarray:
    """Which of (g, m, 4) `boxes` overlap one of (g, k, 4) `better` that comes before them.

    Box i of `boxes` is box `offset + i` of `better`; boxes without area overlap nothing.
    """
    a, b = better[:, :, None], boxes[:, None]
    width = np.minimum(a[..., 2], b[..., 2]) - np.maximum(a[..., 0], b[..., 0])
    height = np.minimum(a[..., 3], b[..., 3]) - np.maximum(a[..., 1], b[..., 1])
    shared = np.maximum(width, 0) * np.maximum(height, 0)
    area_a = (a[..., 2] - a[..., 0]) * (a[..., 3] - a[..., 1])
    area_b = (b[..., 2] - b[..., 0]) * (b[..., 3] - b[..., 1])
    whole = area_a + area_b - shared if over == "union" else np.minimum(area_a, area_b)
    before = np.arange(better.shape[1])[:, None] < offset + np.arange(boxes.shape[1])
    return ((shared > threshold * whole) & before).any(axis=1)
