"""How many crops a second the embedders take, in float32.

    python benchmarks/embed.py [--crops 128] [--batch 8 32] [--embedder dlib_resnet facenet]

FaceNet runs with its initial weights: only the time counts here, and it does not depend on them.
"""

import argparse
import os
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

from elenco.embedding import dlib_resnet, facenet
from elenco.embedding.base import EMBEDDERS, Embedder, NetworkEmbedder
from elenco.faces.crops import CROP_SIZE


def embedder_of(name: str, batch: int) -> Embedder:
    if name == "facenet":
        network = facenet.inception_resnet_v1
        return NetworkEmbedder(facenet.SPACE, facenet.FACENET_WINDOW, network, batch)
    weights = dlib_resnet.WEIGHTS
    return NetworkEmbedder(
        dlib_resnet.SPACE, dlib_resnet.DLIB_WINDOW, lambda: dlib_resnet.build(weights), batch
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--crops", type=int, default=128)
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 8, 32])
    parser.add_argument(
        "--embedder", nargs="+", choices=sorted(EMBEDDERS), default=sorted(EMBEDDERS)
    )
    options = parser.parse_args()
    shape = (options.crops, CROP_SIZE, CROP_SIZE, 3)
    crops = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    print(f"{options.crops} crops, {os.cpu_count()} cores, best of 3")
    print(f"{'embedder':12} {'batch':>5} {'load s':>7} {'crops/s':>8} {'ms, one crop':>13}")
    for name in options.embedder:
        for batch in options.batch:
            embedder = embedder_of(name, batch)
            load = seconds(embedder.embed, crops[:1], times=1)
            all_of_them = seconds(embedder.embed, crops, times=3)
            one = seconds(embedder.embed, crops[:1], times=3)
            rate = options.crops / all_of_them
            print(f"{name:12} {batch:5} {load:7.2f} {rate:8.1f} {1000 * one:13.1f}", flush=True)


def seconds(work, crops: np.ndarray, times: int) -> float:
    """The shortest time of several."""
    took = []
    for _ in range(times):
        started = time.perf_counter()
        work(crops)
        took.append(time.perf_counter() - started)
    return min(took)


if __name__ == "__main__":
    main()
