"""Photographs that a folder holds twice: asked about, they would be found with themselves."""

import zipfile
from pathlib import Path

import numpy as np

from elenco.curation.duplicates import (
    Pictures,
    Twice,
    across_people,
    leaders,
    typical_distance,
    within_people,
)
from elenco.errors import NotEnoughData
from elenco.records import image_id
from elenco.storage import read_npz


def near_duplicates(path: Path, bits: int) -> frozenset[str]:
    """`person_id/key` of the photographs that are another one again, of the same person or not.

    Of each the one of the best quality is not among them.

    Args:
        path: as `elenco.embedding.stage.join_shards` writes it.
        bits: `curation.duplicate_bits`; 0: none are.

    Raises:
        NotEnoughData: the file can't be read.
    """
    try:
        arrays = read_npz(path)
        pictures = Pictures(arrays["vectors"], arrays["labels"], arrays["phashes"])
        quality, ids, keys = (arrays[name] for name in ("quality", "person_ids", "keys"))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        message = f"{path} can't be read ({error}): delete it and run the same command again"
        raise NotEnoughData(message) from None
    rows = np.argsort(pictures.labels, kind="stable")
    typical = typical_distance(pictures, rows)
    if typical is None or not bits:
        return frozenset()
    found = [how(pictures, rows, typical, bits) for how in (within_people, across_people)]
    twice = Twice(
        np.concatenate([one.pairs for one in found]), np.concatenate([one.apart for one in found])
    )
    rank = np.empty(len(rows), np.int64)
    rank[np.lexsort((keys, ids, -quality))] = np.arange(len(rows))
    return frozenset(image_id(str(ids[row]), str(keys[row])) for row in leaders(twice, rank))
