"""What the stages left on disk, seen as a whole: is an output still there, and what is there."""

from elenco.errors import NotEnoughData
from elenco.fingerprint import file_sha256
from elenco.layout import Layout
from elenco.records import PASSING, Record
from elenco.types import DatasetRef, ShardRef, StageReport


def still_there(ref: ShardRef | DatasetRef, layout: Layout) -> bool:
    """Whether everything that a stage's answer names is on disk, with the digest it names."""
    if isinstance(ref, DatasetRef):
        return all((layout.data / path).exists() for path in (ref.train, ref.test))
    if ref.stage == "embed":
        return not PASSING & ref.report.skipped.keys() and is_what_it_says(ref, layout)
    record = _record_of(ref, layout)
    if record is not None and any(skip.reason in PASSING for skip in record.skipped):
        return False  # what could not be had then may be had now
    file = layout.image if ref.stage == "collect" else layout.crop
    return (
        record is not None
        and record.complete
        and all(file(e["split"], e["person_id"], e["key"]).exists() for e in record.kept)
    )


def is_what_it_says(ref: ShardRef, layout: Layout) -> bool:
    """Whether the file that a reference names is there, with the digest that it names."""
    if ref.stage != "embed":
        return _record_of(ref, layout) is not None
    path = layout.data / ref.path
    return path.exists() and file_sha256(path) == ref.digest


def _record_of(ref: ShardRef, layout: Layout) -> Record | None:
    """The record that a reference names, if it has the digest that it names."""
    record = Record.read(layout.data / ref.path)
    return record if record is not None and record.digest() == ref.digest else None


def shard_refs(stage: str, shards: int, layout: Layout) -> list[ShardRef]:
    """References to what `collect` or `detect` finished last time.

    Raises:
        NotEnoughData: a shard is missing or not finished.
    """
    refs: list[ShardRef] = []
    for shard in range(shards):
        path = layout.record(stage, shard)
        record = Record.read(path)
        if record is None or not record.complete:
            raise NotEnoughData(f"shard {shard} of {stage} is not finished: {stage} first")
        report = StageReport.of(len(record.kept), record.skipped, len(record.kept), 0.0)
        refs.append(ShardRef(stage, shard, layout.relative(path), record.digest(), report))
    return refs
