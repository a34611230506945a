"""Any number of items through a network that is compiled for batches of one size."""

import threading
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from elenco.compute.runtime import compile_network
from elenco.errors import OutOfMemory
from elenco.progress import say
from elenco.settings import Compute

if TYPE_CHECKING:
    import keras


class Batches:
    """Runs a network in full batches; safe to share between threads.

    The last batch is filled up with zeros: convolutions of another batch size add up in another
    order, and an item's answer must not depend, to the last bit, on how many come with it. Where
    the device has too little memory, the batch is halved, for good, and the work goes on.

    Args:
        model: takes one float32 tensor.
        shape: of an item; None where it varies from call to call.
        size: items a batch at first, at least 1.
        compute: how it is run.
    """

    def __init__(
        self, model: "keras.Model", shape: Sequence[int | None], size: int, compute: Compute
    ) -> None:
        self._model = model
        self._shape = shape
        self._compute = compute
        self._lock = threading.Lock()
        self._use(size)

    def _use(self, size: int) -> None:
        network = compile_network(self._model, (size, *self._shape), self._compute)
        self._ready = size, network

    def __call__(self, items: np.ndarray) -> list[np.ndarray]:
        """The outputs for all items.

        Args:
            items: (n, ...) of numbers that float32 holds; n at least 1.

        Raises:
            OutOfMemory: one item alone is too much.
        """
        return [np.concatenate(outputs) for outputs in zip(*self.parts(items), strict=True)]

    def parts(self, items: Sequence[np.ndarray] | np.ndarray) -> Iterator[list[np.ndarray]]:
        """Yield the outputs batch by batch: what is large need not leave the cache.

        Args:
            items: of one shape, as in a call.

        Raises:
            OutOfMemory: one item alone is too much.
        """
        start = 0
        while start < len(items):
            size, network = self._ready
            part = np.asarray(items[start : start + size], np.float32)
            try:
                outputs = network(_filled(part, size))
            except OutOfMemory as error:
                self._halve(size, error)
                continue
            yield [output[: len(part)] for output in outputs]
            start += size

    def _halve(self, size: int, error: OutOfMemory) -> None:
        if size == 1:
            raise error
        with self._lock:
            if self._ready[0] == size:  # else another thread has halved it meanwhile
                name = self._model.name
                say(f"{name}: no memory for batches of {size}, going on with {size // 2}")
                self._use(size // 2)


def _filled(part: np.ndarray, size: int) -> np.ndarray:
    if len(part) == size:
        return part
    batch = np.zeros((size, *part.shape[1:]), part.dtype)
    batch[: len(part)] = part
    return batch
