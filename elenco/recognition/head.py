"""The classifier: a cosine softmax with `unknown` as its last output.

Class c has a unit vector w_c and the logit s·cos(x, w_c); `unknown` has the constant logit s·τ, so
that it is the most probable answer exactly when no cosine reaches τ. In Keras this is no more than
UnitNormalization and one Dense: kernel [s·W, 0] (less a vector that all columns share, which
changes no probability), bias [0, …, 0, s·τ].

W starts as the class means, which is the nearest-mean classifier, and is trained from there with
Adam and cross-entropy, as in NormFace (Wang et al. 2017, arXiv:1704.06369): lengths stay 1, the
scale is fixed. How many epochs, if any, is chosen on photographs held out of the training split.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Bool, Float32

from elenco.fingerprint import unit_interval
from elenco.progress import Advance, track
from elenco.quiet import import_tensorflow
from elenco.recognition.dataset import ClassVectors, Dataset, Labels, Vectors, class_means
from elenco.recognition.evaluate import chunks
from elenco.vectors import unit

if TYPE_CHECKING:
    import keras

LEARNING_RATE = 2e-4
BATCH = 256
# A person needs this many photographs to hold one out.
MIN_TO_HOLD_OUT = 3
HELD_OUT_FRACTION = 0.2
# Epochs without a lower loss on the held-out photographs before training stops.
PATIENCE = 3
# Rows x classes x epochs of one training, at most (but one epoch at least): many rows make many
# steps in an epoch, so that large data need fewer. About three minutes on two cores.
MOST_WORK = 5e9


@dataclass(frozen=True)
class Selection:
    """How long to train, and what it was chosen on.

    Attributes:
        epochs: 0 if the class means were not improved on.
        class_vectors: the classifier after that many epochs, without the held-out photographs.
        held_out: which rows were held out.
    """

    epochs: int
    class_vectors: ClassVectors
    held_out: Bool[np.ndarray, " n"]


def build(class_vectors: ClassVectors, scale: float, threshold: float) -> "keras.Model":
    """The published model.

    Args:
        class_vectors: unit length, one a person, in the order of the outputs.
        scale: s, the inverse temperature.
        threshold: τ, the cosine under which a face is unknown.

    Returns:
        float32 (n, d), of any length -> probabilities (n, c + 1), `unknown` last.
    """
    keras = _keras()
    classes, dim = class_vectors.shape
    vectors = keras.Input((dim,), name="embedding")
    unit_vectors = keras.layers.UnitNormalization(name="unit")(vectors)
    head = keras.layers.Dense(classes + 1, activation="softmax", name="probabilities")
    model = keras.Model(vectors, head(unit_vectors), name="classifier")
    kernel = np.zeros((dim, classes + 1), np.float32)
    kernel[:, :-1] = scale * class_vectors.T
    # Softmax does not see what is taken from all logits alike. Without the part that all faces
    # share, numbers are smaller and half precision loses less of them.
    kernel -= kernel[:, :-1].mean(axis=1, keepdims=True).astype(np.float16)
    bias = np.zeros(classes + 1, np.float32)
    bias[-1] = scale * threshold
    head.set_weights([kernel, bias])
    return model


def train(
    vectors: Vectors, labels: Labels, start: ClassVectors, scale: float, epochs: int, seed: int
) -> ClassVectors:
    """Class vectors after `epochs` epochs from `start`. Equal arguments give equal answers."""
    if not epochs or len(start) < 2:
        return start
    with track("train", epochs) as advance:
        *_, last = _epochs(vectors, labels, start, scale, epochs, seed, advance)
    return last


def select_epochs(
    data: Dataset, labels: Labels, classes: int, scale: float, epochs: int, seed: int
) -> Selection:
    """Choose how long to train.

    The best epoch has the lowest cross-entropy on held-out photographs among those that name as
    many of them rightly as the class means do.

    Args:
        data: the training split.
        labels: the class of each row, 0 <= label < classes; each class has a row.
        classes: how many.
        scale: s while training.
        epochs: the most that are tried; fewer where that would be more than `MOST_WORK`.
        seed: orders the rows in each epoch.
    """
    held_out = hold_out(data, labels)
    fit = ~held_out
    start = class_means(data.vectors[fit], labels[fit], classes)
    if not held_out.any() or classes < 2:
        return Selection(0, start, held_out)
    test, truth = data.vectors[held_out], labels[held_out]
    least, right = _measure(test, truth, start, scale)
    best = Selection(0, start, held_out)
    epochs = min(epochs, max(1, int(MOST_WORK / (int(fit.sum()) * classes))))
    with track("choose epochs", epochs) as advance:
        trained = _epochs(data.vectors[fit], labels[fit], start, scale, epochs, seed, advance)
        for epoch, class_vectors in enumerate(trained, 1):
            loss, named = _measure(test, truth, class_vectors, scale)
            if loss < least and named >= right:
                least, best = loss, Selection(epoch, class_vectors, held_out)
            elif epoch - best.epochs >= PATIENCE:
                break
    return best


def hold_out(data: Dataset, labels: Labels) -> Bool[np.ndarray, " n"]:
    """Rows to hold out: a fifth by stable hash, of people with three or more; never all of one."""
    hashes = np.array([unit_interval(f"held out {name}") for name in data.photographs()])
    counts = np.bincount(labels)
    held_out = (hashes < HELD_OUT_FRACTION) & (counts[labels] >= MIN_TO_HOLD_OUT)
    # Two stay to train on, whatever the hashes are: those of the highest.
    order = np.lexsort((-hashes, labels))
    first = np.searchsorted(labels[order], np.arange(len(counts)))
    kept = np.concatenate([first, first + 1])
    kept = kept[kept < len(order)]
    held_out[order[kept]] = False
    return held_out


def _measure(
    vectors: Vectors, labels: Labels, class_vectors: ClassVectors, scale: float
) -> tuple[float, int]:
    """Mean cross-entropy and how many are named rightly."""
    loss, right = 0.0, 0
    for part in chunks(len(vectors), len(class_vectors)):
        logits = scale * (vectors[part] @ class_vectors.T)
        loss += float(cross_entropy(logits, labels[part]).sum())
        right += int((logits.argmax(axis=1) == labels[part]).sum())
    return loss / len(vectors), right


def cross_entropy(logits: Float32[np.ndarray, "n c"], labels: Labels) -> Float32[np.ndarray, " n"]:
    """-log softmax(logits)[label] of each row."""
    top = logits.max(axis=1)
    total = np.log(np.exp(logits - top[:, None]).sum(axis=1)) + top
    return total - logits[np.arange(len(labels)), labels]


def _epochs(
    vectors: Vectors,
    labels: Labels,
    start: ClassVectors,
    scale: float,
    epochs: int,
    seed: int,
    advance: Advance,
) -> Iterator[ClassVectors]:
    """Class vectors after each epoch."""
    keras = _keras()
    import tensorflow as tf

    classes, dim = start.shape
    head = keras.layers.Dense(
        classes, use_bias=False, kernel_constraint=keras.constraints.UnitNorm(axis=0)
    )
    logits = keras.Sequential([keras.Input((dim,)), head, keras.layers.Rescaling(scale)])
    head.set_weights([start.T])
    # Adam makes every step as long as another, however small the gradient; this epsilon leaves
    # the classes that a batch says nothing about where they are.
    optimizer = keras.optimizers.Adam(LEARNING_RATE, epsilon=1e-4)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    @tf.function(
        input_signature=[tf.TensorSpec((None, dim), tf.float32), tf.TensorSpec((None,), tf.int64)]
    )
    def step(rows: Any, right: Any) -> None:
        with tf.GradientTape() as tape:
            value = loss(right, logits(rows, training=True))
        weights = logits.trainable_variables
        optimizer.apply_gradients(zip(tape.gradient(value, weights), weights, strict=True))

    order = np.random.default_rng(seed)
    rows = unit(vectors)
    for _ in range(epochs):
        shuffled = order.permutation(len(rows))
        for first in range(0, len(rows), BATCH):
            batch = shuffled[first : first + BATCH]
            step(rows[batch], labels[batch])
        advance(1)
        yield unit(np.ascontiguousarray(head.get_weights()[0].T))


def _keras() -> ModuleType:
    import_tensorflow()
    import keras

    return keras
