"""The page that recognises in a browser, as a folder that any web server can hand out.

index.html, *.js, *.css     the page and its modules, as they are in `elenco/web`
vendor/                     TensorFlow.js
models/{name}/              five graph models: pnet, rnet, onet, embedder, classifier
labels.json                 schema, people (id, name) in the order of the classifier's outputs
meta.json                   all that the modules must know, and bytes and sha256 of every file
README.md                   the same in words, for who builds another page on it
"""

import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32

from elenco.errors import ExportError
from elenco.export.quantise import WEIGHTS, Stored, stored_as
from elenco.export.tfjs import DETECTOR, VENDOR, largest_difference, run_in_node
from elenco.export.web_readme import readme
from elenco.faces.crops import CANONICAL_LANDMARKS, CROP_SIZE
from elenco.faces.mtcnn import MAX_SIDE, THRESHOLDS
from elenco.fingerprint import file_sha256
from elenco.layout import Layout
from elenco.recognition.files import load_gallery
from elenco.recognition.gallery import Gallery
from elenco.registry import Registry
from elenco.rights.notice import notice_of
from elenco.rights.versions import denied_of, source_of
from elenco.settings import Settings
from elenco.storage import (
    TEMPORARY,
    build_directory,
    read_json,
    write_bytes,
    write_json,
    write_text,
)
from elenco.vectors import unit

SCHEMA = 1
PAGE = Path(__file__).parent.with_name("web")
# Millions of bytes that all models may have together. A page's visitor waits for them.
MEGABYTES, MEGABYTES_OF = 35, {"dlib_resnet": 25}
# How embedder and classifier are stored: the first of these that fits, the more exact first.
STORED: tuple[tuple[Stored, Stored], ...] = (
    ("float16", "float32"),
    ("float16", "float16"),
    ("uint8", "float32"),
    ("uint8", "float16"),
    ("uint8", "uint8"),
)
# What rounding the weights once more may change: of a unit vector, and of a probability half way
# between two people, where a face seldom is.
TOLERANCE = {"embedder": 3e-2, "classifier": 5e-2}
# What another device's arithmetic may: half of what a probability may differ by in the end.
PROBE_TOLERANCE = {"embedder": 1e-3, "classifier": 1e-2}
PROBE_OUTPUTS = 64  # the last of the outputs are enough to know a network by


@dataclass(frozen=True)
class WebExport:
    """What was written.

    Attributes:
        version: whose models.
        people: how many can be named.
        megabytes: of all models, in millions of bytes.
        stored: model -> type of its stored kernels.
        files: path in the folder -> bytes and sha256.
    """

    version: str
    people: int
    megabytes: float
    stored: dict[str, str]
    files: dict[str, dict[str, Any]]


def export_web(out: Path, settings: Settings, layout: Layout) -> WebExport:
    """Write the page with the models of the version in use.

    A folder that an earlier export wrote is replaced as a whole.

    Args:
        out: where to.
        settings: `faces`, `collect.max_megapixels`.
        layout: where the version is.

    Raises:
        RegistryError: no version is promoted yet, or it is damaged.
        ExportError: it has no TF.js form, the models don't fit, or there is something else at
            `out`; nothing is changed there.
    """
    if out.exists() and not _is_export(out):
        raise ExportError(f"{out} is there and no such page: name a folder that is not there yet")
    directory = Registry(layout.recogniser).current()
    gallery = load_gallery(directory)
    # A page can't be called back: it must not hold who is forgotten, not even without a name.
    denied = denied_of(directory, layout)
    if any(person.id in denied for person in gallery.people):
        raise ExportError(
            f"{directory.name} knows a person who was forgotten: `elenco refresh` trains a version "
            "without them, then export it"
        )
    forms = {name: _checked(path) for name, path in _forms(directory).items()}
    parent = out.parent
    parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=TEMPORARY, dir=parent) as scratch:
        built = Path(scratch) / "page"
        with build_directory(built) as folder:
            written = _write(folder, directory, gallery, forms, settings)
        if out.exists():
            out.rename(Path(scratch) / "before")
        built.rename(out)
    return written


