"""The embed stage: the crops of one shard to vectors, and all shards to one data set."""

import json
import time
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from elenco.compute.lanes import in_lanes, lanes_of
from elenco.curation.hashes import phash
from elenco.embedding.base import Embedder
from elenco.errors import ImageError, NotEnoughData, SpaceMismatch
from elenco.faces.crops import CROP_SIZE
from elenco.faces.images import decode
from elenco.faces.quality import quality, relative_norms
from elenco.fingerprint import bytes_sha256, digest, file_sha256
from elenco.layout import Layout
from elenco.progress import say, track
from elenco.records import Record, image_id
from elenco.settings import Settings
from elenco.storage import read_npz, write_npz
from elenco.turns import in_turn
from elenco.types import SPLITS, DatasetRef, EmbeddingSpace, ShardRef, Skipped, StageReport
from elenco.vectors import lengths, unit

# Raise it when the same crops and network would give other rows.
EMBED_VERSION = "4"
CHUNK_CROPS = 24  # that a core works on at a time
# A killed run loses no more than this many embedded crops, and those that are in the lanes.
ROWS_BETWEEN_SAVES = 2048
# What the detect stage measured of a face, and its column in the npz.
MEASURES = {
    "size": "sizes",
    "sharpness": "sharpness",
    "yaw": "yaws",
    "pitch": "pitches",
    "roll": "rolls",
    "score": "scores",
}

Entry = dict[str, Any]
Arrays = dict[str, np.ndarray]
# The unit vector, the length that it had, and the crop's perceptual hash.
Embedded = tuple[np.ndarray, np.float32, np.uint64]


@in_turn
def embed_shard(
    detected: ShardRef, settings: Settings, layout: Layout, embedder: Embedder
) -> ShardRef:
    """Embed the crops that `detect` kept in a shard.

    Vectors of the shard's previous file are used again where crop, space and stage version are
    the same. The file, `layout.shard_npz(...)`, holds one row a crop, by person and key:

        vectors f32 (n, d), unit length     person_ids, keys, splits, crop_sha256   text (n,)
        norms f32 (n,): the vectors' lengths before    boxes f32 (n, 4), in pixels of the photograph
        phashes u64 (n,): the crops' perceptual hashes, see `elenco.curation.hashes`
        sizes, sharpness, yaws, pitches, rolls, scores f32 (n,): see `elenco.faces.quality`
        quality f32 (n,), 0..1: one number of them; small, blurred and turned faces are all here
        meta   text (): JSON of space, version, inputs, complete

    Returns:
        The reference; its digest is the file's sha256. Crops that are missing, changed or damaged
        are skipped and counted: kept + skipped == what `detect` kept.

    Raises:
        NotEnoughData: what `detect` wrote of the shard is gone, or is another by now.
    """
    started = time.monotonic()
    record = Record.read(layout.data / detected.path)
    if record is None:
        raise NotEnoughData(f"{detected.path} is gone: refresh again to detect this shard")
    if record.digest() != detected.digest:
        raise NotEnoughData(
            f"{detected.path} changed since its faces were detected: refresh again, and let nobody "
            "else work on this shard meanwhile"
        )
    entries = sorted(record.kept, key=lambda entry: (entry["person_id"], entry["key"]))
    path = layout.shard_npz(embedder.space.embedder, detected.shard)
    vectors = _earlier(path, embedder.space)
    reused = sum(entry["crop_sha256"] in vectors for entry in entries)
    new = [entry for entry in entries if entry["crop_sha256"] not in vectors]
    skipped: list[Skipped] = []

    def save(complete: bool) -> list[Entry]:
        lost = {skip.id for skip in skipped}
        rows = [e for e in entries if e["crop_sha256"] in vectors and _id(e) not in lost]
        meta = {"inputs": detected.digest, "complete": complete}
        _write_if_changed(path, _shard(rows, vectors, embedder.space, meta))
        return rows

    unsaved = 0
    chunks = (new[start : start + CHUNK_CROPS] for start in range(0, len(new), CHUNK_CROPS))
    embed = partial(_embed, settings=settings, layout=layout, embedder=embedder)
    lanes = lanes_of(settings.compute)
    with track(f"embed shard {detected.shard + 1}", len(new)) as advance:
        for done in in_lanes(embed, chunks, lanes):
            for entry, result in done:
                if isinstance(result, ImageError):
                    skipped.append(Skipped(_id(entry), result.reason, str(result)))
                else:
                    vectors[entry["crop_sha256"]] = result
            unsaved += len(done)
            if unsaved >= ROWS_BETWEEN_SAVES:
                save(complete=False)
                unsaved = 0
            advance(len(done))
    kept = save(complete=True)
    report = StageReport.of(len(kept), skipped, reused, time.monotonic() - started)
    return ShardRef("embed", detected.shard, layout.relative(path), file_sha256(path), report)


