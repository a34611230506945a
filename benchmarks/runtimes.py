"""What each runtime makes of the networks: items a second on all cores, and how near to float32.

    python benchmarks/runtimes.py [--seconds 4]
    KERAS_BACKEND=jax python benchmarks/runtimes.py

One call after the other in as many threads as there are cores. `alike` is the least cosine with
what Keras itself says of the same items. FaceNet has its initial weights.
"""

import argparse
import os
import threading
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

from elenco.compute.runtime import Network, backend, compile_network
from elenco.embedding import dlib_resnet, facenet
from elenco.faces.mtcnn_networks import load_networks
from elenco.settings import Compute

CORES = os.cpu_count() or 1
# A picture of 421x632 with faces from 40 pixels on fills such a canvas.
CANVAS = (256, 256, 3)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=4)
    options = parser.parse_args()
    ways = {f"keras ({backend()})": Compute(runtime="keras")}
    if backend() == "tensorflow":
        ways["openvino"] = Compute(runtime="openvino")
        ways["openvino, bfloat16"] = Compute(runtime="openvino", precision="bfloat16")
    pnet, rnet, onet = load_networks()
    networks = {
        "P-Net, a picture": (pnet, (1, *CANVAS)),
        "R-Net": (rnet, (64, 24, 24, 3)),
        "O-Net": (onet, (16, 48, 48, 3)),
        "dlib_resnet": (dlib_resnet.build(dlib_resnet.WEIGHTS), (12, 150, 150, 3)),
        "facenet": (facenet.inception_resnet_v1(), (12, 160, 160, 3)),
    }
    rng = np.random.default_rng(0)
    print(f"{CORES} cores")
    for name, (model, shape) in networks.items():
        batch = (rng.random(shape) * 255).astype(np.float32)
        outputs = model(batch, training=False)
        last = np.asarray(outputs[0] if isinstance(outputs, list) else outputs)
        expected = last.reshape(shape[0], -1)
        for way, compute in ways.items():
            network = compile_network(model, shape, compute)
            found = network(batch)[0].reshape(shape[0], -1)
            alike = (found * expected).sum(1)
            alike /= np.linalg.norm(found, axis=1) * np.linalg.norm(expected, axis=1)
            each = rate(network, batch, options.seconds)
            print(f"{name:18} {way:20} {each:9.1f}/s   alike {alike.min():.6f}", flush=True)


def rate(network: Network, batch: np.ndarray, seconds: float) -> float:
    """Items a second of calls from every core."""
    counts = [0] * CORES
    start = time.perf_counter()

    def lane(number: int) -> None:
        while time.perf_counter() - start < seconds:
            network(batch)
            counts[number] += len(batch)

    threads = [threading.Thread(target=lane, args=(number,)) for number in range(CORES)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / (time.perf_counter() - start)


if __name__ == "__main__":
    main()
