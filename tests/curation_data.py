"""A joined data set of drawn people with faces on disk, some of them in the wrong place."""

import json
from dataclasses import asdict

import cv2
import numpy as np

from elenco.embedding.stage import dataset_ref
from elenco.faces.images import encode_jpeg
from elenco.layout import Layout
from elenco.storage import write_bytes, write_npz
from elenco.types import SPLITS, DatasetRef, EmbeddingSpace
from elenco.vectors import unit

EMBEDDER = "dlib_resnet"
SPACE = EmbeddingSpace(EMBEDDER, "ab" * 32, 32, "none")
PEOPLE, PHOTOGRAPHS = 12, 6
# What `make` puts in: somebody else's, a copy that is held out, a blurred one.
WRONG, COPY, BLURRED = "p03/k1", "p05/k5", "p07/k2"


def make(layout: Layout, leave_out: frozenset[str] = frozenset(), seed: int = 0) -> DatasetRef:
    """Twelve people with six photographs each, the last held out; without those of `leave_out`."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(PEOPLE), PHOTOGRAPHS)
    middles = unit(rng.standard_normal((PEOPLE, SPACE.dim)).astype(np.float32))
    noise = rng.standard_normal((len(labels), SPACE.dim)).astype(np.float32)
    vectors = unit(middles[labels] + noise * np.float32(0.6 / SPACE.dim**0.5))
    phashes = rng.integers(0, 2**64, len(labels), np.uint64)
    quality = np.full(len(labels), 0.95, np.float32)
    persons = np.array([f"p{n:02d}" for n in labels])
    keys = np.array([f"k{n}" for n in np.tile(np.arange(PHOTOGRAPHS), PEOPLE)])
    ids = [f"{person}/{key}" for person, key in zip(persons, keys, strict=True)]
    row = {photograph: n for n, photograph in enumerate(ids)}
    vectors[row[WRONG]] = unit(vectors[row["p09/k0"]] + middles[9])
    vectors[row[COPY]], phashes[row[COPY]] = vectors[row["p05/k1"]], phashes[row["p05/k1"]]
    quality[row[BLURRED]] = 0.05
    held_out = keys == f"k{PHOTOGRAPHS - 1}"
    stays = np.array([photograph not in leave_out for photograph in ids])
    people = np.unique(persons[stays])
    for split, which in zip(SPLITS, (~held_out & stays, held_out & stays), strict=True):
        write_npz(
            layout.joined(EMBEDDER, split),
            vectors=vectors[which],
            labels=np.searchsorted(people, persons[which]).astype(np.int64),
            person_ids=persons[which],
            names=np.array([f"Person <{n}>" for n in persons[which].tolist()], str),
            keys=keys[which],
            phashes=phashes[which],
            people=people,
            meta=np.array(json.dumps({"space": asdict(SPACE), "version": "4"})),
            **dict.fromkeys(("quality", "sizes", "sharpness", "yaws"), quality[which]),
        )
        for person, key in zip(persons[which].tolist(), keys[which].tolist(), strict=True):
            write_bytes(layout.crop(split, person, key), face(f"{person}/{key}"))
    return dataset_ref(layout, EMBEDDER)


def face(photograph: str) -> bytes:
    """A crop with its name on it."""
    crop = np.full((256, 256, 3), 200, np.uint8)
    cv2.putText(crop, photograph, (20, 128), cv2.FONT_HERSHEY_SIMPLEX, 1, (0, 0, 0))
    return encode_jpeg(crop)
