"""When somebody is on screen: their tracks, merged over short gaps."""

from collections.abc import Sequence

from elenco.xray.types import Appearance, Track


def appearances(tracks: Sequence[Track], gap: float) -> tuple[Appearance, ...]:
    """Merge tracks of one person.

    Args:
        tracks: theirs, in any order.
        gap: seconds between two tracks up to which they are one appearance.
    """
    found: list[list[Track]] = []
    end = float("-inf")
    for track in sorted(tracks, key=lambda t: (t.start, t.end, t.id)):
        if not found or track.start - end > gap:
            found.append([])
            end = track.end
        found[-1].append(track)
        end = max(end, track.end)
    return tuple(
        Appearance(
            start=own[0].start,
            end=max(track.end for track in own),
            confidence=confidence(own),
            tracks=tuple(track.id for track in own),
        )
        for own in found
    )


def confidence(tracks: Sequence[Track]) -> float:
    """The mean of the tracks' by their length, 0..1."""
    seconds = [max(track.end - track.start, 1e-3) for track in tracks]
    total = sum(s * track.confidence for s, track in zip(seconds, tracks, strict=True))
    return round(min(1.0, total / sum(seconds)), 4)


def on_screen(tracks: Sequence[Track]) -> float:
    """Seconds in which at least one of the tracks is on screen."""
    merged = appearances(tracks, 0.0)
    return round(sum(one.end - one.start for one in merged), 3)
