"""What was found and named, as the `XRay` that is written."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from elenco.recognition.gallery import Gallery
from elenco.xray.bars import Bars
from elenco.xray.cast import Found, Role, Wanted
from elenco.xray.naming import Named
from elenco.xray.sampling import ShotSpan
from elenco.xray.scenes import scenes_of
from elenco.xray.segments import FaceTrack, Segment
from elenco.xray.timeline import appearances, confidence, on_screen
from elenco.xray.types import (
    Box,
    Candidate,
    Cast,
    Count,
    Counts,
    Member,
    Model,
    OnScreen,
    Scene,
    Shot,
    Standing,
    Track,
    Unknown,
    Video,
    XRay,
)

FACES = "faces"  # folder of the best face of everybody, beside xray.json
K = TypeVar("K")


@dataclass(frozen=True)
class Film:
    """What segments hold together.

    Attributes:
        shots: by time; what segments cut is joined again.
        tracks: by start.
        shot_of: the shot of each track.
        end: seconds at which the last frame ends.
    """

    shots: list[ShotSpan]
    tracks: list[FaceTrack]
    shot_of: np.ndarray
    end: float


def film_of(segments: Sequence[Segment]) -> Film:
    """Put segments together."""
    shots: list[ShotSpan] = []
    joined = False
    for span in (span for segment in segments for span in segment.shots):
        if joined:
            before = shots.pop()
            looks = np.concatenate([before.looks, span.looks])
            span = ShotSpan(before.start, span.end, looks, span.joined)
        shots.append(span)
        joined = span.joined
    tracks = [track for segment in segments for track in segment.tracks]
    tracks.sort(key=lambda t: (t.start, t.end, t.boxes[0].tolist()))
    starts = np.array([shot.start for shot in shots])
    middles = np.array([track.boxes[len(track.boxes) // 2, 0] for track in tracks])
    shot_of = np.maximum(np.searchsorted(starts, middles + 1e-6, side="right") - 1, 0)
    return Film(shots, tracks, shot_of.astype(np.int64), segments[-1].last)


@dataclass(frozen=True)
class Identity:
    """What a document says that no frame tells.

    Attributes:
        fingerprint: of all inputs.
        video: the file.
        version: of the recogniser.
        source: of its photographs.
        settings: those that matter.
    """

    fingerprint: str
    video: Video
    version: str
    source: str | None
    settings: dict[str, Any]


def document_of(
    identity: Identity,
    segments: Sequence[Segment],
    film: Film,
    named: Sequence[Named],
    bars: Bars,
    gallery: Gallery,
    wanted: Wanted,
    found: Found,
    gap: float,
) -> tuple[XRay, dict[str, bytes]]:
    """Make the document.

    Args:
        identity: of video, recogniser and settings.
        segments: of the whole video.
        film: what they hold together.
        named: who each track is of.
        bars: the scores that were asked for.
        gallery: who could be named.
        wanted: the cast as given.
        found: the cast among the gallery's people.
        gap: seconds out of sight that do not end an appearance.

    Returns:
        The document, and the JPEG of each face that it names, by the path that it gives.
    """
    scenes = scenes_of(
        [shot.start for shot in film.shots],
        [shot.end for shot in film.shots],
        [shot.looks for shot in film.shots],
    )
    numbers = _number_unknown(film, named)
    tracks = tuple(
        _track(n, one, int(film.shot_of[n]), who, gallery, numbers)
        for n, (one, who) in enumerate(zip(film.tracks, named, strict=True))
    )
    scene_of = [scenes[shot] for shot in film.shot_of.tolist()]
    people = _people(tracks, found, gallery, gap)
    unknown = _unknown(tracks, scene_of, gap)
    pictures = {one.face: film.tracks[_track_of(one.face)].face for one in (*people, *unknown)}
    return XRay(
        fingerprint=identity.fingerprint,
        video=identity.video,
        model=Model(
            version=identity.version,
            embedder=gallery.space.embedder,
            people=len(gallery.people),
            source=identity.source,
            threshold=round(bars.single, 6),
            pooled_threshold=round(bars.pooled, 6),
            scale=round(gallery.scale, 6),
        ),
        cast=_cast(wanted, found, gallery, {one.id for one in people}),
        settings=identity.settings,
        people=people,
        unknown=unknown,
        scenes=_scenes(film.shots, scenes),
        shots=tuple(
            Shot(id=n, scene=scene, start=_seconds(shot.start), end=_seconds(shot.end))
            for n, (shot, scene) in enumerate(zip(film.shots, scenes, strict=True))
        ),
        tracks=tracks,
        counts=Counts(
            frames=_count(segment.frames for segment in segments),
            faces=_count(segment.faces for segment in segments),
            cast=_cast_count(found),
        ),
    ), pictures


def _track(
    number: int,
    track: FaceTrack,
    shot: int,
    who: Named,
    gallery: Gallery,
    numbers: Mapping[int, int],
) -> Track:
    return Track(
        id=number,
        shot=shot,
        start=_seconds(track.start),
        end=_seconds(track.end),
        person=None if who.person is None else gallery.people[who.person].id,
        unknown=numbers[who.group] if who.person is None else None,
        confidence=_share(who.confidence),
        candidates=tuple(
            Candidate(person=gallery.people[person].id, probability=_share(probability))
            for person, probability in who.candidates
        ),
        quality=_share(float(track.quality.max())),
        boxes=tuple(
            Box(_seconds(t), *(round(value, 4) for value in box))
            for t, *box in track.boxes.tolist()
        ),
    )


def _number_unknown(film: Film, named: Sequence[Named]) -> dict[int, int]:
    """Numbers from 1 for groups with unnamed tracks, the longest on screen first."""
    seconds: dict[int, float] = {}
    first: dict[int, float] = {}
    for track, who in zip(film.tracks, named, strict=True):
        if who.person is None:
            seconds[who.group] = seconds.get(who.group, 0.0) + track.end - track.start
            first.setdefault(who.group, track.start)
    order = sorted(seconds, key=lambda group: (-round(seconds[group], 3), first[group], group))
    return {group: number for number, group in enumerate(order, 1)}


def _people(
    tracks: Sequence[Track], found: Found, gallery: Gallery, gap: float
) -> tuple[OnScreen, ...]:
    own = _grouped((track.person, track) for track in tracks)
    credits: dict[str, tuple[int | None, Role]] = {}
    for (order, role), index in zip(found.roles, found.indices, strict=True):
        if index is not None:
            credits[gallery.people[index].id] = order, role
    names = {person.id: person.name for person in gallery.people}
    given = any(role.character is not None for _, role in credits.values())
    of_cast = len(credits) < len(gallery.people) or given
    people = [
        OnScreen(
            id=person,
            name=names[person],
            character=credits[person][1].character,
            order=credits[person][0] if of_cast else None,
            seconds=on_screen(mine),
            confidence=confidence(mine),
            face=_best(mine),
            appearances=appearances(mine, gap),
        )
        for person, mine in own.items()
    ]
    return tuple(sorted(people, key=lambda p: (p.order is None, p.order or 0, -p.seconds, p.id)))


def _unknown(tracks: Sequence[Track], scene_of: Sequence[int], gap: float) -> tuple[Unknown, ...]:
    own = _grouped((track.unknown, track) for track in tracks)
    return tuple(
        Unknown(
            id=number,
            label=f"Unknown {number}",
            scenes=len({scene_of[track.id] for track in own[number]}),
            seconds=on_screen(own[number]),
            face=_best(own[number]),
            appearances=appearances(own[number], gap),
        )
        for number in sorted(own)
    )


def _grouped(pairs: Any) -> dict[Any, list[Track]]:
    groups: dict[Any, list[Track]] = {}
    for key, track in pairs:
        if key is not None:
            groups.setdefault(key, []).append(track)
    return groups


def _best(tracks: Sequence[Track]) -> str:
    """Path of the face that shows somebody best: of a sure track, a good one."""
    best = max(tracks, key=lambda t: (round(t.quality * t.confidence, 4), -t.id))
    return f"{FACES}/track-{best.id:06d}.jpg"


def _track_of(path: str) -> int:
    return int(path.removeprefix(f"{FACES}/track-").removesuffix(".jpg"))


def _cast(wanted: Wanted, found: Found, gallery: Gallery, seen: set[str]) -> Cast:
    if wanted.roles is None:
        return Cast(source="everyone")
    members: list[Member] = []
    for (order, role), index in zip(found.roles, found.indices, strict=True):
        known = None if index is None else gallery.people[index]
        standing = Standing.NOT_IN_MODEL
        if known is not None:
            standing = Standing.SEEN if known.id in seen else Standing.NOT_SEEN
        members.append(
            Member(
                id=known.id if known else role.id,
                name=known.name if known else role.name or role.id,
                character=role.character,
                order=order,
                standing=standing,
            )
        )
    return Cast(source=wanted.source, movie=wanted.movie, members=tuple(members))


def _cast_count(found: Found) -> Count:
    kept = len(found.candidates())
    return Count(given=kept + sum(found.skipped.values()), kept=kept, skipped=found.skipped)


def _scenes(shots: Sequence[ShotSpan], scenes: Sequence[int]) -> tuple[Scene, ...]:
    return tuple(
        Scene(
            id=number,
            start=_seconds(min(s.start for s, n in zip(shots, scenes, strict=True) if n == number)),
            end=_seconds(max(s.end for s, n in zip(shots, scenes, strict=True) if n == number)),
        )
        for number in sorted(set(scenes))
    )


def _count(parts: Any) -> Count:
    total: Counter[str] = Counter()
    for part in parts:
        total.update(part)
    given, kept = total.pop("given", 0), total.pop("kept", 0)
    return Count(given=given, kept=kept, skipped=dict(sorted(total.items())))


def _seconds(value: float) -> float:
    return round(max(0.0, float(value)), 3)


def _share(value: float) -> float:
    return round(min(1.0, max(0.0, float(value))), 4)
