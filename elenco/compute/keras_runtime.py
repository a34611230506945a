"""Networks on Keras's backend: TensorFlow or JAX, on CPU or GPU, one compiled function a shape."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from elenco.compute.runtime import Network, backend
from elenco.errors import ConfigError, OutOfMemory
from elenco.settings import Compute

if TYPE_CHECKING:
    import keras


def compile_keras(model: "keras.Model", shape: tuple[int | None, ...], compute: Compute) -> Network:
    """As `compile_network`. TensorFlow traces once; JAX compiles each shape that it meets.

    Raises:
        ConfigError: Keras runs on a backend other than these two.
        OutOfMemory: in the calls, where the device has too little memory for the batch.
    """
    if compute.precision != "float32":
        model = _in_precision(model, f"mixed_{compute.precision}")
    run, too_large = _compiled(model, shape)

    def network(batch: np.ndarray) -> list[np.ndarray]:
        try:
            outputs = run(batch)
            outputs = outputs if isinstance(outputs, list | tuple) else [outputs]
            return [np.asarray(output).astype(np.float32, copy=False) for output in outputs]
        except Exception as error:
            if not too_large(error):
                raise
            raise OutOfMemory(f"a batch of {len(batch)}: {str(error).splitlines()[0]}") from None

    return network


def _compiled(
    model: "keras.Model", shape: tuple[int | None, ...]
) -> tuple[Callable[[np.ndarray], Any], Callable[[Exception], bool]]:
    """The model as a compiled function, and how its backend says that memory is short."""
    if backend() == "tensorflow":
        import tensorflow as tf

        signature = [tf.TensorSpec(shape, tf.float32)]
        run = tf.function(lambda batch: model(batch, training=False), input_signature=signature)
        return run, lambda error: isinstance(error, tf.errors.ResourceExhaustedError)
    if backend() == "jax":
        import jax

        run = jax.jit(lambda batch: model(batch, training=False))
        return run, lambda error: "RESOURCE_EXHAUSTED" in str(error)
    raise ConfigError(f"KERAS_BACKEND={backend()}: set it to tensorflow or jax")


def _in_precision(model: "keras.Model", policy: str) -> "keras.Model":
    """The same network, calculating in another precision; its weights stay float32."""
    import keras

    copy = keras.models.clone_model(
        model,
        clone_function=lambda layer: type(layer).from_config(
            layer.get_config() | {"dtype": policy}
        ),
    )
    copy.set_weights(model.get_weights())
    return copy
