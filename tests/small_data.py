"""A small data and models directory, written by hand: a few people with a few photographs."""

import os
import shutil
import signal
import sys
import traceback
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from elenco.embedding.stage import embed_shard, join_shards
from elenco.faces.crops import CROP_SIZE
from elenco.faces.images import encode_jpeg
from elenco.fingerprint import bytes_sha256
from elenco.layout import Layout
from elenco.records import Record
from elenco.registry import FILES, Registry
from elenco.settings import Settings, load_settings
from elenco.storage import write_bytes, write_json
from elenco.types import EmbeddingSpace, ShardRef, Skipped, StageReport

ROOT = Path(__file__).resolve().parents[1]
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
EMBEDDER = "hash"
SHARDS = 2
# What `detect` records of a face, whatever photograph it is of.
A_FACE: dict[str, Any] = {
    "box": [1.0, 2.0, 30.0, 40.0],
    "score": 0.99,
    "landmarks": [[0.0, 0.0]] * 5,
    "size": 40.0,
    "sharpness": 1.0,
    "yaw": 5.0,
    "pitch": 0.0,
    "roll": -3.0,
}
SPACE = EmbeddingSpace(EMBEDDER, "ab" * 32, 8, "none")


class HashEmbedder:
    """Unit vectors that depend on the pixels alone."""

    space = SPACE
    window = None
    model = None

    def embed_raw(self, crops):
        seeds = [zlib.crc32(crop.tobytes()) for crop in crops]
        vectors = np.array([np.random.default_rng(seed).normal(size=8) for seed in seeds])
        return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def settings_of(root: Path, **collect: Any) -> Settings:
    return load_settings(
        ROOT / "config" / "default.toml",
        paths={"data": root / "data", "models": root / "models"},
        collect=collect,
    )


@dataclass
class SmallData:
    """What one source has in a folder; `write` puts it there as the stages would have."""

    folder: Path
    collect: dict[str, Any] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    kept: list[dict[str, Any]] = field(default_factory=list)
    retired: list[dict[str, Any]] = field(default_factory=list)

    @property
    def settings(self) -> Settings:
        return settings_of(self.folder, **self.collect)

    @property
    def layout(self) -> Layout:
        return Layout.of(self.settings)

    def person(self, person: str, name: str, photographs: int = 3, **origin: Any) -> None:
        """Somebody with photographs k0, k1, …, the last of them held out."""
        self.names[person] = name
        for n in range(photographs):
            split = "test" if n == photographs - 1 else "train"
            self.kept.append(self._entry(person, f"k{n}", split, **origin))

    def retire(self, person: str, key: str, at: str, **origin: Any) -> None:
        """A photograph that is listed no more."""
        entry = self._entry(person, key, "train", **origin)
        self.retired.append(entry | {"retired_at": at, "why": "left"})

    def write(self) -> None:
        """Photographs, faces, records, answers, lists and embeddings."""
        layout = self.layout
        for entry in self.kept:
            write_bytes(layout.image(*place(entry)), photo(entry))
            write_bytes(layout.crop(*place(entry)), crop(entry))
        for entry in self.retired:
            write_bytes(layout.retired(entry["person_id"], entry["key"]), photo(entry))
        refs = [self._shard(shard) for shard in range(SHARDS)]
        join_shards(refs, self.names, self.settings, layout, EMBEDDER)
        for day in ("2026-11-23", "2026-11-24", "2026-11-24-2"):
            people = [
                {"rank": rank, "id": person, "name": name, "popularity": 1.0}
                for rank, (person, name) in enumerate(self.names.items(), 1)
            ]
            skipped = [{"id": "999", "reason": "adult", "detail": ""}]
            value = {"date": day[:10], "asked": 9, "people": people, "skipped": skipped}
            write_json(layout.people / f"{day}.json", value)
        write_json(layout.changes, {"until": "2026-11-24", "epoch": 1})

    def _shard(self, shard: int) -> ShardRef:
        layout = self.layout
        mine = [e for e in self.kept if shard_of(e["person_id"]) == shard]
        retired = [e for e in self.retired if shard_of(e["person_id"]) == shard]
        people = [p for p in self.names if shard_of(p) == shard]
        skipped = [Skipped(f"{person}/bad", "truncated") for person in people]
        notes = {f"{person}/bad": {"reason": "truncated"} for person in people}
        record = Record("collect", "1", "inputs", True, mine, skipped, notes, retired)
        record.save(layout.record("collect", shard))
        asked = {"asked": NOW.date().isoformat()}
        told = {p: {"name": self.names[p]} | asked for p in people}
        answers = {"version": "1", "people": told}
        write_json(layout.answers(shard), answers)
        path = layout.record("detect", shard)
        found = Record("detect", "1", record.digest(), True, [face(entry) for entry in mine])
        found.save(path)
        report = StageReport(len(mine), len(mine))
        ref = ShardRef("detect", shard, layout.relative(path), found.digest(), report)
        return embed_shard(ref, self.settings, layout, HashEmbedder())

    def _entry(self, person: str, key: str, split: str, **origin: Any) -> dict[str, Any]:
        told = {"url": "http://…", "version": "1", "fetched_at": NOW.isoformat()}
        entry = {"person_id": person, "key": key, "split": split}
        data = photo(entry)
        facts = {"sha256": bytes_sha256(data), "width": 9, "height": 9}
        return entry | facts | {"origin": told | origin}


