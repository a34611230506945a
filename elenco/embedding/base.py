"""What an embedder is, the table of those there are, and the one way to run a network."""

import threading
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Protocol

import numpy as np
from jaxtyping import Float32, UInt8

from elenco.compute.batches import Batches
from elenco.compute.runtime import backend, on_gpu
from elenco.errors import ConfigError
from elenco.faces.crops import Window, cut
from elenco.layout import Layout
from elenco.settings import Settings
from elenco.types import EmbeddingSpace
from elenco.vectors import unit

if TYPE_CHECKING:
    import keras

Crops = UInt8[np.ndarray, "n 256 256 3"]
Vectors = Float32[np.ndarray, "n d"]

CPU_BATCH, GPU_BATCH = 12, 384
MOST_CUT = 384  # crops that are float32 at a time
LEAST_AGREEMENT = 0.9999  # cosine of a network in lower precision with itself in float32

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

    def embed_raw(self, crops: Crops) -> Vectors:
        """The network's own outputs for canonical crops (RGB); n may be 0. Safe in threads."""
        ...

    def embed(self, crops: Crops) -> Vectors:
        """`embed_raw` at unit length."""
        ...


class NetworkEmbedder:
    """An `Embedder` whose network is built when it is first needed.

    Args:
        space: as in `Embedder`, of the network alone.
        window: as in `Embedder`.
        build: makes the network with its weights loaded.
        settings: `embedding.batch`, how many crops go through the network at a time (0: what suits
            the device), rounded up to twelves; `embedding.mirror`, whether a vector is the mean of
            the crop's and its mirror image's; `compute`.
    """

    def __init__(
        self,
        space: EmbeddingSpace,
        window: Window,
        build: Callable[[], "keras.Model"],
        settings: Settings,
    ) -> None:
        self.space = mirrored_space(space) if settings.embedding.mirror else space
        self.window = window
        self._build = build
        self._settings = settings
        self._lock = threading.RLock()

    @cached_property
    def _model(self) -> "keras.Model":
        backend()
        model = self._build()
        return mirrored(model) if self._settings.embedding.mirror else model

    @property
    def model(self) -> "keras.Model":
        """float32 (n, size, size, 3) RGB, 0..255 -> (n, dim), not normalised to unit length."""
        with self._lock:
            return self._model

    @cached_property
    def _network(self) -> Batches:
        """The network in batches in which every place gives the same vector.

        TensorFlow's convolutions add up the last rows of a batch in another order where they don't
        fill a block of its kernel; which rows these are depends on the processor's caches. Twelve
        fills those of AVX2; what holds here is tried.
        """
        compute, size = self._settings.compute, self.window.size
        shape, blocks = (size, size, 3), size // 8 + 1
        picture = np.random.default_rng(0).integers(0, 256, (1, 8, 8, 3), np.uint8)
        picture = picture.repeat(blocks, 1).repeat(blocks, 2)[:, :size, :size].astype(np.float32)
        for batch in (*_even_batches(self._settings.embedding.batch), 1):
            network = Batches(self._model, shape, batch, compute)
            (places,) = network(picture.repeat(batch, 0))
            if (places == places[0]).all():
                break
        else:
            raise AssertionError("a single picture differs from itself")
        if compute.precision != "float32":
            exact = compute.model_copy(update={"precision": "float32"})
            (expected,) = Batches(self._model, shape, 1, exact)(picture)
            self._check(places[0], expected[0])
        return network

    def _check(self, vector: np.ndarray, expected: np.ndarray) -> None:
        """Raise ConfigError if the vector of a lower precision is not that of float32."""
        agreement = float((unit(vector) * unit(expected)).sum())
        if not agreement >= LEAST_AGREEMENT:  # nan is not
            precision = self._settings.compute.precision
            raise ConfigError(
                f"{self.space.embedder} in {precision} is {agreement:.5f} alike its float32 form "
                f"(cosine), less than {LEAST_AGREEMENT}: set compute.precision "
                "(ELENCO_COMPUTE__PRECISION) to float32"
            )

    def embed_raw(self, crops: Crops) -> Vectors:
        """Embed canonical crops.

        Args:
            crops: RGB; n may be 0.

        Returns:
            The network's outputs in the order of the crops. The same crop gives the same vector,
            whatever is embedded with it.

        Raises:
            ValueError: not uint8 of the canonical shape.
            OutOfMemory: one crop alone is too much for the device.
            ConfigError: the runtime is not there, or its precision does not do for this network.
        """
        if crops.dtype != np.uint8 or crops.ndim != 4 or crops.shape[1:] != (256, 256, 3):
            raise ValueError(
                f"crops must be uint8 (n, 256, 256, 3), not {crops.dtype} {crops.shape}"
            )
        if not len(crops):
            return np.zeros((0, self.space.dim), np.float32)
        with self._lock:
            network = self._network
        parts = (crops[start : start + MOST_CUT] for start in range(0, len(crops), MOST_CUT))
        return np.concatenate([network(cut(p, self.window).astype(np.float32))[0] for p in parts])

    def embed(self, crops: Crops) -> Vectors:
        """`embed_raw` at unit length; raises what it raises."""
        return unit(self.embed_raw(crops))


def mirrored(model: "keras.Model") -> "keras.Model":
    """The mean of what a network says of a picture and of its mirror image."""
    from keras import Input, Model, layers, ops

    image = Input(model.input_shape[1:], name="image")
    both = [model(image), model(ops.flip(image, axis=2))]
    return Model(image, layers.Average()(both), name=f"{model.name}_mirrored")


def mirrored_space(space: EmbeddingSpace) -> EmbeddingSpace:
    """The space of the vectors of `mirrored`."""
    return replace(space, preprocessing=f"{space.preprocessing}, mean with the mirror image")


def _even_batches(batch: int) -> tuple[int, ...]:
    """Sizes to try for a batch."""
    least = -(-(batch or (GPU_BATCH if on_gpu() else CPU_BATCH)) // 12) * 12
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
    how = settings.embedding.model_dump_json(), settings.compute.model_dump_json()
    key = (name, module.SPACE.weights_sha256, *how, layout.models.resolve())
    with _loading:
        if key not in _loaded:
            _loaded[key] = getattr(module, function)(settings, layout)
        return _loaded[key]


def embedding_space(settings: Settings) -> EmbeddingSpace:
    """The space of the embedder that is set, known without its weights. Raises ConfigError."""
    space = _adapter(settings.embedding.embedder)[0].SPACE
    return mirrored_space(space) if settings.embedding.mirror else space


def space_of(
    name: str, weights_sha256: str, dim: int, window: Window, pixels: str
) -> EmbeddingSpace:
    """The space of an embedder that sees `window` with its pixels normalised as `pixels` says."""
    cut_from = f"{window.width:g}x{window.height:g}+{window.x:g}+{window.y:g}"
    return EmbeddingSpace(name, weights_sha256, dim, f"{cut_from} to {window.size}, {pixels}")


_loaded: dict[tuple[str, str, str, str, Path], Embedder] = {}
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
