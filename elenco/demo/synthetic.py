"""A cast of people who do not exist, each photograph rendered when it is asked for.

Everything follows from (seed, person's number, photograph's number); nothing is kept a person,
so that a cast of 10,000 costs no more memory than one of ten.
"""

import hashlib
import io
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import overload

import cv2
import numpy as np
from jaxtyping import Float32, UInt8
from PIL import Image

from elenco.demo.cast import CastPerson, Photo, Picture, PictureFace, fit
from elenco.demo.face_model import DIM, face_model
from elenco.demo.names import TOTAL, name
from elenco.demo.portraits import PORTRAIT, compose, texture
from elenco.faces.images import encode_jpeg

FIRST_ID = 900_000_001  # far above any id of TMDB's
RECIPE = "1"  # part of every path: raise it with any change to what is rendered
# Each person has one odd photograph among their plain ones; these take turns.
ODD = ("two", "no_face", "html", "grey", "truncated", "two", "empty", "cmyk", "tiny", "no_face")
BROKEN = frozenset({"html", "truncated", "empty", "tiny"})
FEWEST, MOST = 6, 11  # photographs of a person on day 0
NEW_A_DAY = 0.02  # share of people who get one more photograph each day
_ORIGINALS = (PORTRAIT, (500, 750), (300, 450), (666, 1000), (1000, 1500))
_DEPARTMENTS = ("Directing", "Writing", "Production", "Sound")
_HTML = b"<!DOCTYPE html>\n<html><head><title>Just a moment...</title></head><body></body></html>\n"


