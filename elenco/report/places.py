"""Where on disk a refresh has left what it made, as Markdown."""

from collections.abc import Mapping
from pathlib import Path

from elenco.documents import EVALUATION
from elenco.layout import Layout
from elenco.report.evaluation_files import REPORT
from elenco.types import CuratedRef, PublishedRef


def places_of(published: PublishedRef, curated: CuratedRef, layout: Layout) -> dict[str, Path]:
    """What there is to open after a refresh -> where it is, absolute.

    Where no photograph was held out, there is no evaluation.
    """
    version = layout.recogniser / published.version
    embedder = (layout.data / curated.quarantine).parent.name
    places = {"version": version, "card": version / "card.md"}
    if (version / EVALUATION / REPORT).exists():
        places["evaluation"] = version / EVALUATION / REPORT
    places["quarantine"] = layout.quarantine_sheet(embedder)
    return {name: path.resolve() for name, path in places.items()}


def places_section(places: Mapping[str, Path]) -> str:
    """As text: a browser follows no link from a server to a file."""
    rows = [f"| {name} | `{path}` |" for name, path in places.items()]
    return "\n".join(["## Where it is", "", "| | |", "|---|---|", *rows])
