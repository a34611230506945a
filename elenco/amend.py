"""A version made of the one in use: with a person more, or without one. Nothing is trained.

The vectors of everybody else and the threshold stay as they are. The version is registered and
promoted like any other, and says what it was made of; the photographs of a person who is added are
read where they are, and not kept.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from elenco.documents import DATASHEET
from elenco.errors import ConfigError, ElencoError, NotEnoughData
from elenco.fingerprint import digest
from elenco.integrity import write_digests
from elenco.layout import Layout, safe_name
from elenco.lock import refresh_lock
from elenco.publication import export, note, now, reference, register
from elenco.recognition.changed import with_person, without_person
from elenco.recognition.drift import PHOTOGRAPHS, STATISTICS
from elenco.recognition.files import load_gallery, write_gallery
from elenco.recognition.gallery import Gallery
from elenco.recognition.gate import Verdict
from elenco.recognition.statistics import stable_digest
from elenco.registry import CANDIDATE, Registry
from elenco.report.card import card_markdown
from elenco.report.datasheet import datasheet_markdown
from elenco.rights.versions import denied_of
from elenco.settings import Settings
from elenco.storage import (
    TEMPORARY,
    build_directory,
    read_json,
    read_npz,
    write_json,
    write_npz,
    write_text,
)
from elenco.types import Person, PublishedRef, Skipped, StageReport
from elenco.usable import Usable, usable_faces

MORE, LESS = "with a person more", "without a person"


@dataclass(frozen=True)
class Amended:
    """A version with a person more.

    Attributes:
        version: its name.
        before: the version that it was made of.
        person: who was added.
        photographs: given, kept, and skipped by reason.
        skipped: `Skipped.id` is the file's name here.
        alike: who of the others the photographs are taken for by the version before, and how many
            of them; empty if they are called unknown.
    """

    version: str
    before: str
    person: Person
    photographs: StageReport
    skipped: tuple[Skipped, ...]
    alike: Mapping[str, int]


@dataclass(frozen=True)
class _Base:
    """The version that is amended."""

    directory: Path
    gallery: Gallery

    @staticmethod
    def of(layout: Layout) -> "_Base":
        directory = Registry(layout.recogniser).current()
        return _Base(directory, load_gallery(directory))

    def find(self, person_id: str) -> Person | None:
        return next((p for p in self.gallery.people if p.id == person_id), None)


def add_person(
    folder: Path,
    settings: Settings,
    layout: Layout,
    name: str | None = None,
    person_id: str | None = None,
) -> Amended:
    """Make and promote a version that knows a person more.

    Args:
        folder: of their photographs; it is left as it is.
        settings: `faces`, `compute`, `curation` and limits of `collect` are used.
        layout: of the version in use.
        name: theirs; by default the folder's, with spaces for underscores.
        person_id: theirs; by default the folder's name.

    Raises:
        ConfigError: there is no such folder.
        ElencoError: they are known already, are on the denylist, or the id can name no file.
        NotEnoughData: no photograph of them can be used; the message counts them by reason.
        RegistryError: no version is in use, or it is damaged.
        SpaceMismatch: the embedder is not as it was when the version was trained.
        Locked: a refresh works in the data directory.
    """
    folder = folder.resolve()
    if not folder.is_dir():
        raise ConfigError(f"there is no folder {folder}: name one with photographs of one person")
    own = safe_name(person_id or folder.name)
    started = time.monotonic()
    with refresh_lock(settings):
        base = _Base.of(layout)
        if there := base.find(own):
            raise ElencoError(
                f"{base.directory.name} knows {there.name} ({there.id}) already: "
                f"`elenco models remove-person {there.id}` first, or give another --id"
            )
        if own in denied_of(base.directory, layout):
            raise ElencoError(
                f"{own} was forgotten and is not to come back: `elenco forget --lift {own}` first"
            )
        with TemporaryDirectory(prefix=TEMPORARY, dir=layout.data) as scratch:
            found = usable_faces(folder, base.gallery.space, Path(scratch), settings, layout)
        if not len(found.vectors):
            reasons = ", ".join(f"{n} {why}" for why, n in found.report.skipped.items()) or "none"
            raise NotEnoughData(
                f"no photograph of {found.report.given} in {folder} can be used ({reasons}): "
                "add some that show the person's face"
            )
        person = Person(own, name or found.name)
        step = {
            "version": base.directory.name,
            "what": MORE,
            "person_id": own,
            "photographs": list(found.sha256),
        }
        gallery = with_person(base.gallery, person, found.vectors)
        published = _publish(base, gallery, step, found, started, settings, layout)
    alike = _alike(base.gallery, found)
    return Amended(
        published.version, base.directory.name, person, found.report, found.skipped, alike
    )


def remove_person(person_id: str, settings: Settings, layout: Layout) -> PublishedRef:
    """Make and promote a version that does not know a person any more.

    Their photographs stay: `elenco forget` is what deletes them.

    Args:
        person_id: whom the version in use knows.
        settings: `publish` is used.
        layout: of the version in use.

    Raises:
        ElencoError: the version does not know them.
        NotEnoughData: fewer than two people would be left.
        RegistryError: no version is in use, or it is damaged.
        Locked: a refresh works in the data directory.
    """
    started = time.monotonic()
    with refresh_lock(settings):
        base = _Base.of(layout)
        if base.find(person_id) is None:
            raise ElencoError(
                f"{base.directory.name} knows nobody of the id {person_id!r}: "
                f"{base.directory / 'labels.json'} has those whom it knows"
            )
        if len(base.gallery.people) < 3:
            raise NotEnoughData(
                f"{base.directory.name} knows {len(base.gallery.people)} people, "
                "and a recogniser needs 2: add others first"
            )
        # Not whom: a version that does not know a person does not name them either.
        step = {"version": base.directory.name, "what": LESS}
        gallery = without_person(base.gallery, person_id)
        return _publish(base, gallery, step, person_id, started, settings, layout)


def _publish(
    base: _Base,
    gallery: Gallery,
    step: dict[str, Any],
    change: Usable | str,
    started: float,
    settings: Settings,
    layout: Layout,
) -> PublishedRef:
    """Write a candidate, export, register and promote it.

    Args:
        base: what it is made of.
        gallery: its own.
        step: what the card says.
        change: the faces that are added, or the id of who is removed.
        started: when, of `time.monotonic`.
        settings: as in `add_person`, like the rest.
        layout: where.
    """
    card = read_json(base.directory / "card.json")
    people = [[person.id, person.name] for person in gallery.people]
    added = [] if isinstance(change, str) else list(change.sha256)
    fingerprint = digest("amend", card["fingerprint"], people, added)
    path = layout.recogniser / f"{CANDIDATE}{fingerprint[:16]}"
    if not path.exists():
        with build_directory(path) as out:
            write_gallery(gallery, out)
            digests = _photographs(read_npz(base.directory / PHOTOGRAPHS), step, change)
            write_npz(out / PHOTOGRAPHS, **digests)
            for name in ("metrics.json", STATISTICS):
                write_json(out / name, read_json(base.directory / name))
            seconds = round(time.monotonic() - started, 2)
            told = {"fingerprint": fingerprint, "created": now(), "seconds": seconds}
            card = _card(card | told, step, change, gallery, digests)
            write_json(out / "card.json", card)
            write_text(out / "card.md", card_markdown(card))
            statistics = read_json(base.directory / STATISTICS)
            write_text(out / DATASHEET, datasheet_markdown(card, statistics))
            write_digests(out)
    trained = reference(path, layout, None)
    export(trained, settings, layout)
    verdict = Verdict(True, f"by hand: {base.directory.name} {step['what']}", {})
    note(verdict, base.directory, path)
    return register(trained, verdict, settings, layout)


def _photographs(
    digests: dict[str, np.ndarray], step: Mapping[str, Any], change: Usable | str
) -> dict[str, np.ndarray]:
    """The digests of photographs with those that are added, or without those of one person."""
    if isinstance(change, str):
        theirs = np.uint64(stable_digest(change))
        kept = {s: digests[f"{s}_people"] != theirs for s in ("train", "test")}
        return {name: array[kept[name.removesuffix("_people")]] for name, array in digests.items()}
    person = np.uint64(stable_digest(step["person_id"]))
    mine = [stable_digest(f"{step['person_id']}/{key}") for key in change.keys]
    photographs = np.concatenate([digests["train"], np.array(mine, np.uint64)])
    people = np.concatenate([digests["train_people"], np.full(len(mine), person)])
    order = np.argsort(photographs)
    return digests | {"train": photographs[order], "train_people": people[order]}


def _card(
    card: dict[str, Any],
    step: dict[str, Any],
    change: Usable | str,
    gallery: Gallery,
    digests: Mapping[str, np.ndarray],
) -> dict[str, Any]:
    """The card of the base with what is different; figures stay those of the base."""
    gone = change if isinstance(change, str) else None
    steps = [s for s in card.get("amends", []) if gone is None or s.get("person_id") != gone]
    counts = {split: len(digests[split]) for split in ("train", "test")}
    return card | {
        "people": len(gallery.people),
        "amends": [*steps, step],
        "data": card["data"] | {"photographs": counts},
    }


def _alike(gallery: Gallery, found: Usable) -> dict[str, int]:
    """Who the photographs are taken for: id -> how many."""
    searched = gallery.search(found.vectors)
    named = searched.candidates[searched.scores[:, 0] >= gallery.threshold, 0]
    ids, counts = np.unique([gallery.people[i].id for i in named.tolist()], return_counts=True)
    return dict(zip(ids.tolist(), counts.tolist(), strict=True))
