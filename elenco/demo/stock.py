"""A cast for load tests: as many photographs as one likes, at the price of a few portraits."""

from collections.abc import Sequence
from datetime import date
from functools import cache
from typing import Literal

from elenco.demo.cast import SIZES, CastPerson, Photo, Picture
from elenco.demo.crowd import FIRST_ID, Crowd
from elenco.demo.draws import Draws
from elenco.demo.face_model import face_model, point
from elenco.demo.growth import Growth
from elenco.demo.paths import Paths
from elenco.demo.portraits import PORTRAIT, compose
from elenco.faces.images import encode_jpeg
from elenco.fingerprint import unit_interval

MOST_PHOTOS = 1000
_QUALITY = 91  # makes a portrait about 50 KB, as TMDB's are at h632
_DROPPED = 0.5  # share of those who gain a photograph that also lose one
_SOI, _COMMENT = b"\xff\xd8", b"\xff\xfe"  # JPEG markers: start of image, comment


class StockCast:
    """People who do not exist, each photograph one of a few portraits with a comment of its own.

    So the bytes of no two photographs are the same, they follow from the path (and `pool`) alone,
    and making them takes microseconds. Portraits of one person are not alike. Nothing is kept a
    person; the portraits are rendered when first asked for, once a process.

    Args:
        actors: how many of them act; every tenth entry of the cast is from another department.
        photos: of each person on day 0.
        seed: another seed, another cast.
        day: how many days have passed since the cast was first seen.
        changes_a_day: share (0..1) of the people who get one more photograph each day; half of
            them also lose their oldest but one, which is then no longer served.
        pool: how many portraits there are.

    Raises:
        ValueError: no actors or more than there are names, no photographs or over `MOST_PHOTOS`,
            no portraits.
    """

    instant: Literal[True] = True

    def __init__(
        self,
        actors: int,
        photos: int = 10,
        *,
        seed: int = 0,
        day: int = 0,
        changes_a_day: float = 0.02,
        pool: int = 48,
    ) -> None:
        if not 1 <= photos <= MOST_PHOTOS or pool < 1:
            raise ValueError(f"{photos} photos of a pool of {pool}: give 1 to {MOST_PHOTOS} of 1")
        self.people = Crowd(actors, seed)
        self._photos, self._pool, self._draws = photos, pool, Draws(seed)
        self._growth = Growth(self._draws, day, changes_a_day)
        self._paths = Paths(f"stock 1/{seed}")

    def find(self, person_id: int) -> CastPerson | None:
        return self.people.find(person_id)

    def photos(self, person: CastPerson) -> list[Photo]:
        number = person.id - FIRST_ID
        return [Photo(self._paths.of(number, i), *PORTRAIT) for i in self._listed(number)]

    def image(self, path: str, size: str) -> bytes:
        if size not in SIZES:
            raise LookupError(f"no size {size}")
        return self.body(path)

    def body(self, path: str) -> bytes:
        """The bytes of a photograph, the same at every size. Raises LookupError if unknown."""
        number, index = self._paths.parse(path)
        if number >= len(self.people) or index not in self._listed(number):
            raise LookupError(f"no photograph {path}")
        text = path.encode()
        comment = (len(text) + 2).to_bytes(2) + text
        portrait = _after_soi(int(unit_interval(path) * self._pool))
        return b"".join((_SOI, _COMMENT, comment, portrait))

    def changed(self, start: date, end: date) -> list[int]:
        return [FIRST_ID + n for n in self._growth.between(len(self.people), start, end)]

    def new_pictures(self, known: Sequence[str], count: int) -> list[Picture]:
        """None: there is nothing to recognise anyone by."""
        return []

    def _listed(self, number: int) -> Sequence[int]:
        """Numbers of a person's photographs of today, the oldest first."""
        listed = list(range(self._photos))
        for index, day in enumerate(self._growth.days(number), self._photos):
            if self._draws.unit("dropped", number, day) < _DROPPED:
                del listed[1:2]
            listed.append(index)
        return listed


@cache
def _after_soi(number: int) -> bytes:
    """A portrait's JPEG after its first marker."""
    rng = Draws(0).rng("stock", number)
    rgb, _ = compose(rng, [face_model().sample(point(rng), point(rng))], *PORTRAIT)
    return encode_jpeg(rgb, _QUALITY)[len(_SOI) :]
