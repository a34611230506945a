"""Random numbers that follow from a seed and from what they are drawn for."""

import hashlib

import numpy as np


class Draws:
    """The random numbers of one cast: the same ones on every run and in any order.

    Args:
        seed: another seed, other numbers.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def rng(self, *what: object) -> np.random.Generator:
        """A generator for one purpose; the purpose's parts need a stable `repr`."""
        return np.random.default_rng(np.frombuffer(self._digest(what), np.uint32))

    def unit(self, *what: object) -> float:
        """A number in [0, 1) for one purpose."""
        return int.from_bytes(self._digest(what)[:8]) / 2**64

    def _digest(self, what: tuple[object, ...]) -> bytes:
        return hashlib.sha256(repr((self._seed, *what)).encode()).digest()
