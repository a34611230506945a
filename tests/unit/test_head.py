import numpy as np
import pytest

from elenco.recognition.dataset import Dataset, class_means
from elenco.recognition.head import build, hold_out, select_epochs, train
from elenco.types import EmbeddingSpace
from elenco.vectors import unit

# Keras 3.15 on TensorFlow 2.19 calls numpy the old way when it saves a variable.


def dataset(counts, dim=16, spread=0.5, seed=0):
    rng = np.random.default_rng(seed)
    centres = unit(rng.normal(size=(len(counts), dim)).astype(np.float32))
    labels = np.repeat(np.arange(len(counts), dtype=np.int64), counts)
    noise = rng.normal(size=(len(labels), dim)) * (spread / dim**0.5)
    people = np.array([f"p{n:03d}" for n in range(len(counts))])
    return Dataset(
        unit((centres[labels] + noise).astype(np.float32)),
        labels,
        people[labels],
        people[labels],
        np.array([f"k{n}" for n in range(len(labels))]),
        people,
        EmbeddingSpace("synthetic", "", dim, ""),
    )


def cosines(vectors, class_vectors):
    return unit(vectors) @ class_vectors.T


@pytest.fixture(scope="module")
def data():
    return dataset([6] * 20)


def test_unknown_is_the_answer_exactly_where_no_cosine_reaches_the_threshold(data):
    means = class_means(data.vectors, data.labels, 20)
    strangers = np.random.default_rng(1).normal(size=(200, 16)).astype(np.float32)
    asked = np.concatenate([data.vectors, strangers])
    threshold = float(np.median(cosines(asked, means).max(axis=1)))
    said = np.asarray(build(means, 30.0, threshold)(asked))
    assert said.shape == (len(asked), 21)
    np.testing.assert_allclose(said.sum(axis=1), 1, rtol=1e-5)
    best = cosines(asked, means)
    clear = np.abs(best.max(axis=1) - threshold) > 1e-5
    expected = np.where(best.max(axis=1) < threshold, 20, best.argmax(axis=1))
    assert clear.sum() > 300
    np.testing.assert_array_equal(said.argmax(axis=1)[clear], expected[clear])
    assert (expected == 20).any()
    assert (expected != 20).any()


def test_the_length_of_a_vector_plays_no_part(data):
    model = build(class_means(data.vectors, data.labels, 20), 30.0, 0.5)
    np.testing.assert_allclose(model(data.vectors * 7), model(data.vectors), atol=1e-5)


def test_a_saved_model_answers_the_same_without_any_class_of_ours(data, tmp_path):
    import keras

    model = build(class_means(data.vectors, data.labels, 20), 30.0, 0.5)
    model.save(tmp_path / "classifier.keras")
    loaded = keras.saving.load_model(tmp_path / "classifier.keras", safe_mode=True)
    np.testing.assert_array_equal(loaded(data.vectors), model(data.vectors))
    assert {type(layer).__module__.split(".")[0] for layer in loaded.layers} == {"keras"}


def test_training_lowers_the_loss_keeps_unit_length_and_repeats_itself():
    data = dataset([6] * 20, spread=1.5)
    start = class_means(data.vectors, data.labels, 20)
    runs = [train(data.vectors, data.labels, start, 20.0, 3, seed=4) for _ in range(2)]
    np.testing.assert_array_equal(runs[0], runs[1])
    np.testing.assert_allclose(np.linalg.norm(runs[0], axis=1), 1, rtol=1e-5)

    def loss(class_vectors):
        logits = 20 * cosines(data.vectors, class_vectors)
        right = logits[np.arange(len(logits)), data.labels]
        return float((np.log(np.exp(logits).sum(axis=1)) - right).mean())

    assert loss(runs[0]) < loss(start)


def test_no_epochs_is_the_class_means(data):
    start = class_means(data.vectors, data.labels, 20)
    np.testing.assert_array_equal(train(data.vectors, data.labels, start, 20.0, 0, 0), start)


def test_what_is_held_out_leaves_everybody_two_and_takes_nobody_who_has_fewer_than_three():
    data = dataset([1, 2, 3, 4, 40, 3, 3, 3, 10])
    held_out = hold_out(data, data.labels)
    counts = np.bincount(data.labels)
    left = np.bincount(data.labels[~held_out], minlength=len(counts))
    assert (left >= np.minimum(counts, 2)).all()
    assert held_out.any()
    # Another order of rows holds out the same photographs.
    turned = Dataset(
        *(getattr(data, f)[::-1] for f in ("vectors", "labels", "person_ids", "names", "keys")),
        people=data.people,
        space=data.space,
    )
    np.testing.assert_array_equal(hold_out(turned, turned.labels)[::-1], held_out)


def test_the_chosen_head_names_no_fewer_of_the_held_out_than_the_class_means_do():
    data = dataset([8] * 30, spread=2.0)
    chosen = select_epochs(data, data.labels, 30, 20.0, 8, 0)
    test, truth = data.vectors[chosen.held_out], data.labels[chosen.held_out]
    fit = ~chosen.held_out
    means = class_means(data.vectors[fit], data.labels[fit], 30)
    right = [
        (cosines(test, w).argmax(axis=1) == truth).sum() for w in (chosen.class_vectors, means)
    ]
    assert right[0] >= right[1]


def test_with_nothing_to_hold_out_the_class_means_are_chosen():
    data = dataset([2, 1, 2])
    chosen = select_epochs(data, data.labels, 3, 20.0, 50, 0)
    assert chosen.epochs == 0
    np.testing.assert_array_equal(chosen.class_vectors, class_means(data.vectors, data.labels, 3))
