"""Invented names: unique, plausible, and of nobody in particular."""

import math

_FIRST_NAMES = (
    "Adela Aldric Alenka Anselm Arvid Aurelie Benedek Brannoch Calista Casimir Celeste Corwin "
    "Dagny Darius Delphine Dorian Edda Eldon Elowen Emeric Esme Evander Fabian Fenella Florian "
    "Freya Gideon Greta Halina Hector Hedda Idris Ilona Ingram Isaura Jarek Jocasta Jorund Kalina "
    "Kestrel Lazlo Leonie Linnea Lucian Maelle Marek Mirela Nerys Odalys Orson Ottilie Percival "
    "Petra Quentin Rosalba Rufus Sabine Severin Tamsin Tibor Ursula Viggo Wilhelmina Zdenka"
)
_FIRST_HALVES = (
    "Alder Bram Cald Dorn Elm Fen Glan Harrow Ister Karn Lind Marl Norr Oster Pell Quill "
    "Raven Sorn Thorn Ulver Vael Wend Yarl Zell Tarn Brae Crane Dunmor Esk Farn Gild Holm"
)
_SECOND_HALVES = (
    "combe dale field gate hurst low mere more ridge shaw stead thwaite vane wick wold wyn"
)
_FIRST, _HEADS, _TAILS = _FIRST_NAMES.split(), _FIRST_HALVES.split(), _SECOND_HALVES.split()
_INITIALS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

PLAIN = len(_FIRST) * len(_HEADS) * len(_TAILS)
TOTAL = PLAIN * (1 + len(_INITIALS))
_STEP = 20_011  # coprime to PLAIN, so that stepping by it visits every name once
assert math.gcd(_STEP, PLAIN) == 1


def name(seed: int, number: int) -> str:
    """The name of person `number` of a cast: a different one for each number of the same seed.

    Raises:
        ValueError: there are only `TOTAL` names.
    """
    if not 0 <= number < TOTAL:
        raise ValueError(f"there are {TOTAL:,} invented names: no number {number:,}")
    lap, place = divmod(number, PLAIN)
    place = ((place + seed) * _STEP) % PLAIN
    place, first = divmod(place, len(_FIRST))
    tail, head = divmod(place, len(_HEADS))
    middle = f" {_INITIALS[lap - 1]}." if lap else ""
    return f"{_FIRST[first]}{middle} {_HEADS[head]}{_TAILS[tail]}"
