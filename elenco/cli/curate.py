"""`elenco curate …`: what is left out, and overruling it."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from elenco.curation.decisions import decide, read_decisions
from elenco.curation.quarantine import Quarantine, the_quarantine
from elenco.curation.rows import photograph_ids
from elenco.curation.verdicts import REASONS
from elenco.errors import ConfigError, NotEnoughData
from elenco.layout import Layout
from elenco.lock import hold
from elenco.schema import layout_to_read
from elenco.settings import load_settings

LATER = "it counts from the next `elenco refresh` on"


def list_quarantined(reason: str | None, as_json: bool, config: Path | None) -> None:
    """Print a line a photograph, then what else was found; or a JSON list of the photographs.

    Raises:
        ConfigError: there is no such reason.
        NotEnoughData: nothing was curated yet.
    """
    if reason is not None and reason not in REASONS:
        raise ConfigError(f"there is no reason {reason!r}: give one of {', '.join(REASONS)}")
    settings = load_settings(config)
    layout, embedder = layout_to_read(settings), settings.embedding.embedder
    found = the_quarantine(layout.quarantine(embedder))
    entries = [entry for entry in found.entries if reason in (None, entry.reason)]
    if as_json:
        print(json.dumps([asdict(entry) for entry in entries], ensure_ascii=False, indent=1))
        return
    for entry in entries:
        about = f" ({entry.other})" if entry.other else ""
        print(f"{entry.id}  {entry.reason}{about}  {entry.name}: {entry.detail}")
    counts = Counter(entry.reason for entry in entries)
    by_reason = ", ".join(f"{count:,} {name}" for name, count in sorted(counts.items()))
    print(f"{len(entries):,} left out{f': {by_reason}' if by_reason else ''}")
    for pair in found.twins if reason is None else ():
        print(f"perhaps one person: {pair.name_a} ({pair.a}) and {pair.name_b} ({pair.b})")
    for someone in found.undecided if reason is None else ():
        print(f"photographs disagree: {someone.name} ({someone.person_id})")
    for someone in found.without if reason is None else ():
        print(f"nothing left to train on: {someone.name} ({someone.person_id})")
    _decided_since(found, layout)
    print(f"faces: {layout.quarantine_sheet(embedder)}")


def keep(ids: Sequence[str], config: Path | None) -> None:
    """Never leave these photographs out."""
    _decide(ids, "keep", "", config)
    print(f"{_photographs(ids)} will be kept: {LATER}")


def drop(ids: Sequence[str], why: str, config: Path | None) -> None:
    """Always leave these photographs out."""
    _decide(ids, "drop", why, config)
    print(f"{_photographs(ids)} will be left out: {LATER}")


def auto(ids: Sequence[str], config: Path | None) -> None:
    """Let the rules decide of these photographs again.

    Raises:
        NotEnoughData: nothing was decided of one of them.
    """
    settings = load_settings(config)
    layout = Layout.of(settings)
    with hold(settings):
        decided = read_decisions(layout)
        for photograph in ids:
            if photograph not in decided:
                raise NotEnoughData(f"nothing was decided of {photograph}: the rules do already")
        decide(layout, dict.fromkeys(ids, "auto"))
    print(f"{_photographs(ids)} will be judged by the rules again: {LATER}")


def _decide(ids: Sequence[str], word: str, why: str, config: Path | None) -> None:
    settings = load_settings(config)
    layout, embedder = Layout.of(settings), settings.embedding.embedder
    with hold(settings):
        known = photograph_ids(layout, embedder)
        for photograph in ids:
            if photograph not in known:
                raise NotEnoughData(
                    f"there is no photograph {photograph!r} among the embeddings of {embedder}: "
                    "give PERSON/KEY as `elenco curate list` prints it, or as its file is named"
                )
        decide(layout, dict.fromkeys(ids, word), why)


def _decided_since(found: Quarantine, layout: Layout) -> None:
    """Say how many decisions the list does not know yet."""
    left_out, kept = found.ids(), set(found.kept)
    dropped = {entry.id for entry in found.entries if entry.reason == "operator"}
    decisions = read_decisions(layout)
    new = [
        photograph
        for photograph, decision in decisions.items()
        if (decision.word == "keep" and photograph in left_out)
        or (decision.word == "drop" and photograph not in dropped)
    ]
    undone = (dropped | kept) - set(decisions)
    if new or undone:
        print(f"{len(new) + len(undone):,} decided since, which count from the next refresh on")


def _photographs(ids: Sequence[str]) -> str:
    return "1 photograph" if len(set(ids)) == 1 else f"{len(set(ids)):,} photographs"
