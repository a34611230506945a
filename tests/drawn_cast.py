"""A cast of drawn pictures for the demo server: small, quick, and broken where a test says so."""

import colorsys
from collections.abc import Mapping, Sequence
from datetime import date

import numpy as np

from elenco.demo.cast import CastPerson, Photo, Picture, fit
from elenco.faces.images import encode_jpeg
from elenco.fingerprint import unit_interval

WIDTH, HEIGHT = 60, 90
FIRST_ID = 101


class DrawnCast:
    """One person a number in `counts`, with that many photographs `/p{id}x{n}.jpg`.

    Args:
        counts: photographs of each person, the most popular first.
        bodies: what is served for a path instead of a picture; None answers 404.

    Attributes:
        gone: people who are listed, but whose page answers 404.
        images_down: every image answers 500.
    """

    def __init__(
        self, counts: Sequence[int], bodies: Mapping[str, bytes | None] | None = None
    ) -> None:
        self.bodies = dict(bodies or {})
        self.counts = {FIRST_ID + i: count for i, count in enumerate(counts)}
        self.gone: set[int] = set()
        self.images_down = False

    @property
    def people(self) -> list[CastPerson]:
        return [CastPerson(i, f"Person {i}", 1000.0 - i) for i in self.counts]

    def find(self, person_id: int) -> CastPerson | None:
        if person_id in self.gone:
            return None
        return next((person for person in self.people if person.id == person_id), None)

    def photos(self, person: CastPerson) -> list[Photo]:
        numbers = range(self.counts[person.id])
        return [Photo(f"/p{person.id}x{n}.jpg", WIDTH, HEIGHT) for n in numbers]

    def image(self, path: str, size: str) -> bytes:
        if self.images_down:
            raise RuntimeError("this server is to answer 500")
        if path in self.bodies:
            body = self.bodies[path]
            if body is None:
                raise LookupError(path)
            return body
        return drawing(path, *fit(WIDTH, HEIGHT, size))

    def changed(self, start: date, end: date) -> list[int]:
        return list(self.counts)  # a test may have changed anybody

    def new_pictures(self, known: Sequence[str], count: int) -> list[Picture]:
        return []


def drawing(text: str, width: int = WIDTH, height: int = HEIGHT) -> bytes:
    """A JPEG of one colour with a frame; another text, another colour."""
    pixels = np.full((height, width, 3), 255, np.uint8)
    colour = colorsys.hsv_to_rgb(unit_interval(text), 0.8, 0.8)
    pixels[4:-4, 4:-4] = np.multiply(colour, 255).astype(np.uint8)
    return encode_jpeg(pixels)
