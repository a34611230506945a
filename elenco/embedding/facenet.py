"""FaceNet (Inception-ResNet-v1) in Keras 3: 160x160 -> 512-d, weights fetched once.

Network: Szegedy et al., "Inception-v4, Inception-ResNet and the Impact of Residual Connections on
Learning" (arXiv 1602.07261), as David Sandberg's facenet has it (src/models/inception_resnet_v1.py,
MIT). Weights: his model 20180402-114759, trained on VGGFace2 with softmax loss, 99.65 % on LFW, in
the Keras form of the package keras-facenet (Fausto Morales, MIT). VGGFace2's own terms allow
research; whoever ships a product decides whether they bind a network trained on it.
"""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from elenco.embedding.base import Embedder, NetworkEmbedder, space_of
from elenco.embedding.weights import RemoteFile, fetch
from elenco.errors import WeightsError
from elenco.faces.crops import FACENET_WINDOW
from elenco.layout import Layout
from elenco.settings import Settings

if TYPE_CHECKING:
    import h5py
    import keras

# keras_facenet/metadata.py, key 20180402-114759, of keras-facenet 0.3.2.
WEIGHTS = RemoteFile(
    "20180402-114759-weights.h5",
    "https://github.com/faustomorales/keras-facenet/releases/download/v0.3.1/"
    "20180402-114759-weights.h5",
    "8b71e7045497e841c00ee568f031d1a4d30908fceadf6884aef2dec4d545202b",
)
# The network was trained on (x - 127.5) / 128 (facenet's --use_fixed_image_standardization);
# keras-facenet divides by 127.5, which is 0.4 % off that.
MEAN, SCALE = 127.5, 128.0
BATCH_NORM_EPSILON = 0.001
SPACE = space_of("facenet", WEIGHTS.sha256, 512, FACENET_WINDOW, f"RGB (x-{MEAN:g})/{SCALE:g}")


def load(settings: Settings, layout: Layout) -> Embedder:
    """The embedder; its weights are fetched if `models/FaceNET-Keras` lacks them.

    Raises:
        WeightsError: they can't be fetched or are damaged.
    """
    weights = fetch(WEIGHTS, layout.facenet_weights)
    return NetworkEmbedder(SPACE, FACENET_WINDOW, partial(build, weights), settings)


def build(weights: Path) -> "keras.Model":
    """The network: float32 (n, 160, 160, 3) RGB, 0..255 -> (n, 512), not normalised.

    Batch norms are in inference mode and folded into the convolutions before them.

    Args:
        weights: HDF5 as keras-facenet's `save_weights` writes it.

    Raises:
        WeightsError: it is not such a file.
    """
    model = inception_resnet_v1()
    load_weights(model, weights)
    return model


