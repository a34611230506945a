"""The page of quarantined photographs: each face, why it is left out, and faces to compare it with.

One HTML file without anything beside it: faces are in it as data. It follows the reader's light or
dark setting.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape

import cv2

from elenco.curation.quarantine import Alike, Entry, Quarantine, Someone
from elenco.errors import ImageError
from elenco.faces.images import decode, encode_jpeg
from elenco.report.sheet import data_uri

MOST = 60  # photographs of each reason, and pairs of people; the file says how many more there are
SIDE, QUALITY = 96, 75  # of a face, in pixels, and of its JPEG
MEGAPIXELS = 1.0  # a crop has a sixteenth of that

TITLES = {
    "wrong_person": "Somebody else",
    "looks_like_another": "Looks like another person of the data set",
    "near_duplicate": "There twice",
    "unusable": "Unusable",
    "operator": "Dropped by an operator",
}
# Most worth a look first: the least sure.
_SUREST_LAST = {"wrong_person": 1, "looks_like_another": 1, "near_duplicate": -1, "unusable": -1}

_STYLE = """
:root { color-scheme: light dark; --line: #ccc; --soft: #666 }
@media (prefers-color-scheme: dark) { :root { --line: #444; --soft: #aaa } }
body { font: 16px/1.5 system-ui, sans-serif; margin: 1rem auto; max-width: 70rem; padding: 0 1rem }
ul { display: flex; flex-wrap: wrap; gap: .75rem; list-style: none; padding: 0 }
li { border: 1px solid var(--line); border-radius: .5rem; padding: .5rem; max-width: 100% }
li p { margin: .25rem 0; overflow-wrap: anywhere; max-width: 26rem }
img, .none { width: 96px; height: 96px; border-radius: .25rem; display: inline-block }
.none { border: 1px dashed var(--line); font-size: .75rem; color: var(--soft); text-align: center }
.with { opacity: .8; margin-left: .5rem }
.soft, code { color: var(--soft); font-size: .85rem }
"""

Crop = Callable[[str], bytes | None]


@dataclass(frozen=True)
class Likeness:
    """Somebody's name, and ids of photographs that do show them, the best first."""

    name: str
    photographs: list[str] = field(default_factory=list)


def quarantine_page(quarantine: Quarantine, likenesses: Mapping[str, Likeness], crop: Crop) -> str:
    """The page as HTML; the same input gives the same bytes.

    Args:
        quarantine: what was found.
        likenesses: by person id.
        crop: `person_id/key` -> the bytes of its face, None where there is none.
    """
    page = _Page(likenesses, crop)
    parts = [f"<h1>Quarantine</h1>\n<p>{_summary(quarantine)}</p>"]
    for reason, title in TITLES.items():
        found = [entry for entry in quarantine.entries if entry.reason == reason]
        turn = _SUREST_LAST.get(reason, 1)
        found.sort(key=lambda entry: (turn * entry.score, entry.id))
        parts.append(_section(title, found, page.entry))
    spared = "Would be left out, but the person has no other photograph to train on"
    parts.append(_section(spared, quarantine.spared, page.entry))
    parts.append(_section("May be one person under two ids", quarantine.twins, page.alike))
    undecided = "As many photographs disagree as agree: nobody can tell who is wrong"
    parts.append(_section(undecided, quarantine.undecided, page.someone))
    parts.append(_section("No photograph left to train on", quarantine.without, page.someone))
    body = "\n".join(part for part in parts if part)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>Quarantine</title>\n<style>{_STYLE}</style>\n</head>\n"
        f"<body>\n{body}\n</body>\n</html>\n"
    )


def quarantine_markdown(quarantine: Quarantine, page: str, given: int) -> str:
    """A summary without faces.

    Args:
        quarantine: what was found.
        page: where the page is.
        given: how many photographs there are.
    """
    counts = {r: sum(e.reason == r for e in quarantine.entries) for r in TITLES}
    rows = [f"| {TITLES[reason]} | {count:,} |" for reason, count in counts.items() if count]
    lines = [
        "# Quarantine",
        "",
        f"{len(quarantine.entries):,} of {given:,} photographs are neither trained nor measured "
        f"on. Faces and reasons: `{page}`; `elenco curate` overrules them.",
        "",
        *(["| left out | |", "|---|---:|", *rows, ""] if rows else []),
        f"- {len(quarantine.kept):,} kept by an operator against the rules",
        f"- {len(quarantine.spared):,} spared: the person has no other photograph to train on",
        f"- {len(quarantine.without):,} people without a photograph left to train on",
        f"- {len(quarantine.undecided):,} people of whom as many photographs disagree as agree",
        f"- {len(quarantine.twins):,} pairs of people who may be one",
        "",
    ]
    return "\n".join(lines)


class _Page:
    """Items of the lists, each with its faces."""

    def __init__(self, likenesses: Mapping[str, Likeness], crop: Crop) -> None:
        self._likenesses = likenesses
        self._crop = crop

    def entry(self, entry: Entry) -> str:
        """A photograph, and what it is compared with."""
        faces = [self._face(entry.id, "it")]
        if entry.reason == "near_duplicate":
            faces.append(self._face(entry.other, "with"))
        elif entry.reason != "unusable":
            faces += self._of(entry.person_id, 3 if entry.reason == "wrong_person" else 2)
            faces += self._of(entry.other, 2)
        like = self._likenesses.get(entry.other)
        other = f" or {escape(like.name)}?" if like else ""
        words = [f"<b>{escape(entry.name)}</b>{other}", escape(entry.detail)]
        words.append(f"<code>{escape(entry.id)}</code>")
        return "".join(faces) + "".join(f"<p>{word}</p>" for word in words)

    def alike(self, pair: Alike) -> str:
        """Two people side by side."""
        faces = [*self._of(pair.a, 3), *self._of(pair.b, 3)]
        names = escape(f"{pair.name_a} ({pair.a}), {pair.name_b} ({pair.b})")
        count = f"cosine {pair.similarity:.4f} of {pair.photographs:,} photographs"
        return "".join(faces) + f"<p><b>{names}</b></p><p>{count}</p>"

    def someone(self, someone: Someone) -> str:
        """A person with some of their photographs."""
        name = f"<b>{escape(someone.name)}</b> ({escape(someone.person_id)})"
        faces = "".join(self._of(someone.person_id, 4))
        return f"{faces}<p>{name}</p><p>{someone.photographs:,} photographs</p>"

    def _of(self, person_id: str, most: int) -> list[str]:
        like = self._likenesses.get(person_id)
        return [self._face(p, "with") for p in like.photographs[:most]] if like else []

    def _face(self, photograph: str, kind: str) -> str:
        title = escape(photograph)
        problem = "no picture"
        try:
            if data := self._crop(photograph):
                face = decode(data, MEGAPIXELS)
                face = cv2.resize(face, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
                source = data_uri(encode_jpeg(face, QUALITY))
                return f'<img class="{kind}" title="{title}" alt="{title}" src="{source}">'
        except ImageError as error:
            problem = error.reason
        return f'<span class="none {kind}" title="{title}">{escape(problem)}</span>'


def _section(title: str, items: Sequence, line: Callable[..., str]) -> str:
    """A heading with a list; nothing without items."""
    if not items:
        return ""
    shown: Iterable[str] = (f"<li>{line(item)}</li>" for item in items[:MOST])
    more = len(items) - MOST
    rest = f'\n<p class="soft">{more:,} more are in quarantine.json.</p>' if more > 0 else ""
    listed = "\n".join(shown)
    return f"<h2>{escape(title)} ({len(items):,})</h2>\n<ul>\n{listed}\n</ul>{rest}"


def _summary(quarantine: Quarantine) -> str:
    if not quarantine.entries:
        return "No photograph is left out."
    kept = len(quarantine.kept)
    more = f" {kept:,} more stay because an operator keeps them." if kept else ""
    return (
        f"{len(quarantine.entries):,} photographs are neither trained nor measured on; none was "
        f"deleted.{more} The first face of each is the one in question, the paler ones are to "
        "compare with. To overrule: <code>elenco curate keep</code>, <code>drop</code> or "
        "<code>auto</code> with the id under it; it counts from the next refresh on."
    )
