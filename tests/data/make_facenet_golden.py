"""Make facenet_golden.npz: what keras-facenet's own network answers, with weights by a rule.

    TF_USE_LEGACY_KERAS=1 python tests/data/make_facenet_golden.py

needs keras-facenet 0.3.2 on the path (`pip install --no-deps --target FOLDER keras-facenet==0.3.2`)
and tf-keras, the Keras 2 that it is written for. The fixture holds
    paths, shapes  the datasets of the file that the network's `save_weights` writes
    vectors        (4, 512) float32, unit length, for `images()`
so that a test can write that file again by `weights()` and needs no keras-facenet.
"""

import sys
import tempfile
import zlib
from pathlib import Path

import h5py
import numpy as np

GOLDEN = Path(__file__).with_name("facenet_golden.npz")


def weights(path: str, shape: tuple[int, ...]) -> np.ndarray:
    """Values for the dataset `path`, e.g. `Bottleneck/Bottleneck/kernel:0`: float32 of `shape`.

    RandomState's stream is frozen, so every numpy gives the same.
    """
    random = np.random.RandomState(zlib.crc32(path.encode()))
    if path.endswith("kernel:0"):
        fan_in = int(np.prod(shape[:-1]))
        return (random.standard_normal(shape) * np.sqrt(2 / fan_in)).astype(np.float32)
    if path.endswith("moving_variance:0"):
        return random.uniform(0.5, 1.5, shape).astype(np.float32)
    return (random.standard_normal(shape) * 0.1).astype(np.float32)


def images() -> np.ndarray:
    """Four blocky pictures: uint8 (4, 160, 160, 3)."""
    blocks = np.random.RandomState(0).randint(0, 256, (4, 8, 8, 3), np.uint8)
    return blocks.repeat(20, axis=1).repeat(20, axis=2)


def write_weights(file: Path) -> None:
    """The file that the fixture describes: keras-facenet's layout, weights by the rule."""
    with np.load(GOLDEN, allow_pickle=False) as golden, h5py.File(file, "w") as target:
        for path, shape in zip(golden["paths"].tolist(), golden["shapes"].tolist(), strict=True):
            target[path] = weights(path, tuple(side for side in shape if side))


def main() -> None:
    from keras_facenet.inception_resnet_v1 import InceptionResNetV1

    model = InceptionResNetV1(input_shape=(None, None, 3), classes=512)
    for layer in model.layers:
        paths = [f"{layer.name}/{weight.name}" for weight in layer.weights]
        layer.set_weights([weights(p, w.shape) for p, w in zip(paths, layer.weights, strict=True)])
    shapes: dict[str, tuple[int, ...]] = {}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "weights.h5"
        model.save_weights(file)
        with h5py.File(file) as saved:
            saved.visititems(
                lambda path, item: (
                    shapes.update({path: item.shape}) if isinstance(item, h5py.Dataset) else None
                )
            )
            for path, shape in shapes.items():
                np.testing.assert_array_equal(saved[path][()], weights(path, shape))
    vectors = model.predict_on_batch((images().astype(np.float32) - 127.5) / 128)
    padded = [tuple(shape) + (0,) * (4 - len(shape)) for shape in shapes.values()]
    np.savez_compressed(
        GOLDEN, paths=np.array(list(shapes)), shapes=np.array(padded), vectors=vectors
    )
    print(f"{GOLDEN.name}: {len(shapes)} arrays, vectors {vectors.shape}", file=sys.stderr)


if __name__ == "__main__":
    main()
