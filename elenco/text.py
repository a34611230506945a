"""Text that comes from outside."""

import re

_HALVES = re.compile("[\ud800-\udfff]")


def well_formed(text: str) -> str:
    """`text` as UTF-8 can hold it: what is half a character is U+FFFD.

    JSON may hold half a surrogate pair, and Python gives one for each byte of a file's name that is
    no UTF-8 (PEP 383).
    """
    return _HALVES.sub("\ufffd", text)


def escaped(name: str) -> str:
    """A name on one line that Markdown and HTML show as it is."""
    return "".join(f"\\{c}" if c in "\\`*_[]|<>#&~" else c for c in " ".join(name.split()))
