"""The embeddings of one split, as `elenco.embedding.stage.join_shards` writes them."""

import json
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Int64, Shaped

from elenco.errors import NotEnoughData
from elenco.storage import read_npz
from elenco.types import EmbeddingSpace
from elenco.vectors import unit

Vectors = Float32[np.ndarray, "n d"]
Labels = Int64[np.ndarray, " n"]
Texts = Shaped[np.ndarray, " n"]
# See `elenco.faces.quality`.
Measures = Float32[np.ndarray, " n"]
COLUMNS = (
    "vectors",
    "labels",
    "person_ids",
    "names",
    "keys",
    "quality",
    "sizes",
    "sharpness",
    "yaws",
)
# One unit-length vector a class.
ClassVectors = Float32[np.ndarray, "c d"]


@dataclass(frozen=True)
class Dataset:
    """One row a photograph, by person and key.

    Attributes:
        vectors: (n, d) unit length.
        labels: (n,) index into `people`.
        person_ids: (n,) text; `people[labels]`.
        names: (n,) text, the person's name.
        keys: (n,) text, names the photograph among the person's.
        people: (c,) text: the ids of both splits, sorted.
        quality: (n,) 0..1.
        sizes: (n,) pixels between the eyes.
        sharpness: (n,) 1 for the median photograph.
        yaws: (n,) degrees.
        space: of the vectors.
    """

    vectors: Vectors
    labels: Labels
    person_ids: Texts
    names: Texts
    keys: Texts
    people: Shaped[np.ndarray, " c"]
    quality: Measures
    sizes: Measures
    sharpness: Measures
    yaws: Measures
    space: EmbeddingSpace

    def __len__(self) -> int:
        return len(self.labels)

    def photographs(self) -> list[str]:
        """`person_id/key` of every row: names it for stable hashing."""
        pairs = zip(self.person_ids.tolist(), self.keys.tolist(), strict=True)
        return [f"{person}/{key}" for person, key in pairs]


def read_dataset(path: Path, quarantined: frozenset[str] = frozenset()) -> Dataset:
    """Read one split.

    Args:
        path: as `elenco.embedding.stage.join_shards` writes it.
        quarantined: `person_id/key` of rows to leave out; labels and `people` stay as they are.

    Raises:
        NotEnoughData: there is no such file, or it is not a data set.
    """
    try:
        arrays = read_npz(path)
        space = EmbeddingSpace(**json.loads(str(arrays["meta"]))["space"])
        columns = {name: arrays[name] for name in COLUMNS}
        rows = len(columns["vectors"])
        if columns["vectors"].shape != (rows, space.dim) or any(
            len(column) != rows for column in columns.values()
        ):
            raise ValueError("its arrays are not of one length")
        data = Dataset(**columns, people=arrays["people"], space=space)
        if not quarantined:
            return data
        kept = np.array([name not in quarantined for name in data.photographs()], bool)
        return replace(data, **{name: column[kept] for name, column in columns.items()})
    except FileNotFoundError:
        raise NotEnoughData(f"there are no embeddings in {path}: refresh first") from None
    except (ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        message = f"{path} can't be read ({error}): delete it and refresh again"
        raise NotEnoughData(message) from None


def class_sums(vectors: Vectors, labels: Labels, classes: int) -> Float32[np.ndarray, "c d"]:
    """The sum of each class's vectors; zero for a class without."""
    sums = np.zeros((classes, vectors.shape[1]), np.float32)
    np.add.at(sums, labels, vectors)
    return sums


def class_means(vectors: Vectors, labels: Labels, classes: int) -> ClassVectors:
    """Each class's mean direction, unit length; zero for a class without vectors."""
    return unit(class_sums(unit(vectors), labels, classes))