class SyntheticCast:
    """People who do not exist.

    Args:
        actors: how many of them act; every tenth entry of the cast is from another department.
        seed: another seed, another cast.
        day: how many days have passed since the cast was first seen: each day a few people get
            one more photograph.
        adult: flag every 25th entry as adult.

    Raises:
        ValueError: no actors, or more people than there are names.
    """

    def __init__(self, actors: int, *, seed: int = 0, day: int = 0, adult: bool = False) -> None:
        entries = actors + (actors - 1) // 9
        if actors < 1 or entries > TOTAL:
            raise ValueError(f"{actors:,} actors: give 1 to {TOTAL * 9 // 10:,}")
        self.seed, self.day, self.adult = seed, day, adult
        self.people: Sequence[CastPerson] = _People(self, entries)

    def find(self, person_id: int) -> CastPerson | None:
        number = person_id - FIRST_ID
        return self.people[number] if 0 <= number < len(self.people) else None

    def photos(self, person: CastPerson) -> list[Photo]:
        number = person.id - FIRST_ID
        return [self._photo(number, index) for index in range(self._count(number))]

    def image(self, path: str, size: str) -> bytes:
        number, index = self._parse(path)
        photo = self._photo(number, index)
        width, height = fit(photo.width, photo.height, size)
        if photo.kind == "html":
            return _HTML
        if photo.kind == "empty":
            return b""
        if photo.kind == "tiny":
            return encode_jpeg(np.full((1, 1, 3), 128, np.uint8))
        rgb = self._render(number, index, photo.kind)
        if (width, height) != PORTRAIT:
            shrinks = height < PORTRAIT[1]
            rgb = cv2.resize(
                rgb, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
            )
        return _encode(rgb, photo.kind)

    def changed(self, start: date, end: date) -> list[int]:
        first, last = self._day_of(start), self._day_of(end)
        return [
            FIRST_ID + number
            for number in range(len(self.people))
            if any(first <= day <= last for day in self._additions(number))
        ]

    def new_picture(self, number: int, *people: CastPerson | None) -> Picture:
        """A picture that is never served, of these people side by side; None is a stranger.

        Args:
            number: another number, another picture of the same people.
            people: the largest face first.

        Raises:
            ValueError: nobody is named.
        """
        if not people:
            raise ValueError("a new picture shows at least one person")
        who = [person.id if person else None for person in people]
        rng = self._rng("new picture", number, *who)
        faces = []
        for place, person in enumerate(people):
            identity = (
                self._identity(person.id - FIRST_ID)
                if person
                else _normal(self._rng("stranger", number, place))
            )
            faces.append(face_model().sample(identity, _normal(rng)))
        width, height = PORTRAIT if len(people) == 1 else (480 * len(people), PORTRAIT[1])
        rgb, boxes = compose(rng, faces, width, height)
        truth = tuple(
            PictureFace(*((str(p.id), p.name) if p else (None, None)), tuple(map(float, box)))  # pyright: ignore[reportArgumentType]
            for p, box in zip(people, boxes, strict=True)
        )
        return Picture(f"new-{number}.jpg", encode_jpeg(rgb, 92), truth)

    def new_pictures(self, known: Sequence[str], count: int) -> list[Picture]:
        """Pictures that are never served: of one and two known people in turn, then a stranger.

        Args:
            known: ids of people of this cast, the ones to show.
            count: how many pictures; the last is of a stranger.
        """
        people = [p for p in (self.find(int(i)) for i in known if i.isdecimal()) if p is not None]
        order = self._rng("new pictures", len(people)).permutation(len(people))
        groups: list[list[CastPerson | None]] = []
        at = 0
        while people and len(groups) < count - 1:
            size = 1 + len(groups) % 2
            chosen = {people[order[(at + i) % len(people)]].id for i in range(size)}
            groups.append([self.find(i) for i in sorted(chosen)])
            at += size
        groups.append([None])
        return [self.new_picture(n, *group) for n, group in enumerate(groups[:count], 1)]

    def person(self, number: int) -> CastPerson:
        """The person at a rank, 0 the most popular."""
        popularity = round(300 * (1 + number / 50) ** -0.6, 4)
        acting = number % 10 != 9
        department = "Acting" if acting else _DEPARTMENTS[number // 10 % len(_DEPARTMENTS)]
        adult = self.adult and number % 25 == 24
        return CastPerson(FIRST_ID + number, name(self.seed, number), popularity, department, adult)

    def _count(self, number: int) -> int:
        base = int(self._rng("count", number).integers(FEWEST, MOST + 1))
        return base + len(self._additions(number))

    def _additions(self, number: int) -> list[int]:
        """Days on which a person got one more photograph."""
        return [d for d in range(1, self.day + 1) if self._unit("added", number, d) < NEW_A_DAY]

    def _day_of(self, when: date) -> int:
        return self.day - (datetime.now(UTC).date() - when) // timedelta(days=1)

    def _photo(self, number: int, index: int) -> Photo:
        rng = self._rng("photo", number, index)
        width, height = _ORIGINALS[int(rng.integers(len(_ORIGINALS)))]
        return Photo(self._path(number, index), width, height, self._kind(number, index))

    def _kind(self, number: int, index: int) -> str:
        odd_one = 1 + int(self._unit("odd", number) * (FEWEST - 1))
        return ODD[(number + self.seed) % len(ODD)] if index == odd_one else "plain"

    def _path(self, number: int, index: int) -> str:
        check = hashlib.sha256(f"{RECIPE}/{self.seed}/{number}/{index}".encode()).hexdigest()[:18]
        return f"/{number:06x}{index:03x}{check}.jpg"

    def _parse(self, path: str) -> tuple[int, int]:
        try:
            number, index = int(path[1:7], 16), int(path[7:10], 16)
        except ValueError:
            raise LookupError(f"no photograph {path}") from None
        known = number < len(self.people) and index < self._count(number)
        if not known or path != self._path(number, index):
            raise LookupError(f"no photograph {path}")
        return number, index

    def _render(self, number: int, index: int, kind: str) -> UInt8[np.ndarray, "632 421 3"]:
        rng = self._rng("render", number, index)
        if kind == "no_face":
            return texture(rng, *PORTRAIT)
        identities = [self._identity(number)]
        if kind == "two":  # half of the companions are of the cast too
            companion = int(rng.integers(len(self.people)))
            of_cast = rng.random() < 0.5 and companion != number
            identities.append(self._identity(companion) if of_cast else _normal(rng))
        faces = [face_model().sample(identity, _normal(rng)) for identity in identities]
        return compose(rng, faces, *PORTRAIT)[0]

    def _identity(self, number: int) -> Float32[np.ndarray, " d"]:
        return _normal(self._rng("identity", number))

    def _rng(self, *what: object) -> np.random.Generator:
        return np.random.default_rng(np.frombuffer(self._digest(what), np.uint32))

    def _unit(self, *what: object) -> float:
        return int.from_bytes(self._digest(what)[:8]) / 2**64

    def _digest(self, what: tuple[object, ...]) -> bytes:
        return hashlib.sha256(repr((self.seed, *what)).encode()).digest()


class _People(Sequence[CastPerson]):
    """The cast as a sequence whose members are made when asked for."""

    def __init__(self, cast: SyntheticCast, count: int) -> None:
        self._cast, self._numbers = cast, range(count)

    def __len__(self) -> int:
        return len(self._numbers)

    @overload
    def __getitem__(self, index: int) -> CastPerson: ...
    @overload
    def __getitem__(self, index: slice) -> list[CastPerson]: ...
    def __getitem__(self, index: int | slice) -> CastPerson | list[CastPerson]:
        if isinstance(index, slice):
            return [self._cast.person(number) for number in self._numbers[index]]
        return self._cast.person(self._numbers[index])


def _normal(rng: np.random.Generator) -> Float32[np.ndarray, " d"]:
    return rng.standard_normal(DIM, np.float32)


def _encode(rgb: UInt8[np.ndarray, "h w 3"], kind: str) -> bytes:
    if kind in ("grey", "cmyk"):
        buffer = io.BytesIO()
        Image.fromarray(rgb).convert({"grey": "L", "cmyk": "CMYK"}[kind]).save(buffer, "JPEG")
        return buffer.getvalue()
    data = encode_jpeg(rgb, 90)
    return data[: len(data) * 2 // 5] if kind == "truncated" else data
