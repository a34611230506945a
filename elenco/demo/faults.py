"""What can go wrong on the way to a server, on purpose and the same each time."""

from dataclasses import dataclass

from elenco.fingerprint import unit_interval


@dataclass(frozen=True)
class Faults:
    """Shares (0..1) of the requests that fail, each in its own way; none by default.

    Whether one fails follows from the seed, what is asked for, and how often it was asked for
    before: the same on every run, whatever the order of arrival, and asking again may succeed.

    Attributes:
        seed: another seed, other requests fail.
        server_errors: answered 500 or 503.
        too_many: answered 429 although the rate was kept; of the API only.
        slow: answered after `slow_seconds`.
        cut: the connection ends in the middle of the body.
        html: a page of HTML with status 200 instead of JSON; of the API only.
        slow_seconds: how long a slow answer takes.
        shifting_pages: by how many places at most the ranking moves between two reads of
            `/person/popular`, so that pages overlap or leave someone out.
        export_late: today's id export is not there yet.
    """

    seed: int = 0
    server_errors: float = 0.0
    too_many: float = 0.0
    slow: float = 0.0
    cut: float = 0.0
    html: float = 0.0
    slow_seconds: float = 1.0
    shifting_pages: int = 0
    export_late: bool = False

    def __post_init__(self) -> None:
        for name in ("server_errors", "too_many", "slow", "cut", "html"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is a share of requests: 0 to 1")

    def draw(self, what: str, request: str, nth: int) -> float:
        """A number in [0, 1) for one kind of fault in the nth request of something."""
        return unit_interval(f"{self.seed}/{what}/{request}/{nth}")

    def strikes(self, what: str, request: str, nth: int) -> bool:
        """Whether the nth request of something fails in this way."""
        return self.draw(what, request, nth) < getattr(self, what)

    def shift(self, page: int, nth: int) -> int:
        """By how many places the ranking has moved at the nth read of a page."""
        span = self.shifting_pages
        return int(self.draw("shift", f"popular/{page}", nth) * (2 * span + 1)) - span
