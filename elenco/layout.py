"""Where everything is on disk. The only module that joins path names.

data/images/{train,test}/{person_id}/{key}.jpg     photographs as downloaded
data/output/{train,test}/{person_id}/{key}.jpg     aligned faces, canonical crop
data/retired/{person_id}/{key}.jpg                 photographs that are listed no more
data/processed/{embedder}/shard-NNN.npz            embeddings, one file a shard
data/processed/{embedder}/{train,test}.npz         all of them, by split
data/processed/{embedder}/quarantine.{json,html}   photographs that are left out, and why
data/evaluations/{version|name-digest}/            reports, and the work on a folder
data/state/{source_id}/{stage}/NNN.json            what each stage kept and skipped
data/state/{source_id}/collect/NNN.json            the manifest: every photograph and its origin
data/state/{source_id}/people/YYYY-MM-DD.json      the people of a day, never changed afterwards
data/state/{source_id}/answers/NNN.json            what the source said of each person
data/state/{source_id}/refreshes.jsonl             what each refresh came to
data/state/{source_id}/changes.json                until when those answers are known to hold
data/state/{source_id}/retention.json              when it was last looked for what is too old
data/curation.jsonl                                photographs that an operator keeps or drops
data/denylist.jsonl  data/audit.jsonl              who is not to come back; what was removed when
models/FaceNET-Keras/                              FaceNet's weights
models/recogniser/vNNNNNN/, current -> vNNNNNN     versions
"""

from dataclasses import dataclass, replace
from pathlib import Path

from elenco.errors import UnexpectedAnswer
from elenco.settings import Settings
from elenco.types import Split


@dataclass(frozen=True)
class Layout:
    """Paths under one data and one models directory, for one source of people."""

    data: Path
    models: Path
    source_id: str

    @staticmethod
    def of(settings: Settings) -> "Layout":
        """The layout that the settings name."""
        return Layout(settings.paths.data, settings.paths.models, settings.source_id)

    def image(self, split: Split, person_id: str, key: str) -> Path:
        return self.data / "images" / split / safe_name(person_id) / f"{safe_name(key)}.jpg"

    def crop(self, split: Split, person_id: str, key: str) -> Path:
        return self.data / "output" / split / safe_name(person_id) / f"{safe_name(key)}.jpg"

    def retired(self, person_id: str, key: str) -> Path:
        return self.data / "retired" / safe_name(person_id) / f"{safe_name(key)}.jpg"

    def processed(self, embedder: str) -> Path:
        return self.data / "processed" / embedder

    def shard_npz(self, embedder: str, shard: int) -> Path:
        return self.processed(embedder) / f"shard-{shard:03d}.npz"

    def joined(self, embedder: str, split: Split) -> Path:
        return self.processed(embedder) / f"{split}.npz"

    def quarantine(self, embedder: str) -> Path:
        return self.processed(embedder) / "quarantine.json"

    def quarantine_sheet(self, embedder: str) -> Path:
        return self.processed(embedder) / "quarantine.html"

    @property
    def curation(self) -> Path:
        """What an operator decided of single photographs: append-only."""
        return self.data / "curation.jsonl"

    @property
    def state(self) -> Path:
        return self.data / "state" / self.source_id

    def record(self, stage: str, shard: int) -> Path:
        return self.state / stage / f"{shard:03d}.json"

    def answers(self, shard: int) -> Path:
        return self.state / "answers" / f"{shard:03d}.json"

    @property
    def changes(self) -> Path:
        return self.state / "changes.json"

    @property
    def retention(self) -> Path:
        return self.state / "retention.json"

    @property
    def people(self) -> Path:
        """The folder of the lists of people, one file a day and change."""
        return self.state / "people"

    @property
    def denylist(self) -> Path:
        return self.data / "denylist.jsonl"

    @property
    def audit(self) -> Path:
        return self.data / "audit.jsonl"

    def sources(self) -> list["Layout"]:
        """The data directory, seen from each source that has collected into it."""
        found = sorted(path.parent.name for path in self.data.glob("state/*/collect"))
        return [replace(self, source_id=name) for name in found]

    @property
    def lock(self) -> Path:
        return self.data / "state" / "refresh.lock"

    @property
    def facenet_weights(self) -> Path:
        return self.models / "FaceNET-Keras"

    @property
    def recogniser(self) -> Path:
        return self.models / "recogniser"

    def relative(self, path: Path) -> str:
        """`path` as it is written in records: relative to the data directory, `/` between."""
        return path.relative_to(self.data).as_posix()


def safe_name(name: str) -> str:
    """A person's id or a photograph's key, checked to name one file inside its folder.

    Raises:
        UnexpectedAnswer: it could leave the folder, hide, or be mistaken for a temporary file.
    """
    if not name or name.startswith(".") or set(name) & set("/\\\0") or len(name.encode()) > 200:
        raise UnexpectedAnswer(f"{name!r} can't name a file: give it a plain name")
    return name
