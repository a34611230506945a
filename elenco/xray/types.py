"""What is known of a video: the content of `xray.json`, whose JSON Schema is `xray.schema.json`.

All times are seconds from the start of the video, as players count them. Intervals are half open:
what ends at 2.0 is not there at 2.0. Boxes are shares of the upright picture: rotated as the file
says, its pixels made square.
"""

from enum import StrEnum
from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

FORMAT: Literal["elenco-xray/1"] = "elenco-xray/1"

Seconds = Annotated[float, Field(ge=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Index = Annotated[int, Field(ge=0)]


class Form(BaseModel):
    """An object of `xray.json`. Frozen; its attributes' descriptions are the schema's."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Box(NamedTuple):
    """Where a face is at a moment. In JSON an array of these five numbers.

    Attributes:
        t: seconds.
        x: left edge, share of the picture's width.
        y: top edge, share of its height.
        w: width, share of the picture's width.
        h: height, share of its height.
    """

    t: float
    x: float
    y: float
    w: float
    h: float


class Video(Form):
    """The file."""

    name: str
    """Name of the file, without its folder."""
    sha256: str
    """Of the file's bytes, hexadecimal."""
    duration: Seconds
    """Where the last frame ends."""
    width: int
    """Of the upright picture with square pixels."""
    height: int
    """Of the upright picture."""
    fps: float
    """Frames a second on average, of those that were decoded."""
    rotation: Literal[0, 90, 180, 270]
    """Degrees counter-clockwise by which the stored pictures are turned to be upright."""
    codec: str
    """Of the video stream, as FFmpeg names it."""


class Model(Form):
    """The recogniser."""

    version: str
    """Such as v000003; the name of its directory."""
    embedder: str
    """What made the vectors."""
    people: int
    """How many it can name."""
    source: str | None = None
    """Where the photographs are from that it learnt from: `tmdb` or `folder`; null: not known."""
    threshold: float
    """Score from which a track gets a name: of a single track."""
    pooled_threshold: float
    """The same of what many tracks say together; between the two it falls with 1 / tracks."""
    scale: float
    """Inverse temperature of the probabilities."""


class Standing(StrEnum):
    """What became of a member of the cast."""

    SEEN = "seen"
    NOT_SEEN = "not_seen"
    NOT_IN_MODEL = "not_in_model"


class Member(Form):
    """Somebody of the cast that was given."""

    id: str
    """As the recogniser knows them, or as given where it does not."""
    name: str
    character: str | None = None
    """Whom they play."""
    order: int | None = None
    """Their place in the credits, from 0."""
    standing: Standing


class Cast(Form):
    """Who could be named."""

    source: Literal["everyone", "file", "tmdb"]
    """`everyone`: all that the recogniser knows; else only `members`."""
    movie: int | None = None
    """TMDB's number of the film, where the cast is from there."""
    members: tuple[Member, ...] = ()
    """In the order of the credits. People who may not be named are left out, and counted."""


class Appearance(Form):
    """Somebody on screen without an interruption that counts (`settings.xray.gap_seconds`)."""

    start: Seconds
    end: Seconds
    confidence: Fraction
    """Of the tracks, by their length."""
    tracks: tuple[Index, ...]
    """Their ids, by time."""


class OnScreen(Form):
    """A person who is seen."""

    id: str
    name: str
    character: str | None = None
    """Whom they play, if a cast was given."""
    order: int | None = None
    """Their place in the credits, from 0."""
    seconds: Seconds
    """On screen in all."""
    confidence: Fraction
    """Of their tracks, by length."""
    face: str
    """JPEG of their best face, from the folder of this file."""
    appearances: tuple[Appearance, ...]
    """By time."""


class Unknown(Form):
    """Somebody who is seen and not named: the tracks that are alike."""

    id: Annotated[int, Field(ge=1)]
    """From 1, who is longest on screen first."""
    label: str
    """`Unknown 3`."""
    scenes: int
    """In how many scenes they are seen."""
    seconds: Seconds
    """On screen in all."""
    face: str
    """JPEG of their best face, from the folder of this file."""
    appearances: tuple[Appearance, ...]
    """By time."""


class Scene(Form):
    """Shots that belong together by what they look like."""

    id: Index
    start: Seconds
    end: Seconds


class Shot(Form):
    """What a camera took in one go."""

    id: Index
    scene: Index
    start: Seconds
    end: Seconds


class Candidate(Form):
    """Who a track may be of."""

    person: str
    """Their id."""
    probability: Fraction


class Track(Form):
    """One face through one shot."""

    id: Index
    """By start."""
    shot: Index
    start: Seconds
    end: Seconds
    person: str | None
    """Id of who it is; null for unknown."""
    unknown: int | None
    """Id of the unknown person that it belongs to; null where `person` is not."""
    confidence: Fraction
    """Probability of that person, or of being unknown."""
    candidates: tuple[Candidate, ...]
    """The most probable people, best first, whether or not they beat unknown."""
    quality: Fraction
    """Of its best face: how far that can be trusted."""
    boxes: tuple[Box, ...]
    """By time; between two of them the box moves in a straight line, outside it stays."""

    @model_validator(mode="after")
    def _is_of_somebody(self) -> Self:
        if (self.person is None) == (self.unknown is None):
            raise ValueError("a track is of a person or of an unknown one, not of both or neither")
        return self


class Count(Form):
    """kept + the sum of skipped = given."""

    given: Index
    kept: Index
    skipped: dict[str, Index]
    """How many, by reason."""

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        if self.kept + sum(self.skipped.values()) != self.given:
            raise ValueError("kept and skipped do not add up to given")
        return self


class Counts(Form):
    """What was done with what there was."""

    frames: Count
    """Given: the frames of the file. Kept: those in which faces were looked for. Skipped:
    `between_samples`; `corrupt`, `no_time`, `out_of_order` (damaged or misplaced in the file);
    `too_small`, too few pixels for a face; `undecodable`, packets that gave no frame."""
    faces: Count
    """Given: what the detector found. Kept: in a track. Skipped: `low_score`, `no_alignment`,
    `short_track` (seen too briefly to be told from an error)."""
    cast: Count
    """Given: the cast. Kept: who can be named. Skipped: `not_in_model`, `denied`, `repeated`."""


class XRay(Form):
    """Everything; the root of `xray.json`."""

    format: Literal["elenco-xray/1"] = FORMAT
    """Changes when a reader of this form would be wrong about another one."""
    fingerprint: str
    """Names all that it was made from: video, recogniser, cast, settings, version of the code."""
    video: Video
    model: Model
    cast: Cast
    settings: dict[str, Any]
    """The settings that it depends on: `xray.*` and those of faces."""
    people: tuple[OnScreen, ...]
    """Who is seen: in the order of the credits, then by seconds on screen."""
    unknown: tuple[Unknown, ...]
    """Who is seen and not named; by id."""
    scenes: tuple[Scene, ...]
    """By time, without gaps; by id."""
    shots: tuple[Shot, ...]
    """By time, without gaps; by id."""
    tracks: tuple[Track, ...]
    """By id."""
    counts: Counts
