"""dlib's face recognition ResNet v1 in Keras: 150x150 -> 128-d, weights in the package.

Network and weights: Davis King, dlib (dlib_face_recognition_resnet_model_v1.dat), CC0 1.0; 29
convolutions whose affine layers are folded into them. With float32 weights the model gives dlib's
own embeddings to 1e-5; the float16 of the package moves a unit vector by less than 1e-3.
"""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from elenco.embedding.base import Embedder, NetworkEmbedder, space_of
from elenco.embedding.weights import check_sha256
from elenco.faces.crops import DLIB_WINDOW
from elenco.layout import Layout
from elenco.settings import Settings
from elenco.storage import read_npz, write_npz

if TYPE_CHECKING:
    import keras

WEIGHTS = Path(__file__).with_suffix(".npz")
WEIGHTS_SHA256 = "15ad2964935f405cd5b6a8a90085b4922427a35e0719a355aa80a4ddf308925b"
# dlib's input_rgb_image: RGB means, and 256 for the scale.
MEAN_RGB = (122.782, 117.001, 104.298)
SCALE = 256.0
SPACE = space_of("dlib_resnet", WEIGHTS_SHA256, 128, DLIB_WINDOW, "RGB (x-mean)/256")


def load(settings: Settings, layout: Layout) -> Embedder:
    """The embedder with the weights of the package. Raises WeightsError if they are damaged."""
    check_sha256(WEIGHTS, WEIGHTS_SHA256, "install Elenco again")
    return NetworkEmbedder(SPACE, DLIB_WINDOW, partial(build, WEIGHTS), settings)


def build(weights: Path) -> "keras.Model":
    """The network: float32 (n, 150, 150, 3) RGB, 0..255 -> (n, 128), not normalised.

    Args:
        weights: npz of `convNN_kernel` (kh, kw, in, out) and `convNN_bias` (out,), NN = 00..28 in
            forward order, and `fc_kernel` (256, 128); float16 or float32.
    """
    from keras import Input, Model, layers

    arrays = {name: array.astype(np.float32) for name, array in read_npz(weights).items()}
    names = (f"conv{number:02d}" for number in range(29))

    def conv(x: "keras.KerasTensor", stride: int = 1, padding: str = "same") -> "keras.KerasTensor":
        name = next(names)
        kernel, bias = arrays[f"{name}_kernel"], arrays[f"{name}_bias"]
        layer = layers.Conv2D(kernel.shape[3], kernel.shape[0], stride, padding, name=name)
        layer.build(x.shape)
        layer.set_weights([kernel, bias])
        return layer(x)

    def block(x: "keras.KerasTensor", down: bool) -> "keras.KerasTensor":
        y = layers.ReLU()(conv(x, 2, "valid") if down else conv(x))
        y = conv(y)
        if down:
            x = layers.AveragePooling2D(2, 2)(x)
            x, y = _pad_to_same(x, y)
        return layers.ReLU()(layers.Add()([x, y]))

    image = Input((150, 150, 3), name="image")
    x = layers.Normalization(mean=MEAN_RGB, variance=[SCALE**2] * 3)(image)
    x = layers.ReLU()(conv(x, 2, "valid"))
    x = layers.MaxPooling2D(3, 2)(x)
    # Widths 32, 64, 128, 256 and a last block alone; a width's size is in its weights.
    for blocks, first_is_down in ((3, False), (4, True), (3, True), (3, True), (1, True)):
        for number in range(blocks):
            x = block(x, down=first_is_down and number == 0)
    x = layers.GlobalAveragePooling2D()(x)
    fc = layers.Dense(128, use_bias=False, name="fc")
    fc.build(x.shape)
    fc.set_weights([arrays["fc_kernel"]])
    return Model(image, fc(x), name="dlib_resnet")


def pack_weights(source: Path, target: Path) -> None:
    """Write float32 weights as float16, the form in the package.

    Args:
        source: npz as `build` takes it.
        target: where to; `WEIGHTS_SHA256` must then say its sha256.
    """
    write_npz(
        target, **{name: array.astype(np.float16) for name, array in read_npz(source).items()}
    )


def _pad_to_same(x: Any, y: Any) -> tuple[Any, Any]:
    """Zeros at the bottom, right and last channels of whichever is smaller, as dlib's add_prev."""
    from keras import ops

    shapes = zip(x.shape[1:], y.shape[1:], strict=True)
    extra = [(max(a, b) - a, max(a, b) - b) for a, b in shapes]
    x = ops.pad(x, [(0, 0), *((0, a) for a, _ in extra)]) if any(a for a, _ in extra) else x
    y = ops.pad(y, [(0, 0), *((0, b) for _, b in extra)]) if any(b for _, b in extra) else y
    return x, y