def join_shards(
    refs: Sequence[ShardRef],
    names: Mapping[str, str],
    settings: Settings,
    layout: Layout,
    embedder_name: str,
) -> DatasetRef:
    """Put all shards into `train.npz` and `test.npz`, and delete files of shards no more there.

    Each holds, by person and key:

        vectors f32 (n, d)   person_ids, names, keys   text (n,)   labels i64 (n,)
        quality, norms, sizes, sharpness, yaws, pitches, rolls, scores   f32 (n,)
        phashes  u64 (n,)
        people   text (c,): the ids of both splits, sorted; a label is an index into it
        meta     text (): JSON of space and version

    Args:
        refs: what `embed_shard` returned.
        names: person id -> name, of everybody in the shards.
        settings: unused; every stage has it.
        layout: where.
        embedder_name: whose folder.

    Raises:
        SpaceMismatch: the shards are not of one space.
        NotEnoughData: there is no shard.
    """
    shards = [read_npz(layout.data / ref.path) for ref in refs]
    if not shards:
        raise NotEnoughData("there is no shard of embeddings: collect photographs first")
    metas = [json.loads(str(shard["meta"])) for shard in shards]
    identities = {digest(meta["space"], meta["version"]) for meta in metas}
    if len(identities) > 1:
        raise SpaceMismatch(
            f"the shards of {embedder_name} are of {len(identities)} embedding spaces: "
            f"delete {layout.processed(embedder_name)} and refresh again"
        )
    copied = ("vectors", "person_ids", "keys", "quality", "norms", "phashes", *MEASURES.values())
    columns = (*copied, "splits")
    rows = {name: np.concatenate([shard[name] for shard in shards]) for name in columns}
    people, labels = np.unique(rows["person_ids"], return_inverse=True)
    if gone := set(people.tolist()) - names.keys():
        raise NotEnoughData(
            f"{len(gone)} people of the shards are not on the list any more: collect first, or "
            "refresh again"
        )
    titles = np.array([names[person] for person in people.tolist()], dtype=str)
    meta = json.dumps({k: metas[0][k] for k in ("space", "version")}, sort_keys=True)
    order = np.lexsort((rows["keys"], rows["person_ids"]))
    for split in SPLITS:
        chosen = order[rows["splits"][order] == split]
        _write_if_changed(
            layout.joined(embedder_name, split),
            {
                **{name: rows[name][chosen] for name in copied},
                "names": titles[labels[chosen]],
                "labels": labels[chosen].astype(np.int64),
                "people": people,
                "meta": np.array(meta),
            },
        )
    current = {layout.data / ref.path for ref in refs}
    for path in layout.processed(embedder_name).glob("shard-*.npz"):
        if path not in current:
            path.unlink()
    return dataset_ref(layout, embedder_name)


def dataset_ref(layout: Layout, embedder_name: str) -> DatasetRef:
    """The reference to what `join_shards` wrote last.

    Raises:
        NotEnoughData: nothing was joined yet.
    """
    paths = {split: layout.joined(embedder_name, split) for split in SPLITS}
    try:
        arrays = {split: read_npz(path) for split, path in paths.items()}
    except FileNotFoundError:
        raise NotEnoughData(
            f"there are no embeddings of {embedder_name} in {layout.data}: embed first"
        ) from None
    return DatasetRef(
        layout.relative(paths["train"]),
        layout.relative(paths["test"]),
        digest(*(file_sha256(paths[split]) for split in SPLITS)),
        len(arrays["train"]["people"]),
        len(arrays["train"]["labels"]),
        len(arrays["test"]["labels"]),
    )


