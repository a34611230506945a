"""The README of the exported page: what a version's numbers are, in words."""

import re
from typing import Any

from elenco.errors import ExportError

LANDMARKS = ("left eye", "right eye", "nose", "left mouth corner", "right mouth corner")


def readme(template: str, meta: dict[str, Any], megabytes: float) -> str:
    """Fill in `{{name}}` in a template.

    Args:
        template: Markdown.
        meta: as `meta.json` has it, but for `files`.
        megabytes: of all models, in millions of bytes.

    Raises:
        ExportError: the template names something that there is not.
    """
    values = {
        "version": meta["version"],
        "release": meta["release"],
        "people": f"{meta['people']:,}",
        "megabytes": f"{megabytes:.1f}",
        "embedder": meta["space"]["embedder"],
        "dim": meta["space"]["dim"],
        "preprocessing": meta["space"]["preprocessing"],
        "max_megapixels": f"{meta['max_megapixels']:g}",
        **{key: f"{value:g}" for key, value in meta["window"].items()},
        **meta["detector"],
        "thresholds": ", ".join(f"{value:g}" for value in meta["detector"]["thresholds"]),
        "crop": meta["crop"]["size"],
        "landmarks": _landmarks(meta["crop"]["landmarks"]),
        "threshold": f"{meta['calibration']['threshold']:.4f}",
        "scale": f"{meta['calibration']['scale']:.1f}",
        "false_positive_rate": f"{meta['calibration']['false_positive_rate']:.1%}",
        "models": _models(meta["models"]),
        "probes": _probes(meta["probes"]),
    }

    def value(match: re.Match[str]) -> str:
        if match[1] not in values:
            raise ExportError(f"elenco/web/README.md names {match[1]}: install Elenco again")
        return str(values[match[1]])

    return re.sub(r"\{\{(\w+)\}\}", value, template)


def _landmarks(points: list[list[float]]) -> str:
    named = zip(LANDMARKS, points, strict=True)
    return ", ".join(f"{name} ({x:.2f}, {y:.2f})" for name, (x, y) in named)


def _models(models: dict[str, dict[str, Any]]) -> str:
    return "\n".join(
        f"| `{name}` | {about['input']} | {_shape(about['input_shape'])} | {about['output']} | "
        f"{_shape(about['output_shape'])} | {about['kernels']} | {about['max_difference']:.0e} |"
        for name, about in models.items()
    )


def _probes(probes: dict[str, dict[str, Any]]) -> str:
    return "\n".join(
        f"| `{name}` | {'`input`' if 'input' in probe else 'picture'} | {_shape(probe['shape'])} | "
        f"{', '.join(f'{value:.5f}' for value in probe['last'][-4:])} | {probe['tolerance']:g} |"
        for name, probe in probes.items()
    )


def _shape(sides: list[int | None]) -> str:
    return " × ".join("n" if side is None else f"{side:,}" for side in sides)
