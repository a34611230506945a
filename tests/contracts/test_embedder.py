"""What every embedder in the table must do."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from elenco.compute import batches
from elenco.embedding import facenet
from elenco.embedding.base import EMBEDDERS, NetworkEmbedder, embedding_space, load_embedder
from elenco.errors import ConfigError, WeightsError
from elenco.faces.crops import CROP_SIZE, cut
from elenco.layout import Layout
from elenco.settings import load_settings
from tests.data.make_facenet_golden import write_weights

ROOT = Path(__file__).resolve().parents[2]
BATCH = 4


@pytest.fixture(scope="module", params=sorted(EMBEDDERS))
def embedder(request, tmp_path_factory):
    """Each embedder; FaceNet with weights by a rule, as its own are not in the package."""
    folder = tmp_path_factory.mktemp(request.param)
    settings = load_settings(
        paths={"models": folder}, embedding={"batch": BATCH, "embedder": request.param}
    )
    if request.param == "facenet":
        write_weights(folder / "weights.h5")
        build = partial(facenet.build, folder / "weights.h5")
        return NetworkEmbedder(facenet.SPACE, facenet.FACENET_WINDOW, build, settings)
    return load_embedder(request.param, settings, Layout.of(settings))


def of(embedder):
    return load_settings(embedding={"embedder": embedder})


@pytest.fixture(scope="module")
def crops():
    """Nine blocky pictures: two full batches and one crop more."""
    random = np.random.default_rng(0)
    blocks = random.integers(0, 256, (2 * BATCH + 1, 16, 16, 3), np.uint8)
    return blocks.repeat(CROP_SIZE // 16, 1).repeat(CROP_SIZE // 16, 2)


def test_vectors_are_float32_of_unit_length_and_differ(embedder, crops):
    vectors = embedder.embed(crops)
    assert vectors.dtype == np.float32
    assert vectors.shape == (len(crops), embedder.space.dim)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert len(np.unique(vectors, axis=0)) == len(crops)


def test_no_crop_gives_no_vector(embedder, crops):
    vectors = embedder.embed(crops[:0])
    assert (vectors.shape, vectors.dtype) == ((0, embedder.space.dim), np.float32)


def test_a_vector_does_not_depend_on_its_neighbours(embedder, crops):
    together = embedder.embed(crops)
    alone = np.concatenate([embedder.embed(crop[None]) for crop in crops])
    np.testing.assert_array_equal(together, alone)
    np.testing.assert_array_equal(together, embedder.embed(crops[::-1])[::-1])


def test_threads_get_what_one_thread_gets(embedder, crops):
    expected = embedder.embed(crops)
    with ThreadPoolExecutor(4) as pool:
        for vectors in pool.map(lambda _: embedder.embed(crops), range(4)):
            np.testing.assert_array_equal(vectors, expected)


def test_embed_is_the_model_on_the_window_at_unit_length(embedder, crops):
    images = cut(crops, embedder.window).astype(np.float32)
    vectors = np.array(embedder.model(images, training=False))
    assert embedder.model.input_shape == (None, embedder.window.size, embedder.window.size, 3)
    assert embedder.model.output_shape == (None, embedder.space.dim)
    assert np.linalg.norm(vectors, axis=1).min() > 0
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    np.testing.assert_allclose(embedder.embed(crops), vectors, atol=1e-5)


def test_mirrored_vectors_are_the_mean_with_the_mirror_image(embedder, crops):
    settings = embedder._settings
    mirror = settings.embedding.model_copy(update={"mirror": True})
    twice = NetworkEmbedder(
        embedder.space,
        embedder.window,
        embedder._build,
        settings.model_copy(update={"embedding": mirror}),
    )
    assert twice.space != embedder.space
    assert twice.space == embedding_space(twice._settings)
    images = cut(crops, twice.window).astype(np.float32)
    both = (np.array(embedder.model(some)) for some in (images, images[:, :, ::-1]))
    expected = sum(both) / 2
    scale = np.abs(expected).max()
    np.testing.assert_allclose(twice.embed_raw(crops), expected, atol=1e-4 * scale)
    np.testing.assert_allclose(np.array(twice.model(images)), expected, atol=1e-4 * scale)


def test_a_precision_that_changes_the_vectors_is_refused(embedder, crops, monkeypatch):
    """Half of the numbers' bits may cost a tenth of a per mille in cosine, no more."""
    original = batches.compile_network

    def rough(by):
        def compile_network(model, shape, compute):
            network = original(model, shape, compute.model_copy(update={"precision": "float32"}))
            if compute.precision == "float32":
                return network
            return lambda batch: [out + by * np.abs(out).max() for out in network(batch)]

        return compile_network

    low = embedder._settings.compute.model_copy(update={"precision": "bfloat16"})
    settings = embedder._settings.model_copy(update={"compute": low})
    for by, refused in ((1e-5, False), (0.5, True)):
        monkeypatch.setattr(batches, "compile_network", rough(by))
        other = NetworkEmbedder(embedder.space, embedder.window, embedder._build, settings)
        if refused:
            with pytest.raises(ConfigError, match=r"bfloat16.*0\.9999.*COMPUTE__PRECISION"):
                other.embed(crops)
        else:
            assert (other.embed(crops) * embedder.embed(crops)).sum(axis=1).min() > 0.9999