def _write(
    folder: Path, directory: Path, gallery: Gallery, forms: dict[str, Path], settings: Settings
) -> WebExport:
    for source in sorted(PAGE.iterdir()):
        if source.suffix != ".md":
            write_bytes(folder / source.name, source.read_bytes())
    for source in sorted(VENDOR.iterdir()):
        write_bytes(folder / "vendor" / source.name, source.read_bytes())
    people = [{"id": person.id, "name": person.name} for person in gallery.people]
    write_json(folder / "labels.json", {"schema": SCHEMA, "people": people})
    stored = _write_models(folder / "models", gallery, forms, folder / "labels.json")
    described = {name: read_json(path / "meta.json") for name, path in forms.items()}
    window = described["embedder"]["window"]
    if window["size"] > min(window["width"], window["height"]):
        raise ExportError(
            f"{gallery.space.embedder} enlarges its window of the crop, which the page can't: "
            "take another embedder"
        )
    models = {
        name: {
            "kernels": stored[name][0],
            "max_difference": stored[name][1],
            **{key: about[key] for key in ("input", "output", "input_shape", "output_shape")},
        }
        for name, about in described.items()
    }
    meta = {
        "schema": SCHEMA,
        "release": version("elenco"),
        "version": directory.name,
        "notice": notice_of(source_of(directory)),
        "space": asdict(gallery.space),
        "people": len(people),
        "max_megapixels": settings.collect.max_megapixels,
        "detector": {
            "max_side": MAX_SIDE,
            "min_face_pixels": settings.faces.min_face_pixels,
            "min_score": settings.faces.min_score,
            "thresholds": list(THRESHOLDS),
        },
        "crop": {"size": CROP_SIZE, "landmarks": CANONICAL_LANDMARKS.astype(float).tolist()},
        "window": window,
        "calibration": read_json(directory / "calibration.json"),
        "models": models,
        "probes": _probes(folder / "models", models, gallery),
    }
    size = sum(path.stat().st_size for path in (folder / "models").rglob("*") if path.is_file())
    write_text(
        folder / "README.md", readme((PAGE / "README.md").read_text("utf-8"), meta, size / 1e6)
    )
    files = {
        path.relative_to(folder).as_posix(): {
            "bytes": path.stat().st_size,
            "sha256": file_sha256(path),
        }
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    write_json(folder / "meta.json", meta | {"files": files})
    kinds = {name: kind for name, (kind, _) in stored.items()}
    return WebExport(directory.name, len(people), size / 1e6, kinds, files)


def _forms(directory: Path) -> dict[str, Path]:
    """The folders of the five models' TF.js forms."""
    forms = {name: directory / "tfjs" / name for name in (*DETECTOR, "embedder", "classifier")}
    for name, folder in forms.items():
        if not (folder / "model.json").is_file():
            raise ExportError(
                f"{directory.name} has no TF.js form of its {name}: run `elenco refresh`"
            )
    return forms


def _checked(form: Path) -> Path:
    """A form whose files are those that were compared with Keras."""
    try:
        files = read_json(form / "meta.json")["files"]
        if all(file_sha256(form / name) == digest for name, digest in files.items()):
            return form
    except (FileNotFoundError, ValueError, KeyError):
        pass
    raise ExportError(
        f"the TF.js form {form.name} of {form.parent.parent.name} is damaged: "
        "`elenco models rollback`, or `elenco refresh` after removing the version"
    )


def _write_models(
    folder: Path, gallery: Gallery, forms: Mapping[str, Path], labels: Path
) -> dict[str, tuple[str, float]]:
    """Write all models in as few bytes as must be.

    Returns:
        Model -> type of its stored kernels, and largest difference from Keras: that of its form,
        and what storing it in fewer bytes added.

    Raises:
        ExportError: even in uint8 they are too large, or a model differs too much then.
    """
    embedder = gallery.space.embedder
    most = MEGABYTES_OF.get(embedder, MEGABYTES) * 1e6
    about = {name: read_json(form / "meta.json") for name, form in forms.items()}
    # The projection takes little, and rounding it moves every score.
    exact = {"classifier": gallery.space.dim**2}
    stored: dict[str, tuple[dict[str, Any], bytes]] = {}
    kinds: dict[str, Stored] = {}
    for kinds["embedder"], kinds["classifier"] in STORED:
        stored = {
            name: stored_as(form, kinds.get(name, "float32"), exact.get(name, 0))
            for name, form in forms.items()
        }
        if sum(len(data) for _, data in stored.values()) + labels.stat().st_size <= 0.99 * most:
            break
    else:
        raise ExportError(
            f"the models of {len(gallery.people):,} people do not fit into {most / 1e6:g} MB: "
            "refresh with fewer people (collect.people)"
        )
    written: dict[str, tuple[str, float]] = {}
    for name, (model, data) in stored.items():
        write_json(folder / name / "model.json", model)
        write_bytes(folder / name / WEIGHTS, data)
        before = "float32" if about[name]["weights"] == "none" else about[name]["weights"]
        kind = min(before, kinds.get(name, before), key=("uint8", "float16", "float32").index)
        rounded = 0.0
        if kind != before:
            rounded = _rounded(name, forms[name], folder / name, about[name], gallery)
        written[name] = kind, about[name]["max_difference"] + rounded
    return written


def _rounded(
    name: str, form: Path, written: Path, about: dict[str, Any], gallery: Gallery
) -> float:
    """What storing a model in fewer bytes changes, on pictures or on vectors of its people."""
    if name == "classifier":
        few = gallery.means[:64]
        inputs = np.concatenate([few, few + np.roll(few, 1, axis=0)])
    else:
        inputs = np.concatenate([probe_picture((1, *about["input_shape"][1:]))] * 2)
        inputs[1] = 255 - inputs[1][::-1]
    difference = largest_difference(run_in_node(written, inputs), run_in_node(form, inputs))
    if not difference <= TOLERANCE[name]:
        raise ExportError(
            f"stored in fewer bytes the {name} differs by {difference:.2e}, more than the "
            f"{TOLERANCE[name]:.0e} allowed: export fewer people (collect.people)"
        )
    return difference


def probe_picture(shape: tuple[int, ...]) -> Float32[np.ndarray, "n h w 3"]:
    """Numbers that any language can make: what the models' answers are known for.

    Value i, counted through the whole array, is (37 i + 11 floor(i / 16)) mod 256.
    """
    index = np.arange(np.prod(shape))
    return ((index * 37 + index // 16 * 11) % 256).reshape(shape).astype(np.float32)


def _probes(
    folder: Path, models: dict[str, dict[str, Any]], gallery: Gallery
) -> dict[str, dict[str, Any]]:
    """Each model's answer to a `probe_picture`, the last PROBE_OUTPUTS of its numbers.

    The classifier is asked about half way between its last two people, where it is least sure.
    """
    probes: dict[str, dict[str, Any]] = {}
    for name, about in models.items():
        # P-Net takes any size.
        shape = (1, *(16 if side is None else side for side in about["input_shape"][1:]))
        given: dict[str, Any] = {}
        if name == "classifier":
            between = unit(gallery.means[-2:].sum(axis=0, keepdims=True))
            given = {"input": [round(value, 6) for value in between[0].tolist()]}
            inputs = np.array([given["input"]], np.float32)
        else:
            inputs = probe_picture(shape)
        output = run_in_node(folder / name, inputs).ravel()
        probes[name] = {
            "shape": list(shape),
            "tolerance": PROBE_TOLERANCE.get(name, 1e-3),
            "last": [round(float(value), 6) for value in output[-PROBE_OUTPUTS:]],
            **given,
        }
    return probes


def _is_export(folder: Path) -> bool:
    try:
        return "probes" in read_json(folder / "meta.json")
    except (OSError, ValueError, TypeError):
        return False
