"""dlib's ResNet in Keras against what dlib itself computed."""

from pathlib import Path

import numpy as np
import pytest

from elenco.embedding import dlib_resnet
from elenco.embedding.base import load_embedder
from elenco.errors import WeightsError
from elenco.fingerprint import file_sha256
from elenco.storage import read_npz

GOLDEN = Path(__file__).parents[1] / "data" / "dlib_golden.npz"


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_packaged_weights_give_dlibs_embeddings_to_a_thousandth():
    golden = read_npz(GOLDEN)
    model = dlib_resnet.build(dlib_resnet.WEIGHTS)
    found = model.predict_on_batch(golden["chips"].astype(np.float32))
    distances = np.linalg.norm(unit(found) - unit(golden["embeddings"]), axis=1)
    assert distances.max() < 1e-3
    assert distances.max() > 0  # float16 is not float32: this compares what it says


def test_float32_weights_give_dlibs_embeddings(shared):
    golden = read_npz(shared / "weights" / "dlib_resnet_golden.npz")
    model = dlib_resnet.build(shared / "weights" / "dlib_resnet.npz")
    found = model.predict_on_batch(golden["chips"].astype(np.float32))
    np.testing.assert_allclose(found, golden["embeddings"], atol=1e-5)


def test_packing_the_float32_weights_gives_the_packaged_file(shared, tmp_path):
    dlib_resnet.pack_weights(shared / "weights" / "dlib_resnet.npz", tmp_path / "packed.npz")
    assert file_sha256(tmp_path / "packed.npz") == dlib_resnet.WEIGHTS_SHA256
    assert file_sha256(dlib_resnet.WEIGHTS) == dlib_resnet.WEIGHTS_SHA256


def test_damaged_weights_are_refused(settings, layout, tmp_path, monkeypatch):
    damaged = tmp_path / "damaged.npz"
    damaged.write_bytes(dlib_resnet.WEIGHTS.read_bytes()[:-1])
    monkeypatch.setattr(dlib_resnet, "WEIGHTS", damaged)
    with pytest.raises(WeightsError, match=r"damaged.npz.*install Elenco again"):
        dlib_resnet.load(settings, layout)


def test_the_packaged_weights_are_what_is_loaded(settings, layout):
    assert load_embedder("dlib_resnet", settings, layout).space.dim == 128
