"""Networks on OpenVINO, converted from the Keras model in memory; CPU only."""

import sys
import threading
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from elenco.compute.runtime import Network, backend, threads_of
from elenco.errors import ConfigError
from elenco.settings import Compute

if TYPE_CHECKING:
    import keras


def compile_openvino(
    model: "keras.Model", shape: tuple[int | None, ...], compute: Compute
) -> Network:
    """As `compile_network`. Every calling thread has a request of its own, on one core.

    Raises:
        ConfigError: Keras runs on another backend than TensorFlow, or the precision is float16.
    """
    if compute.precision == "float16":
        raise ConfigError(
            "compute.precision is float16, which is for GPUs: set ELENCO_COMPUTE__PRECISION to "
            "float32, or to bfloat16 where the processor has it"
        )
    if backend() != "tensorflow":
        raise ConfigError(f"KERAS_BACKEND={backend()}: set ELENCO_COMPUTE__RUNTIME=keras for it")
    openvino = _without_telemetry()
    import tensorflow as tf

    traced = tf.function(
        lambda batch: model(batch, training=False),
        input_signature=[tf.TensorSpec(shape, tf.float32)],
    )
    known = openvino.PartialShape([-1 if side is None else side for side in shape])
    converted = openvino.convert_model(traced.get_concrete_function(), input=[known])
    precise = "f32" if compute.precision == "float32" else "bf16"
    threads = threads_of(compute)
    compiled = openvino.Core().compile_model(
        converted,
        "CPU",
        {
            "INFERENCE_PRECISION_HINT": precise,
            # One core a stream: threads that each run whole batches never wait for one another.
            "NUM_STREAMS": threads,
            "INFERENCE_NUM_THREADS": threads,
            # Two processes pinned to the same cores would share one of them.
            "ENABLE_CPU_PINNING": False,
        },
    )
    own = threading.local()

    def network(batch: np.ndarray) -> list[np.ndarray]:
        if not hasattr(own, "request"):
            own.request = compiled.create_infer_request()
        answer = own.request.infer([np.ascontiguousarray(batch)], share_inputs=True)
        return [np.array(output) for output in answer.values()]

    return network


def _without_telemetry() -> ModuleType:
    """Import OpenVINO so that it tells nobody.

    Even its import reports to Google Analytics, by a package of its own, without being asked to. It
    has a stub for where that package is missing.
    """
    sys.modules.setdefault("openvino_telemetry", None)  # pyright: ignore[reportArgumentType]
    return import_module("openvino")