def _id(entry: Entry) -> str:
    return image_id(entry["person_id"], entry["key"])


def _embed(
    chunk: list[Entry], settings: Settings, layout: Layout, embedder: Embedder
) -> list[tuple[Entry, Embedded | ImageError]]:
    """The vector of each entry's crop, or why there is none."""
    results: dict[int, Embedded | ImageError] = {}
    crops: dict[int, np.ndarray] = {}
    for i, entry in enumerate(chunk):
        try:
            crops[i] = _read_crop(entry, layout, settings)
        except ImageError as error:
            results[i] = error
    if crops:
        raw = embedder.embed_raw(np.stack(list(crops.values())))
        hashes = map(phash, crops.values())
        embedded = zip(unit(raw), lengths(raw), hashes, strict=True)
        results |= dict(zip(crops, embedded, strict=True))
    return [(entry, results[i]) for i, entry in enumerate(chunk)]


def _read_crop(entry: Entry, layout: Layout, settings: Settings) -> np.ndarray:
    """The crop of an entry; ImageError where it is not the one that the entry names."""
    path = layout.crop(entry["split"], entry["person_id"], entry["key"])
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise ImageError("crop_missing", layout.relative(path)) from None
    if bytes_sha256(data) != entry["crop_sha256"]:
        path.unlink()  # where there is none, detection cuts it again
        raise ImageError("crop_changed", layout.relative(path))
    crop = decode(data, settings.collect.max_megapixels)
    if crop.shape != (CROP_SIZE, CROP_SIZE, 3):
        raise ImageError("crop_size", f"{crop.shape[1]}x{crop.shape[0]}")
    return crop


def _identity(space: EmbeddingSpace) -> dict[str, Any]:
    return {"space": asdict(space), "version": EMBED_VERSION}


def _earlier(path: Path, space: EmbeddingSpace) -> dict[str, Embedded]:
    """crop_sha256 -> what the file at `path` has of it; empty unless of this space and version."""
    try:
        arrays = read_npz(path)
        meta = json.loads(str(arrays["meta"]))
        if {key: meta[key] for key in ("space", "version")} != _identity(space):
            return {}
        embedded = zip(arrays["vectors"], arrays["norms"], arrays["phashes"], strict=True)
        return dict(zip(arrays["crop_sha256"].tolist(), embedded, strict=True))
    except FileNotFoundError:
        return {}
    except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile) as error:
        say(f"{path} can't be read ({error}): its crops are embedded again")
        return {}


def _shard(
    rows: Sequence[Entry],
    vectors: Mapping[str, Embedded],
    space: EmbeddingSpace,
    meta: dict[str, Any],
) -> Arrays:
    def text(name: str) -> np.ndarray:
        return np.array([row[name] for row in rows], dtype=str)

    own = [vectors[row["crop_sha256"]] for row in rows]
    norms = np.array([norm for _, norm, _ in own], np.float32)
    measures = {
        column: np.array([row[name] for row in rows], np.float32)
        for name, column in MEASURES.items()
    }
    sizes, sharpness, yaws = (measures[name] for name in ("sizes", "sharpness", "yaws"))
    relative = relative_norms(norms, space.embedder)
    return {
        "vectors": np.array([vector for vector, _, _ in own], np.float32).reshape(-1, space.dim),
        "norms": norms,
        "phashes": np.array([hashed for _, _, hashed in own], np.uint64),
        "person_ids": text("person_id"),
        "keys": text("key"),
        "splits": text("split"),
        "crop_sha256": text("crop_sha256"),
        "boxes": np.array([row["box"] for row in rows], np.float32).reshape(-1, 4),
        **measures,
        "quality": quality(sizes, sharpness, yaws, measures["scores"], relative),
        "meta": np.array(json.dumps(_identity(space) | meta, sort_keys=True)),
    }


def _write_if_changed(path: Path, arrays: Arrays) -> None:
    """Leave the file, and its time, alone where it holds just these arrays."""
    try:
        there = read_npz(path)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile):
        there = {}
    same = there.keys() == arrays.keys() and all(
        there[name].dtype == array.dtype and np.array_equal(there[name], array)
        for name, array in arrays.items()
    )
    if not same:
        write_npz(path, **arrays)
