"""What runs a Keras network: Keras's own backend, or OpenVINO on a CPU.

To add one: a module with a function like `compile_keras`, and a line in RUNTIMES.
"""

import os
from collections.abc import Callable, Sequence
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np

from elenco.errors import ConfigError
from elenco.quiet import import_tensorflow
from elenco.settings import Compute

if TYPE_CHECKING:
    import keras

# A float32 batch, RGB of 0..255, to each output of the network. Safe to call from threads.
Network = Callable[[np.ndarray], list[np.ndarray]]
RUNTIMES = {
    "keras": "elenco.compute.keras_runtime:compile_keras",
    "openvino": "elenco.compute.openvino_runtime:compile_openvino",
}


def compile_network(model: "keras.Model", shape: Sequence[int | None], compute: Compute) -> Network:
    """Make a network ready to be called on batches of one shape.

    Args:
        model: takes one float32 tensor.
        shape: of the batches; None where it varies from call to call.
        compute: which runtime and precision, and how many cores.

    Raises:
        ConfigError: the runtime is not installed or can't do this.
    """
    module, function = RUNTIMES[runtime_of(compute)].split(":")
    return getattr(import_module(module), function)(model, tuple(shape), compute)


def runtime_of(compute: Compute) -> str:
    """Name the runtime that `compute.runtime` stands for on this machine.

    `auto` is OpenVINO where it is installed, there is no GPU and Keras runs on TensorFlow; it
    was the fastest of those tried on a CPU (docs/decisions/0010).
    """
    there = find_spec("openvino") is not None
    if compute.runtime == "openvino" and not there:
        raise ConfigError(
            "compute.runtime is openvino, which is not installed: pip install openvino, or set "
            "ELENCO_COMPUTE__RUNTIME=keras"
        )
    if compute.runtime != "auto":
        return compute.runtime
    return "openvino" if there and backend() == "tensorflow" and not on_gpu() else "keras"


def backend() -> str:
    """Import Keras, without TensorFlow's chatter, and name the backend that it runs on."""
    if os.environ.get("KERAS_BACKEND", "tensorflow") == "tensorflow":
        import_tensorflow()
    import keras

    return keras.backend.backend()


@cache
def on_gpu() -> bool:
    """Whether Keras's backend sees a GPU."""
    if backend() == "tensorflow":
        import tensorflow as tf

        return bool(tf.config.list_physical_devices("GPU"))
    if backend() == "jax":
        import jax

        return jax.default_backend() == "gpu"
    return False  # a backend that nothing is compiled on


def threads_of(compute: Compute) -> int:
    """How many cores the networks may use."""
    return compute.threads or os.cpu_count() or 1
