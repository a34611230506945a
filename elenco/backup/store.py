"""Where backups lie: a folder, or any place that fsspec has a URL for (`s3://bucket/elenco`).

    blobs/ab/abcdef…            content, by its sha256
    manifests/{name}.json.gz    one a backup, written when all that it needs is there

Of one installation: of two that prune the same store, one deletes what the other is writing.
"""

from elenco.backup.manifest import NAME, Head, Manifest, decode, decode_head, encode
from elenco.blobs import Blobs
from elenco.errors import ElencoError

HEAD_BYTES = 4096
MANIFESTS = "manifests"
_SUFFIX = ".json.gz"


class Store(Blobs):
    """Backups at one place. For several threads."""

    def names(self) -> list[str]:
        """The names of the backups there are, oldest first. Raises ElencoError or OSError."""
        files = self.documents(MANIFESTS)
        names = [file.removesuffix(_SUFFIX) for file in files if file.endswith(_SUFFIX)]
        return sorted((name for name in names if NAME.fullmatch(name)), key=_when)

    def head(self, name: str) -> Head:
        """What a list shows of a backup. Raises ElencoError."""
        return decode_head(self._manifest(name, HEAD_BYTES), name)

    def read(self, name: str) -> Manifest:
        """A backup's manifest. Raises ElencoError: there is none, or it is damaged."""
        return decode(self._manifest(name), name)

    def write(self, manifest: Manifest) -> None:
        """Store a manifest: the backup is there from now on."""
        self.write_document(_path(manifest.name), encode(manifest))

    def forget(self, name: str) -> None:
        """Delete a manifest; the content stays until nothing names it."""
        self.remove_document(_path(name))

    def _manifest(self, name: str, size: int | None = None) -> bytes:
        data = self.read_document(_path(name), size)
        if data is None:
            raise ElencoError(
                f"there is no backup {name} at {self.place}: `elenco backups` lists them"
            )
        return data


def _path(name: str) -> str:
    if not NAME.fullmatch(name):
        raise ElencoError(f"{name!r} is no backup's name: `elenco backups` lists them")
    return f"{MANIFESTS}/{name}{_SUFFIX}"


def _when(name: str) -> tuple[str, int]:
    time, _, number = name.partition("-")
    return time, int(number or 0)
