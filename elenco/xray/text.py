"""Text from outside, made fit to be shown."""

import json
import unicodedata
from typing import Any

_LINES = {"Cc", "Zl", "Zp"}  # control characters, and separators of lines and of paragraphs
# What turns the direction of the text that follows, beyond the name that it is in (UAX 9, 2).
_TURNING = dict.fromkeys((*range(0x202A, 0x202F), *range(0x2066, 0x206A)))
# Inside a JSON string these mean the same.
_HARMLESS = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"}


def one_line(text: str) -> str:
    """`text` without line breaks, control characters and what turns the direction of writing."""
    kept = "".join(
        " " if unicodedata.category(character) in _LINES else character
        for character in text.translate(_TURNING)
    )
    return " ".join(kept.split())


def played(name: str, character: str | None) -> str:
    """`Ana Lima (Rosa)`, on one line; the name alone where nobody is played."""
    part = one_line(character or "")
    return f"{one_line(name)} ({part})" if part else one_line(name)


def embedded_json(value: Any) -> str:
    """JSON on one line that neither ends a cue of WebVTT nor starts or ends a tag of HTML."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    for character, escape in _HARMLESS.items():
        text = text.replace(character, escape)
    return text
