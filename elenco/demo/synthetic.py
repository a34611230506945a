"""A cast of people who do not exist, each photograph rendered when it is asked for.

Everything follows from (seed, person's number, photograph's number); nothing is kept a person,
so that a cast of 10,000 costs no more memory than one of ten.
"""

import io
from collections.abc import Sequence
from datetime import date

import cv2
import numpy as np
from jaxtyping import Float32, UInt8
from PIL import Image

from elenco.demo.cast import CastPerson, Photo, Picture, PictureFace, fit
from elenco.demo.crowd import FIRST_ID, Crowd
from elenco.demo.draws import Draws
from elenco.demo.face_model import face_model, point
from elenco.demo.growth import Growth
from elenco.demo.paths import Paths
from elenco.demo.portraits import PORTRAIT, compose, texture
from elenco.faces.images import encode_jpeg

RECIPE = "1"  # part of every path: raise it with any change to what is rendered
# Each person has one odd photograph among their plain ones; these take turns.
ODD = ("two", "no_face", "html", "grey", "truncated", "two", "empty", "cmyk", "tiny", "no_face")
BROKEN = frozenset({"html", "truncated", "empty", "tiny"})
FEWEST, MOST = 6, 11  # photographs of a person on day 0
NEW_A_DAY = 0.02  # share of people who get one more photograph each day
_ORIGINALS = (PORTRAIT, (500, 750), (300, 450), (666, 1000), (1000, 1500))
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
        self.people = Crowd(actors, seed, adult)
        self._seed, self._draws = seed, Draws(seed)
        self._growth = Growth(self._draws, day, NEW_A_DAY)
        self._paths = Paths(f"{RECIPE}/{seed}")

    def find(self, person_id: int) -> CastPerson | None:
        return self.people.find(person_id)

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
        return [FIRST_ID + n for n in self._growth.between(len(self.people), start, end)]

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
        rng = self._draws.rng("new picture", number, *who)
        faces = []
        for place, person in enumerate(people):
            identity = (
                self._identity(person.id - FIRST_ID)
                if person
                else point(self._draws.rng("stranger", number, place))
            )
            faces.append(face_model().sample(identity, point(rng)))
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
        order = self._draws.rng("new pictures", len(people)).permutation(len(people))
        groups: list[list[CastPerson | None]] = []
        at = 0
        while people and len(groups) < count - 1:
            size = 1 + len(groups) % 2
            chosen = {people[order[(at + i) % len(people)]].id for i in range(size)}
            groups.append([self.find(i) for i in sorted(chosen)])
            at += size
        groups.append([None])
        return [self.new_picture(n, *group) for n, group in enumerate(groups[:count], 1)]

    def _count(self, number: int) -> int:
        base = int(self._draws.rng("count", number).integers(FEWEST, MOST + 1))
        return base + len(self._growth.days(number))

    def _photo(self, number: int, index: int) -> Photo:
        rng = self._draws.rng("photo", number, index)
        width, height = _ORIGINALS[int(rng.integers(len(_ORIGINALS)))]
        return Photo(self._paths.of(number, index), width, height, self._kind(number, index))

    def _kind(self, number: int, index: int) -> str:
        odd_one = 1 + int(self._draws.unit("odd", number) * (FEWEST - 1))
        return ODD[(number + self._seed) % len(ODD)] if index == odd_one else "plain"

    def _parse(self, path: str) -> tuple[int, int]:
        number, index = self._paths.parse(path)
        if number >= len(self.people) or index >= self._count(number):
            raise LookupError(f"no photograph {path}")
        return number, index

    def _render(self, number: int, index: int, kind: str) -> UInt8[np.ndarray, "632 421 3"]:
        rng = self._draws.rng("render", number, index)
        if kind == "no_face":
            return texture(rng, *PORTRAIT)
        identities = [self._identity(number)]
        if kind == "two":  # half of the companions are of the cast too
            companion = int(rng.integers(len(self.people)))
            of_cast = rng.random() < 0.5 and companion != number
            identities.append(self._identity(companion) if of_cast else point(rng))
        faces = [face_model().sample(identity, point(rng)) for identity in identities]
        return compose(rng, faces, *PORTRAIT)[0]

    def _identity(self, number: int) -> Float32[np.ndarray, " d"]:
        return point(self._draws.rng("identity", number))


def _encode(rgb: UInt8[np.ndarray, "h w 3"], kind: str) -> bytes:
    if kind in ("grey", "cmyk"):
        buffer = io.BytesIO()
        Image.fromarray(rgb).convert({"grey": "L", "cmyk": "CMYK"}[kind]).save(buffer, "JPEG")
        return buffer.getvalue()
    data = encode_jpeg(rgb, 90)
    return data[: len(data) * 2 // 5] if kind == "truncated" else data
