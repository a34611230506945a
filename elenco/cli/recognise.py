"""`elenco recognise`: who is in a picture."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from elenco.errors import ElencoError, ImageError
from elenco.faces.images import decode
from elenco.recognition.pipeline import Face
from elenco.schema import layout_to_read
from elenco.settings import Settings, load_settings
from elenco.text import well_formed

PICTURES_AT_ONCE = 32  # bounds memory, however many pictures are named


def run(paths: Sequence[Path], as_json: bool, config: Path | None) -> None:
    """Print every face of every picture. Exits 1 if a picture could not be read, after the rest."""
    settings = load_settings(config)
    answers: list[dict[str, Any]] = []
    failed = False
    for path, faces in recognise_files(paths, settings):
        name = well_formed(str(path))
        if isinstance(faces, ElencoError | OSError):
            failed = True
            problem = faces.strerror if isinstance(faces, OSError) else faces
            print(f"elenco: {name}: {problem}", file=sys.stderr)
            answers.append({"image": name, "faces": [], "error": str(problem)})
            continue
        answers.append({"image": name, "faces": [face_json(face) for face in faces]})
        if not as_json:
            print(f"{name}: " + ("no face" if not faces else f"{len(faces)} face(s)"))
            for face in faces:
                box = ", ".join(f"{value:.0f}" for value in face.box)
                print(f"  {face.name or 'unknown'}  {face.probability:.1%}  at [{box}]")
    if as_json:
        print(json.dumps(answers, indent=1, ensure_ascii=False))
    if failed:
        sys.exit(1)


def recognise_files(
    paths: Sequence[Path], settings: Settings
) -> list[tuple[Path, list[Face] | ImageError | OSError]]:
    """Each picture with its faces, or with what was wrong with it, in the order given."""
    from elenco.recognition.pipeline import load_pipeline

    pipeline = load_pipeline(settings, layout_to_read(settings))
    results: list[tuple[Path, list[Face] | ImageError | OSError]] = []
    for start in range(0, len(paths), PICTURES_AT_ONCE):
        part = paths[start : start + PICTURES_AT_ONCE]
        read = [_read(path, settings) for path in part]
        faces = iter(pipeline.recognise([p for p in read if isinstance(p, np.ndarray)]))
        for path, picture in zip(part, read, strict=True):
            results.append((path, next(faces) if isinstance(picture, np.ndarray) else picture))
    return results


def face_json(face: Face) -> dict[str, Any]:
    """A face as `--json` prints it; `person_id` and `name` are null for unknown."""
    return {
        "box": [round(float(value), 1) for value in face.box],
        "person_id": face.person_id,
        "name": face.name,
        "probability": round(float(face.probability), 4),
    }


def _read(path: Path, settings: Settings) -> UInt8[np.ndarray, "h w 3"] | ImageError | OSError:
    try:
        return decode(path.read_bytes(), settings.collect.max_megapixels)
    except (ImageError, OSError) as error:
        return error
