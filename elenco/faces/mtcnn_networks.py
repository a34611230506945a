"""MTCNN's three networks in Keras, with the trained weights of the package `mtcnn` 1.0.0.

P-, R- and O-Net of Zhang et al. 2016, "Joint Face Detection and Alignment using Multi-task Cascaded
Convolutional Networks" (arXiv 1604.02878), as mtcnn/network/{pnet,rnet,onet}.py have them (Iván de
Paz Centeno, MIT). They take RGB of 0..255: the package's (x - 127.5) / 128 is folded into the first
convolution. Nothing but Keras is used, so that they run on any of its backends.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from elenco.embedding.weights import check_sha256
from elenco.storage import read_npz, write_npz

if TYPE_CHECKING:
    import keras

WEIGHTS = Path(__file__).with_name("mtcnn.npz")
WEIGHTS_SHA256 = "6db1cb03b6bcc76fbf95c2e2caa6ad6651e9c38aa7e9922c593b1d46f8bf98ef"
MEAN, SCALE = 127.5, 128.0


def load_networks() -> tuple["keras.Model", "keras.Model", "keras.Model"]:
    """P-, R- and O-Net.

    P-Net: float32 (n, h, w, 3) -> regression (n, h', w', 4), probability of a face (n, h', w', 1).
    R-Net: (n, 24, 24, 3) -> regression (n, 4), probability (n, 1). O-Net: (n, 48, 48, 3) ->
    regression (n, 4), landmarks (n, 10; five x, five y), probability (n, 1). RGB, 0..255.

    Raises:
        WeightsError: the weights are damaged.
    """
    check_sha256(WEIGHTS, WEIGHTS_SHA256, "install Elenco again")
    arrays = read_npz(WEIGHTS)
    return (
        _pnet(_Weights(arrays, "pnet")),
        _rnet(_Weights(arrays, "rnet")),
        _onet(_Weights(arrays, "onet")),
    )


def pack_weights(package: dict[str, list[np.ndarray]], target: Path) -> None:
    """Write the package's weights in the form of this one.

    Args:
        package: `pnet`, `rnet`, `onet` -> what `mtcnn.utils.tensorflow.load_weights` gives.
        target: where to; `WEIGHTS_SHA256` must then say its sha256.
    """
    arrays: dict[str, np.ndarray] = {}
    for name, weights in package.items():
        kernel, bias = (array.astype(np.float64) for array in weights[:2])
        folded = [kernel / SCALE, bias - MEAN / SCALE * kernel.sum((0, 1, 2)), *weights[2:]]
        arrays |= {f"{name}_{i:02d}": a.astype(np.float32) for i, a in enumerate(folded)}
    write_npz(target, **arrays)


class _Weights:
    """Gives a network's layers their weights in forward order."""

    def __init__(self, arrays: dict[str, np.ndarray], network: str) -> None:
        self.network = network
        self._next: Iterator[np.ndarray] = iter(
            arrays[name] for name in sorted(arrays) if name.startswith(network)
        )

    def conv(self, x: Any, filters: int, side: int) -> Any:
        """A valid convolution and PReLU."""
        from keras import layers

        x = self.apply(layers.Conv2D(filters, side), x, 2)
        return self.apply(layers.PReLU(shared_axes=[1, 2]), x, 1)

    def dense(self, x: Any, units: int) -> Any:
        from keras import layers

        return self.apply(layers.Dense(units), x, 2)

    def regression_and_face(self) -> list[np.ndarray]:
        """For one layer in place of two: the last of its outputs is the difference of two logits.

        Its sigmoid is the softmax's second, by algebra. P-Net's map of windows is large enough for
        a softmax to cost a seventh of it.
        """
        kernel, bias, two, biases = (next(self._next) for _ in range(4))
        kernel = np.concatenate([kernel, two[..., 1:] - two[..., :1]], axis=-1)
        return [kernel, np.concatenate([bias, biases[1:] - biases[:1]])]

    def apply(self, layer: "keras.Layer", x: Any, count: int) -> Any:
        y = layer(x)
        layer.set_weights([next(self._next) for _ in range(count)])
        return y


def _pnet(weights: _Weights) -> "keras.Model":
    from keras import Input, Model, layers

    image = Input((None, None, 3), name="image")
    x = weights.conv(image, 10, 3)
    x = layers.MaxPooling2D(2, 2, "same")(x)
    x = weights.conv(x, 16, 3)
    x = weights.conv(x, 32, 3)
    both = layers.Conv2D(5, 1)
    answer = both(x)
    both.set_weights(weights.regression_and_face())
    face = layers.Activation("sigmoid")(answer[..., 4:])
    return Model(image, [answer[..., :4], face], name="pnet")


def _rnet(weights: _Weights) -> "keras.Model":
    from keras import Input, Model, layers

    image = Input((24, 24, 3), name="image")
    x = weights.conv(image, 28, 3)
    x = layers.MaxPooling2D(3, 2, "same")(x)
    x = weights.conv(x, 48, 3)
    x = layers.MaxPooling2D(3, 2)(x)
    x = weights.conv(x, 64, 2)
    x = weights.dense(_columns_first(x), 128)
    x = weights.apply(layers.PReLU(), x, 1)
    regression = weights.dense(x, 4)
    return Model(image, [regression, _probability(weights.dense(x, 2))], name="rnet")


def _onet(weights: _Weights) -> "keras.Model":
    from keras import Input, Model, layers

    image = Input((48, 48, 3), name="image")
    x = weights.conv(image, 32, 3)
    x = layers.MaxPooling2D(3, 2, "same")(x)
    x = weights.conv(x, 64, 3)
    x = layers.MaxPooling2D(3, 2)(x)
    x = weights.conv(x, 64, 3)
    x = layers.MaxPooling2D(2, 2, "same")(x)
    x = weights.conv(x, 128, 2)
    x = weights.dense(_columns_first(x), 256)
    x = weights.apply(layers.PReLU(), x, 1)
    regression, landmarks = weights.dense(x, 4), weights.dense(x, 10)
    return Model(image, [regression, landmarks, _probability(weights.dense(x, 2))], name="onet")


def _columns_first(x: Any) -> Any:
    """Flatten with x before y: the weights were trained in Caffe on transposed pictures."""
    from keras import layers

    return layers.Flatten()(layers.Permute((2, 1, 3))(x))


def _probability(logits: Any) -> Any:
    """The softmax's second of two: a face."""
    from keras import layers

    return layers.Softmax()(logits)[..., 1:]