def place(entry: dict[str, Any]) -> tuple[Any, str, str]:
    return entry["split"], entry["person_id"], entry["key"]


def photo(entry: dict[str, Any]) -> bytes:
    return f"photograph {entry['key']} of {entry['person_id']}".encode()


def crop(entry: dict[str, Any]) -> bytes:
    shade = zlib.crc32(photo(entry)).to_bytes(4)[:3]
    return encode_jpeg(np.full((CROP_SIZE, CROP_SIZE, 3), list(shade), np.uint8))


def face(entry: dict[str, Any]) -> dict[str, Any]:
    """What `detect` records of a photograph."""
    found = {name: entry[name] for name in ("person_id", "key", "split", "sha256")}
    return found | {
        "crop_sha256": bytes_sha256(crop(entry)),
        **A_FACE,
    }


def shard_of(person: str) -> int:
    return zlib.crc32(person.encode()) % SHARDS


def add_version(layout: Layout, people: dict[str, str], source: str | None = "tmdb") -> str:
    """A registered version that knows these people."""
    built = build_version(layout.recogniser / "built", people, source)
    return Registry(layout.recogniser).register(built)


def build_version(folder: Path, people: dict[str, str], source: str | None) -> Path:
    folder.mkdir(parents=True)
    for name in FILES:
        (folder / name).write_text(f"{name} of {sorted(people)}")
    entries = [{"id": person, "name": name} for person, name in people.items()]
    write_json(folder / "labels.json", {"schema": 1, "space": vars(SPACE), "people": entries})
    card = {
        "fingerprint": "-".join(sorted(people)),
        "created": NOW.isoformat(),
        "people": len(people),
        "space": vars(SPACE),
        "metrics": {"top1": 1.0},
    }
    write_json(folder / "card.json", card | ({"source": source} if source else {}))
    return folder


def tree(folder: Path) -> dict[str, bytes]:
    """Every file with its content, but for locks and logs, whose times differ from run to run."""
    logs = {
        ".lock",
        "refresh.lock",
        "audit.jsonl",
        "schema.json",
        "denylist.jsonl",
        "promotions.jsonl",
    }
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in logs
    }


def says(folder: Path, *texts: str) -> list[str]:
    """The files whose path or content has any of these texts."""
    return [
        path.relative_to(folder).as_posix()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        and any(
            t.encode() in path.read_bytes() or t in path.relative_to(folder).as_posix()
            for t in texts
        )
    ]


CHANGES = {"os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.truncate", "os.symlink"}


def killed_at_each_change(start: Path, act: Callable[[Path], object]) -> Iterator[Path]:
    """Copies of a folder in which `act` was killed (-9) before the 1st, 2nd, … change on disk."""
    number = 0
    while True:
        number += 1
        root = start.parent / f"killed-{number}"
        shutil.copytree(start, root, symlinks=True)
        child = os.fork()
        if not child:
            _act_and_die(number, act, root)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert code in (0, -signal.SIGKILL), f"change {number}: exit {code}"
        if code == 0:
            assert number > 10
            return
        yield root
        shutil.rmtree(root)


def _act_and_die(number: int, act: Callable[[Path], object], root: Path) -> None:
    left = number

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal left
        # Low-level `os.open` gives flags and no mode.
        writing = (
            event == "open"
            and isinstance(arguments[2], int)
            and (arguments[2] & (os.O_WRONLY | os.O_RDWR))
        )
        if event in CHANGES or writing:
            left -= 1
            if not left:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)
    try:
        act(root)
    except BaseException:
        traceback.print_exc()
        os._exit(3)
    os._exit(0)
