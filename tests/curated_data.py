"""Curated embeddings of a few people, written by hand, and versions made of them."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from elenco.embedding.base import EMBEDDERS
from elenco.layout import Layout
from elenco.publication import judge, register, train
from elenco.records import Record
from elenco.settings import Settings, load_settings
from elenco.storage import write_json, write_npz
from elenco.types import CuratedRef, DatasetRef, EmbeddingSpace, PublishedRef, Skipped, StageReport
from elenco.vectors import unit

SPACE = EmbeddingSpace("fake", "ab" * 32, 16, "none")
MEASURES = ("quality", "norms", "sizes", "sharpness", "yaws", "pitches", "rolls", "scores")
CENTRES = np.random.default_rng(0).normal(size=(60, 128))
QUARANTINED = {"p003/t1": "wrong_person", "p004/h0": "near_duplicate"}


def curated(
    layout: Layout,
    people: range = range(20),
    wrong: int = 0,
    name: str = "data",
    space: EmbeddingSpace = SPACE,
    held_out: int = 3,
) -> CuratedRef:
    """People with 6 photographs to train on and some held out, two of all photographs quarantined.

    Of the first `wrong` people, all photographs but one to train on are of somebody else.
    """
    ids = [f"p{person:03d}" for person in people]
    for split, count in (("train", 6), ("test", held_out)):
        rows = [(n, k) for n in people for k in range(count)]
        noise = [np.random.default_rng([n, k, count]).normal(size=space.dim) for n, k in rows]
        shown = [30 + n if split == "train" and k and n < wrong else n for n, k in rows]
        vectors = [CENTRES[n, : space.dim] + 0.5 * e for n, e in zip(shown, noise, strict=True)]
        write_npz(
            layout.joined(space.embedder, split),
            vectors=unit(np.array(vectors, np.float32).reshape(-1, space.dim)),
            person_ids=np.array([f"p{n:03d}" for n, _ in rows], str),
            names=np.array([f"Person {n}" for n, _ in rows], str),
            keys=np.array([f"{'t' if split == 'train' else 'h'}{k}" for _, k in rows], str),
            labels=np.array([n - people.start for n, _ in rows], np.int64),
            people=np.array(ids),
            phashes=np.arange(len(rows), dtype=np.uint64),
            meta=np.array(json.dumps({"space": asdict(space), "version": "1"})),
            **{measure: np.full(len(rows), 0.9, np.float32) for measure in MEASURES},
        )
    entries = [{"id": photograph, "reason": why} for photograph, why in QUARANTINED.items()]
    write_json(layout.quarantine(space.embedder), {"entries": entries})
    train_npz, test_npz = (
        layout.relative(layout.joined(space.embedder, s)) for s in ("train", "test")
    )
    dataset = DatasetRef(
        train_npz, test_npz, name, len(people), 6 * len(people), held_out * len(people)
    )
    report = StageReport((6 + held_out) * len(people), (6 + held_out) * len(people) - 2)
    return CuratedRef(
        dataset, layout.relative(layout.quarantine(space.embedder)), f"{name} cur", report
    )


def collected(layout: Layout) -> None:
    """The manifest of two photographs, one of them in the data set."""
    entries = [
        {
            "person_id": person,
            "key": key,
            "split": "train",
            "width": 421,
            "height": 632,
            "origin": {"fetched_at": f"2026-11-{day}T04:00:00+00:00"},
        }
        for person, key, day in (("p001", "t0", 20), ("p001", "t1", 24), ("p999", "t0", 10))
    ]
    record = Record("collect", "1", "x", True, entries, [Skipped("p001/x", "truncated")])
    record.save(layout.record("collect", 0))
    found = [entry | {"chosen": {"by": "only"}} for entry in entries]
    Record("detect", "1", "x", True, found, [Skipped("p2/y", "no_face")]).save(
        layout.record("detect", 0)
    )


def publish(settings: Settings, layout: Layout, **data) -> PublishedRef:
    trained = train(curated(layout, **data), settings, layout)
    return register(trained, judge(trained, settings, layout), settings, layout)


class FakeEmbedder:
    """The embedder of SPACE, which has nothing to embed: no face is on disk."""

    space = SPACE
    window = None
    model = None

    def embed(self, crops):
        raise AssertionError("there is no face")

    embed_raw = embed


def load(settings: Settings, layout: Layout) -> FakeEmbedder:
    """As the table of embedders wants it: see `fake_embedder`."""
    return FakeEmbedder()


def fake_embedder(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let settings name the embedder `fake`."""
    monkeypatch.setitem(EMBEDDERS, "fake", "tests.curated_data:load")


def settings_in(folder: Path, **sections: Any) -> Settings:
    """Defaults, with data and models in a folder, and little to measure."""
    return load_settings(
        None,
        paths={"data": folder / "data", "models": folder / "models"},
        evaluation={"bootstrap": 50, "gallery_sizes": (10,)},
        **({"embedding": {"embedder": "fake"}} | sections),
    )
