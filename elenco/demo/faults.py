"""What can go wrong on the way to a server, on purpose and the same each time."""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from elenco.fingerprint import unit_interval

Area = Literal["api", "image", "export"]
_EVERYWHERE: tuple[Area, ...] = ("api", "image", "export")
# Each kind and where it strikes, in the order in which they are drawn.
KINDS: dict[str, tuple[Area, ...]] = {
    "reset": _EVERYWHERE,
    "too_many": ("api", "image"),
    "internal_errors": _EVERYWHERE,
    "unavailable": _EVERYWHERE,
    "slow": _EVERYWHERE,
    "cut": _EVERYWHERE,
    "wrong_length": _EVERYWHERE,
    "html": _EVERYWHERE,
    "wrong_type": _EVERYWHERE,
    "bad_json": ("api",),
}
_WITHOUT_WAIT = 0.5  # share of the 429 answers that do not say how long to wait


@dataclass(frozen=True)
class Faults:
    """Shares (0..1) of the requests that fail, each in its own way; none by default.

    Whether one fails follows from the seed, what is asked for, and how often it was asked for
    before: the same on every run, whatever the order of arrival, and asking again may succeed.
    A request fails in one way at most, the first that is drawn in the order of `KINDS`; from
    `slow` on they spoil an answer that would be good, and do nothing to others. They strike API,
    images and id exports alike unless said otherwise.

    Attributes:
        seed: another seed, other requests fail.
        reset: the connection is reset before any byte of an answer.
        too_many: answered 429 although the rate was kept, half of them without `Retry-After`;
            not of exports.
        internal_errors: answered 500.
        unavailable: answered 503.
        slow: the head comes at once, the body in pieces over `slow_seconds`.
        cut: the connection ends in the middle of the body.
        wrong_length: half of the length is announced: who believes it holds half a body.
        html: a page of HTML with status 200 instead of what was asked for.
        wrong_type: the right body under a wrong `Content-Type`.
        bad_json: JSON that ends in the middle, with the length it has; of the API only.
        slow_seconds: how long a slow body takes.
        shifting_pages: by how many places at most the ranking moves between two reads of
            `/person/popular`, so that pages overlap or leave someone out.
        export_late: today's id export is not there yet.
        export_missing: no id export of any day is there.
    """

    seed: int = 0
    reset: float = 0.0
    too_many: float = 0.0
    internal_errors: float = 0.0
    unavailable: float = 0.0
    slow: float = 0.0
    cut: float = 0.0
    wrong_length: float = 0.0
    html: float = 0.0
    wrong_type: float = 0.0
    bad_json: float = 0.0
    slow_seconds: float = 1.0
    shifting_pages: int = 0
    export_late: bool = False
    export_missing: bool = False

    def __post_init__(self) -> None:
        for name in KINDS:
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is a share of requests: 0 to 1")

    def striking(self, area: Area, request: str, nth: int) -> str | None:
        """In which way the nth request of something fails, if any: one of `KINDS`."""
        for name, share in self._shares[area]:
            if self._draw(name, request, nth) < share:
                return name
        return None

    def says_when(self, request: str, nth: int) -> bool:
        """Whether the 429 for the nth request of something has `Retry-After`."""
        return self._draw("retry_after", request, nth) >= _WITHOUT_WAIT

    def shift(self, page: int, nth: int) -> int:
        """By how many places the ranking has moved at the nth read of a page."""
        span = self.shifting_pages
        return int(self._draw("shift", f"popular/{page}", nth) * (2 * span + 1)) - span

    @cached_property
    def _shares(self) -> dict[Area, list[tuple[str, float]]]:
        """The kinds that strike at all, by area: most servers have none and draw nothing."""
        shares = {name: getattr(self, name) for name in KINDS}
        return {
            area: [(n, share) for n, share in shares.items() if share and area in KINDS[n]]
            for area in _EVERYWHERE
        }

    def _draw(self, what: str, request: str, nth: int) -> float:
        """A number in [0, 1) for one kind of fault in the nth request of something."""
        return unit_interval(f"{self.seed}/{what}/{request}/{nth}")
