"""Which photographs are held out: a stable hash decides, not an order or a random number."""

from collections.abc import Iterable

from elenco.fingerprint import unit_interval
from elenco.types import Split


def split_of(person_id: str, keys: Iterable[str], test_fraction: float) -> dict[str, Split]:
    """Split one person's photographs.

    A photograph is held out if the hash of its person and key falls below `test_fraction`, except
    that the one with the highest hash is always trained on: nobody is without a training
    photograph. A photograph added later moves at most one other, the one that was kept back by
    that exception.

    Args:
        person_id: whose.
        keys: the photographs' keys, in any order.
        test_fraction: expected share of test photographs, 0..1.

    Returns:
        Every key with its split.
    """
    values = {key: unit_interval(f"{person_id}/{key}") for key in keys}
    highest = max(values, key=lambda key: (values[key], key), default=None)
    return {
        key: "test" if value < test_fraction and key != highest else "train"
        for key, value in values.items()
    }
