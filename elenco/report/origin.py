"""Where a data set is from: what the records of the stages tell of its photographs."""

from collections import Counter
from collections.abc import Container
from typing import Any

import numpy as np

from elenco.layout import Layout
from elenco.recognition.statistics import QUANTILES
from elenco.records import Record, image_id
from elenco.rights.places import records
from elenco.sources.people import newest_list, read_people

MEASURES = ("width", "height")  # pixels


def origin_of(photographs: Container[str], layout: Layout) -> dict[str, Any]:
    """Sum up the manifest, and what the stages before the embeddings skipped.

    Args:
        photographs: `person_id/key` of the data set.
        layout: of the source that it is from.

    Returns:
        JSON: `listed` (people on the newest list, None where there is none), `known` (photographs
        of the data set that the manifest has), `first_fetched` and `last_fetched` (ISO 8601 UTC,
        None where it tells of none), quantiles of `width` and `height`, `skipped` by stage and
        reason, and `chosen`: how the face of a photograph was chosen, as in
        `elenco.faces.select.Choice.by`.

    Raises:
        ElencoError: a record can't be read; the message names it.
    """
    known, fetched = 0, [None, None]
    sides: dict[str, list[int]] = {name: [] for name in MEASURES}
    skipped: dict[str, Counter[str]] = {"collect": Counter(), "detect": Counter()}
    chosen: Counter[str] = Counter()
    for _, record in records("collect", layout):
        skipped["collect"].update(skip.reason for skip in record.skipped)
        for entry in _of(record, photographs):
            known += 1
            for name in MEASURES:
                sides[name].append(int(entry[name]))
            if moment := (entry.get("origin") or {}).get("fetched_at"):
                fetched = [_first(fetched[0], moment, min), _first(fetched[1], moment, max)]
    for _, record in records("detect", layout):
        skipped["detect"].update(skip.reason for skip in record.skipped)
        chosen.update(
            str((entry.get("chosen") or {}).get("by", "not known"))
            for entry in _of(record, photographs)
        )
    return {
        "listed": len(read_people(layout)) if newest_list(layout) else None,
        "known": known,
        "first_fetched": fetched[0],
        "last_fetched": fetched[1],
        **{name: _quantiles(values) for name, values in sides.items()},
        "skipped": {stage: dict(sorted(reasons.items())) for stage, reasons in skipped.items()},
        "chosen": dict(sorted(chosen.items())),
    }


def _of(record: Record, photographs: Container[str]) -> list[dict[str, Any]]:
    return [e for e in record.kept if image_id(e["person_id"], e["key"]) in photographs]


def _first(known: Any, found: str, better: Any) -> str:
    return found if known is None else better(known, found)


def _quantiles(values: list[int]) -> list[float] | None:
    return [float(v) for v in np.quantile(values, QUANTILES)] if values else None
