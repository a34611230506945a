"""The networks are the package's: same weights, same outputs, on TensorFlow and on JAX."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from elenco.compute.runtime import backend
from elenco.faces.mtcnn_networks import MEAN, SCALE, WEIGHTS, load_networks, pack_weights
from elenco.storage import read_npz

ROOT = Path(__file__).resolve().parents[2]
SHAPES = {"pnet": (2, 61, 47, 3), "rnet": (5, 24, 24, 3), "onet": (5, 48, 48, 3)}


def pictures(name):
    return np.random.default_rng(0).integers(0, 256, SHAPES[name]).astype(np.float32)


@pytest.fixture(scope="module")
def package():
    backend()
    stages = pytest.importorskip("mtcnn.stages")
    return {
        "pnet": stages.StagePNet().model,
        "rnet": stages.StageRNet().model,
        "onet": stages.StageONet().model,
    }


@pytest.fixture(scope="module")
def networks():
    backend()
    return {network.name: network for network in load_networks()}


@pytest.mark.parametrize("name", SHAPES)
def test_outputs_are_the_packages(networks, package, name):
    images = pictures(name)
    ours = networks[name](images)
    theirs = package[name]((images - MEAN) / SCALE)
    assert len(ours) == len(theirs)
    for own, other in zip(ours[:-1], theirs[:-1], strict=True):
        np.testing.assert_allclose(own, other, atol=2e-5)
    np.testing.assert_allclose(ours[-1], np.asarray(theirs[-1])[..., 1:], atol=2e-5)


def test_the_packed_weights_are_the_packages(package, tmp_path):
    weights = {name: model.get_weights() for name, model in package.items()}
    pack_weights(weights, tmp_path / "again.npz")
    again = read_npz(tmp_path / "again.npz")
    there = read_npz(WEIGHTS)
    assert again.keys() == there.keys()
    for name, array in again.items():
        np.testing.assert_array_equal(array, there[name])


FIND = """
import json, sys
import numpy as np
from elenco.compute.runtime import backend, runtime_of
from elenco.embedding.base import load_embedder
from elenco.faces.images import decode
from elenco.faces.mtcnn import load_detector
from elenco.layout import Layout
from elenco.settings import load_settings
golden = np.load("tests/data/faces_golden.npz", allow_pickle=False)
settings = load_settings(embedding={"embedder": "dlib_resnet"}, compute={"runtime": "keras"})
pictures = [decode(golden[f"jpeg_{name}"].tobytes(), 40) for name in ("a", "two", "small")]
found = load_detector(settings).detect(pictures)
crops = np.stack([decode(golden[f"crop_{i}"].tobytes(), 1) for i in range(3)])
vectors = load_embedder("dlib_resnet", settings, Layout.of(settings)).embed(crops)
print(json.dumps({
    "backend": backend(),
    "faces": [[f.boxes.tolist(), f.landmarks.tolist(), f.scores.tolist()] for f in found],
    "vectors": vectors.tolist(),
    "tensorflow": "tensorflow" in sys.modules,
}))
"""


def on(name):
    environment = os.environ | {"KERAS_BACKEND": name, "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(
        [sys.executable, "-c", FIND], capture_output=True, text=True, cwd=ROOT, env=environment
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_jax_finds_and_embeds_what_tensorflow_does():
    if find_spec("jax") is None:
        pytest.skip("needs jax, which is not installed")
    ours, other = on("tensorflow"), on("jax")
    assert (ours["backend"], other["backend"]) == ("tensorflow", "jax")
    for a, b in zip(ours["faces"], other["faces"], strict=True):
        for x, y in zip(a, b, strict=True):
            np.testing.assert_allclose(x, y, atol=0.1)
    np.testing.assert_allclose(ours["vectors"], other["vectors"], atol=1e-5)
