"""FaceNet's network against the package that its weights come from."""

import h5py
import numpy as np
import pytest

from elenco.embedding import facenet
from elenco.errors import WeightsError
from elenco.storage import read_npz
from tests.data.make_facenet_golden import GOLDEN, images, write_weights


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    path = tmp_path_factory.mktemp("facenet") / "weights.h5"
    write_weights(path)
    return path


def test_the_network_answers_as_keras_facenets_own(weights):
    expected = read_npz(GOLDEN)["vectors"]
    found = facenet.build(weights).predict_on_batch(images().astype(np.float32))
    found /= np.linalg.norm(found, axis=1, keepdims=True)
    assert np.abs(found - expected).max() / np.abs(expected).max() < 1e-5
    # The pictures are told apart by far more than that.
    assert np.abs(expected[0] - expected[1]).max() > 1e-2


def test_every_array_of_the_file_is_used(weights):
    shapes = read_npz(GOLDEN)["shapes"]
    in_file = sum(int(np.prod([side for side in shape if side])) for shape in shapes)
    model = facenet.inception_resnet_v1()
    with h5py.File(weights) as file:
        norms = [name for name in file if name.endswith("_BatchNorm")]
        folded = sum(file[f"{name}/{name}/beta:0"].size for name in norms)
    # A norm's beta, mean and variance end as one bias.
    assert model.count_params() == in_file - 2 * folded


def test_a_file_without_a_layer_is_refused(weights, tmp_path):
    path = tmp_path / "cut.h5"
    with h5py.File(weights) as source, h5py.File(path, "w") as target:
        for name in source:
            if name != "Block17_3_Conv2d_1x1":
                source.copy(name, target)
    with pytest.raises(WeightsError, match="Block17_3_Conv2d_1x1"):
        facenet.build(path)


def test_a_file_of_another_shape_is_refused(weights, tmp_path):
    path = tmp_path / "other.h5"
    path.write_bytes(weights.read_bytes())
    with h5py.File(path, "r+") as file:
        del file["Bottleneck/Bottleneck/kernel:0"]
        file["Bottleneck/Bottleneck/kernel:0"] = np.zeros((1792, 128), np.float32)
    with pytest.raises(WeightsError, match="does not hold FaceNET's weights"):
        facenet.build(path)


def test_what_is_not_hdf5_is_refused(tmp_path):
    path = tmp_path / "page.h5"
    path.write_text("<!DOCTYPE html>")
    with pytest.raises(WeightsError, match=r"page.h5"):
        facenet.build(path)