def test_the_window_is_inside_the_canonical_crop(embedder):
    window = embedder.window
    assert 0 <= window.x < window.x + window.width <= CROP_SIZE
    assert 0 <= window.y < window.y + window.height <= CROP_SIZE


@pytest.mark.parametrize("shape", [(2, 160, 160, 3), (256, 256, 3), (2, 256, 256, 1)])
def test_other_shapes_are_refused(embedder, shape):
    with pytest.raises(ValueError, match="256, 256, 3"):
        embedder.embed(np.zeros(shape, np.uint8))


def test_other_types_are_refused(embedder, crops):
    with pytest.raises(ValueError, match="uint8"):
        embedder.embed(crops.astype(np.float32))


def test_the_space_is_known_without_the_weights(embedder):
    space = embedding_space(of(embedder.space.embedder))
    assert space == embedder.space
    assert len(space.weights_sha256) == 64


def test_spaces_differ():
    assert len({embedding_space(of(name)) for name in EMBEDDERS}) == len(EMBEDDERS)


def test_an_unknown_embedder_is_refused_with_the_known_ones(settings, layout):
    for ask in (
        lambda: load_embedder("arcface", settings, layout),
        lambda: embedding_space(of("arcface")),
    ):
        with pytest.raises(ConfigError, match=r"'arcface'.*dlib_resnet, facenet"):
            ask()


def test_a_process_loads_an_embedder_once(settings, layout):
    assert load_embedder("dlib_resnet", settings, layout) is load_embedder(
        "dlib_resnet", settings, layout
    )


def test_facenet_weights_that_are_not_the_expected_ones_are_refused(settings, layout):
    layout.facenet_weights.mkdir(parents=True)
    path = layout.facenet_weights / facenet.WEIGHTS.name
    path.write_bytes(b"not FaceNet")
    with pytest.raises(WeightsError, match="dlib_resnet") as error:
        load_embedder("facenet", settings, layout)
    for part in (path.name, facenet.WEIGHTS.url, facenet.WEIGHTS.sha256):
        assert part in str(error.value)
    assert path.read_bytes() == b"not FaceNet"


def test_loading_an_embedder_loads_no_tensorflow():
    code = (
        "import sys\n"
        "from elenco.embedding import facenet, stage\n"
        "from elenco.embedding.base import load_embedder\n"
        "from elenco.export import tfjs\n"
        "from elenco.layout import Layout\n"
        "from elenco.settings import load_settings\n"
        "settings = load_settings()\n"
        "load_embedder('dlib_resnet', settings, Layout.of(settings)).space\n"
        "sys.exit(str({'tensorflow', 'keras'} & set(sys.modules) or ''))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.stderr.strip() == ""