def inception_resnet_v1() -> "keras.Model":
    """The network without weights; layers are named as in facenet and keras-facenet."""
    from keras import Input, KerasTensor, Model, layers

    def conv(
        x: KerasTensor,
        name: str,
        filters: int,
        stride: int = 1,
        padding: str = "same",
        activation: str | None = "relu",
    ) -> KerasTensor:
        """A convolution whose kernel size ends its name, as `1x7` in `Conv2d_0b_1x7`."""
        height, width = (int(side) for side in name.rsplit("_")[-1].split("x"))
        return layers.Conv2D(
            filters,
            (height, width),
            stride,
            padding,
            activation=activation,
            name=name,
        )(x)

    def branch(
        x: KerasTensor, name: str, *steps: tuple[str, int], halve: bool = False
    ) -> KerasTensor:
        """Convolutions in a row; `halve` makes the last one stride 2, valid."""
        for number, (step, filters) in enumerate(steps, 1):
            last = halve and number == len(steps)
            stride, padding = (2, "valid") if last else (1, "same")
            x = conv(x, f"{name}_Conv2d_{step}", filters, stride, padding)
        return x

    def residual(
        x: KerasTensor, name: str, branches: list[KerasTensor], scale: float, relu: bool = True
    ) -> KerasTensor:
        """The branches brought back to the channels of `x`, scaled down and added to it."""
        up = layers.Concatenate()(branches)
        up = conv(up, f"{name}_Conv2d_1x1", x.shape[-1], activation=None)
        x = layers.Add()([x, layers.Rescaling(scale)(up)])
        return layers.ReLU()(x) if relu else x

    image = Input((160, 160, 3), name="image")
    x = layers.Rescaling(1 / SCALE, -MEAN / SCALE)(image)

    # Stem: 160 -> 17.
    x = conv(x, "Conv2d_1a_3x3", 32, 2, "valid")
    x = conv(x, "Conv2d_2a_3x3", 32, 1, "valid")
    x = conv(x, "Conv2d_2b_3x3", 64)
    x = layers.MaxPooling2D(3, 2)(x)
    x = conv(x, "Conv2d_3b_1x1", 80)
    x = conv(x, "Conv2d_4a_3x3", 192, 1, "valid")
    x = conv(x, "Conv2d_4b_3x3", 256, 2, "valid")

    # Inception-ResNet-A, 17 x 17 x 256.
    for number in range(1, 6):
        name = f"Block35_{number}"
        a = branch(x, f"{name}_Branch_0", ("1x1", 32))
        b = branch(x, f"{name}_Branch_1", ("0a_1x1", 32), ("0b_3x3", 32))
        c = branch(x, f"{name}_Branch_2", ("0a_1x1", 32), ("0b_3x3", 32), ("0c_3x3", 32))
        x = residual(x, name, [a, b, c], 0.17)

    # Reduction-A: 17 -> 8.
    steps = ("0a_1x1", 192), ("0b_3x3", 192), ("1a_3x3", 256)
    a = branch(x, "Mixed_6a_Branch_0", ("1a_3x3", 384), halve=True)
    b = branch(x, "Mixed_6a_Branch_1", *steps, halve=True)
    x = layers.Concatenate()([a, b, layers.MaxPooling2D(3, 2)(x)])

    # Inception-ResNet-B, 8 x 8 x 896.
    for number in range(1, 11):
        name = f"Block17_{number}"
        a = branch(x, f"{name}_Branch_0", ("1x1", 128))
        b = branch(x, f"{name}_Branch_1", ("0a_1x1", 128), ("0b_1x7", 128), ("0c_7x1", 128))
        x = residual(x, name, [a, b], 0.1)

    # Reduction-B: 8 -> 3.
    steps = ("0a_1x1", 256), ("0b_3x3", 256), ("1a_3x3", 256)
    a = branch(x, "Mixed_7a_Branch_0", ("0a_1x1", 256), ("1a_3x3", 384), halve=True)
    b = branch(x, "Mixed_7a_Branch_1", ("0a_1x1", 256), ("1a_3x3", 256), halve=True)
    c = branch(x, "Mixed_7a_Branch_2", *steps, halve=True)
    x = layers.Concatenate()([a, b, c, layers.MaxPooling2D(3, 2)(x)])

    # Inception-ResNet-C, 3 x 3 x 1792; the sixth is not scaled and has no ReLU.
    for number in range(1, 7):
        name, last = f"Block8_{number}", number == 6
        a = branch(x, f"{name}_Branch_0", ("1x1", 192))
        b = branch(x, f"{name}_Branch_1", ("0a_1x1", 192), ("0b_1x3", 192), ("0c_3x1", 192))
        x = residual(x, name, [a, b], 1.0 if last else 0.2, relu=not last)

    x = layers.GlobalAveragePooling2D()(x)
    return Model(image, layers.Dense(512, name="Bottleneck")(x), name="facenet")


def load_weights(model: "keras.Model", path: Path) -> None:
    """Set the weights of `inception_resnet_v1()` from keras-facenet's HDF5, by layer name.

    Raises:
        WeightsError: a layer is missing, or not of the network's shape.
    """
    import h5py

    try:
        with h5py.File(path) as file:
            for layer in model.layers:
                if layer.weights:
                    layer.set_weights(_folded(file, layer.name))
    except (OSError, KeyError, ValueError) as error:
        raise WeightsError(f"{path} does not hold FaceNET's weights: {error}") from None


def _folded(file: "h5py.File", name: str) -> list[np.ndarray]:
    """Kernel and bias of a layer with the batch norm after it, if there is one, in them."""
    kernel = _array(file, name, "kernel")
    norm = f"{name}_BatchNorm"
    if norm not in file:
        return [kernel, _array(file, name, "bias")]
    beta, mean, variance = (
        _array(file, norm, part) for part in ("beta", "moving_mean", "moving_variance")
    )
    scale = 1 / np.sqrt(variance + BATCH_NORM_EPSILON)
    return [kernel * scale, beta - mean * scale]


def _array(file: "h5py.File", layer: str, part: str) -> np.ndarray:
    path = f"{layer}/{layer}/{part}:0"
    if path not in file:
        raise KeyError(f"no {path}")
    return np.asarray(file[path], np.float64)
