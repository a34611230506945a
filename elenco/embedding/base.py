"""What an embedder is, the table of those there are, and the one way to run a network."""

import threading
from collections.abc import Callable
from functools import cached_property
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from jaxtyping import Float32, UInt8

from elenco.errors import ConfigError
from elenco.faces.crops import Window, cut
from elenco.layout import Layout
from elenco.quiet import import_tensorflow
from elenco.settings import Settings
from elenco.types import EmbeddingSpace

if TYPE_CHECKING:
    import keras

Crops = UInt8[np.ndarray, "n 256 256 3"]
Vectors = Float32[np.ndarray, "n d"]

# To add one: a module with SPACE and load(), and a line here. tests/contracts/test_embedder.py
# picks it up.
EMBEDDERS: dict[str, str] = {
    "facenet": "elenco.embedding.facenet:load",
    "dlib_resnet": "elenco.embedding.dlib_resnet:load",
}


class Embedder(Protocol):
    """A fixed window of the canonical crop and a network.

    Attributes:
        space: names the vectors; only vectors of equal spaces may be compared.
        window: the part of the canonical crop that the network sees.
        model: float32 (n, size, size, 3) RGB, 0..255 -> (n, dim), not normalised to unit length.
    """

    @property
    def space(self) -> EmbeddingSpace: ...
    @property
    def window(self) -> Window: ...
    @property
    def model(self) -> "keras.Model": ...

    def embed(self, crops: Crops) -> Vectors:
        """Unit-length vectors of canonical crops (RGB); n may be 0. Safe to call from threads."""
        ...


class NetworkEmbedder:
    """An `Embedder` whose network is built when it is first needed.

    Args:
        space: as in `Embedder`.
        window: as in `Embedder`.
        build: makes the network with its weights loaded.
        batch: how many crops go through the network at a time, rounded up as `_even_batches` says.
            Always as many, filled up with black: convolutions of another batch size add up in
            another order, and a crop's vector must not depend, to the last bit, on its neighbours
            or on where a run was killed.
    """

    def __init__(
        self, space: EmbeddingSpace, window: Window, build: Callable[[], "keras.Model"], batch: int
    ) -> None:
        self.space = space
        self.window = window
        self._build = build
        self._model: keras.Model | None = None
        self._batch = batch
        # TensorFlow uses every core for one batch; two at once would only take more memory.
        self._lock = threading.RLock()

    @property
    def model(self) -> "keras.Model":
        """float32 (n, size, size, 3) RGB, 0..255 -> (n, dim), not normalised to unit length."""
        with self._lock:
            if self._model is None:
                import_tensorflow()
                self._model = self._build()
            return self._model

    @cached_property
    def _even(self) -> tuple[int, Callable[[np.ndarray], np.ndarray]]:
        """A batch size in which every place gives the same vector, and the network for it.

        TensorFlow's convolutions add up the last rows of a batch in another order where they don't
        fill a block of its kernel; which rows these are depends on the processor's caches. Twelve
        fills those of AVX2; what holds here is tried.
        """
        size = self.window.size
        picture = np.random.default_rng(0).integers(0, 256, (1, size, size, 3), np.uint8)
        for batch in _even_batches(self._batch):
            run = self._traced(batch)
            places = run(np.repeat(picture.astype(np.float32), batch, 0))
            if (places == places[0]).all():
                return batch, run
        return 1, self._traced(1)

    def _traced(self, batch: int) -> Callable[[np.ndarray], np.ndarray]:
        import tensorflow as tf

        model, size = self.model, self.window.size

        @tf.function(input_signature=[tf.TensorSpec((batch, size, size, 3), tf.float32)])
        def run(images: Any) -> Any:
            return model(images, training=False)

        return lambda images: run(images).numpy()

    def embed(self, crops: Crops) -> Vectors:
        """Embed canonical crops.

        Args:
            crops: RGB; n may be 0.

        Returns:
            Unit-length vectors in the order of the crops. The same crop gives the same vector,
            whatever is embedded with it.

        Raises:
            ValueError: not uint8 of the canonical shape.
        """
        if crops.dtype != np.uint8 or crops.ndim != 4 or crops.shape[1:] != (256, 256, 3):
            raise ValueError(
                f"crops must be uint8 (n, 256, 256, 3), not {crops.dtype} {crops.shape}"
            )
        vectors = np.zeros((len(crops), self.space.dim), np.float32)
        if not len(crops):
            return vectors
        with self._lock:
            batch, run = self._even
        images = np.zeros((batch, self.window.size, self.window.size, 3), np.float32)
        for start in range(0, len(crops), batch):
            part = crops[start : start + batch]
            images[: len(part)] = cut(part, self.window)
            images[len(part) :] = 0
            with self._lock:
                vectors[start : start + len(part)] = run(images)[: len(part)]
        # Not by TensorFlow, whose reciprocal square root differs with the place in a batch too.
        lengths = np.sqrt(np.square(vectors).sum(axis=1, keepdims=True))
        return vectors / np.maximum(lengths, 1e-12)


def _even_batches(batch: int) -> tuple[int, ...]:
    """Sizes to try for a batch."""
    least = -(-batch // 12) * 12
    return least, 2 * least, 4 * least


def load_embedder(name: str, settings: Settings, layout: Layout) -> Embedder:
    """The embedder of that name; a process loads each once.

    Weights that are not in the package are fetched and checked here. The network itself (and
    with it TensorFlow) is built at the first face.

    Raises:
        ConfigError: no such embedder; the message lists those there are.
        WeightsError: its weights can't be fetched, or are not the ones expected.
    """
    module, function = _adapter(name)
    key = (name, module.SPACE.weights_sha256, settings.embedding.batch, layout.models.resolve())
    with _loading:
        if key not in _loaded:
            _loaded[key] = getattr(module, function)(settings, layout)
        return _loaded[key]


def embedding_space(name: str) -> EmbeddingSpace:
    """The space of an embedder's vectors, known without its weights. Raises ConfigError."""
    return _adapter(name)[0].SPACE


def space_of(
    name: str, weights_sha256: str, dim: int, window: Window, pixels: str
) -> EmbeddingSpace:
    """The space of an embedder that sees `window` with its pixels normalised as `pixels` says."""
    cut_from = f"{window.width:g}x{window.height:g}+{window.x:g}+{window.y:g}"
    return EmbeddingSpace(name, weights_sha256, dim, f"{cut_from} to {window.size}, {pixels}")


_loaded: dict[tuple[str, str, int, Path], Embedder] = {}
_loading = threading.Lock()


def _adapter(name: str) -> tuple[ModuleType, str]:
    if name not in EMBEDDERS:
        known = ", ".join(sorted(EMBEDDERS))
        raise ConfigError(
            f"there is no embedder {name!r}: set embedding.embedder "
            f"(ELENCO_EMBEDDING__EMBEDDER) to one of {known}"
        )
    module, function = EMBEDDERS[name].split(":")
    return import_module(module), function
