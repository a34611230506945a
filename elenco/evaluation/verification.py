"""Do two photographs show one person: pairs as LFW gives them, told apart by the cosine alone.

Huang et al. 2007, "Labeled Faces in the Wild" (UMass TR 07-49). Its View 1 is for development; its
View 2, ten folds whose people are in no other, is for reporting.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float32, Int64

from elenco.errors import ConfigError
from elenco.evaluation.bootstrap import Resampling
from elenco.evaluation.rates import AtRate, Side, found_at
from elenco.recognition.dataset import Dataset

FOLDS = 10
FARS = (0.1, 0.01, 0.001)
FORMAT = "a line for each pair: `name 1 2`, or `name 1 other_name 2`"

Photograph = tuple[str, int]  # the person's name and the photograph's number


@dataclass(frozen=True)
class Pairs:
    """Pairs of photographs.

    Attributes:
        first: (n) one side of each, and
        second: the other.
        same: (n,) whether they show one person.
        folds: (n,) 0..FOLDS-1; None where the file has none.
    """

    first: list[Photograph]
    second: list[Photograph]
    same: Bool[np.ndarray, " n"]
    folds: Int64[np.ndarray, " n"] | None


@dataclass(frozen=True)
class Verification:
    """How pairs are told apart.

    Attributes:
        pairs: how many.
        same: how many of them are of one person.
        without_face: how many have a photograph without a usable face: a mistake each, and left
            out of `tar_at_far`.
        folds: whose they are: `of the file`, or `drawn`.
        accuracy: mean over ten folds; each fold at the threshold that is best for the other nine.
        standard_error: of that mean, over the folds.
        tar_at_far: share of the pairs of one person that are accepted where a share of the pairs
            of two is.
    """

    pairs: int
    same: int
    without_face: int
    folds: str
    accuracy: float
    standard_error: float
    tar_at_far: list[AtRate]


def read_pairs(path: Path) -> Pairs:
    """Read a file of LFW's format.

    Its first line is the number of pairs of each kind (View 1), or the number of folds and that of
    pairs of each kind in a fold (View 2); then come the pairs, those of one person first.

    Raises:
        ConfigError: it is not such a file; the message names the line.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise ConfigError(f"{path} can't be read ({error.strerror}): name another") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path} is not a text file of pairs: {FORMAT}") from None
    numbers = _numbers(lines[0]) if lines else None
    if numbers is None or len(numbers) not in (1, 2) or min(numbers) < 1:
        raise ConfigError(f"{path} does not begin with the number of pairs: {FORMAT}")
    folds, of_kind = (1, numbers[0]) if len(numbers) == 1 else (numbers[0], numbers[1])
    first, second = [], []
    for number, line in enumerate(lines[1:], 2):
        if line.strip():
            one, two = _pair(line, f"{path}, line {number},")
            first.append(one)
            second.append(two)
    if len(first) != 2 * folds * of_kind:
        raise ConfigError(
            f"{path} has {len(first):,} pairs where its first line says {2 * folds * of_kind:,}"
        )
    same = np.array([one[0] == two[0] for one, two in zip(first, second, strict=True)])
    of_fold = None if len(numbers) == 1 else np.arange(len(first)) // (2 * of_kind)
    return Pairs(first, second, same, of_fold)


def verify(
    pairs: Pairs,
    rows: Mapping[Photograph, int],
    data: Dataset,
    replicates: int,
    seed: int,
) -> Verification:
    """Tell the pairs apart by the cosines of their vectors.

    Args:
        pairs: of photographs.
        rows: row of `data` of each photograph that has a usable face.
        data: vectors.
        replicates: how often people are drawn for the intervals of TAR.
        seed: of that draw; LFW's View 1 is cut into folds with numpy's seed 0, whatever it is.
    """
    scores = _cosines(pairs, rows, data)
    folds = pairs.folds
    if folds is None:
        folds = np.random.default_rng(0).permutation(len(scores)) % FOLDS
    right = judged(scores, pairs.same, folds)
    of_fold = [float(right[folds == fold].mean()) for fold in np.unique(folds).tolist()]
    error = float(np.std(of_fold, ddof=1) / np.sqrt(len(of_fold))) if len(of_fold) > 1 else 0.0
    return Verification(
        pairs=len(scores),
        same=int(pairs.same.sum()),
        without_face=int(np.isnan(scores).sum()),
        folds="drawn" if pairs.folds is None else "of the file",
        accuracy=float(np.mean(of_fold)),
        standard_error=error,
        tar_at_far=_tar_at_far(pairs, scores, replicates, seed),
    )


def judged(
    scores: Float32[np.ndarray, " n"],
    same: Bool[np.ndarray, " n"],
    folds: Int64[np.ndarray, " n"],
) -> Bool[np.ndarray, " n"]:
    """Which pairs are judged rightly, each fold by the best threshold of the others.

    Thresholds lie in the middle between two scores; of several best ones their mean is taken.

    Args:
        scores: of each pair; not a number where there is none: never right.
        same: whether it is of one person.
        folds: of each pair.
    """
    right = np.zeros(len(same), bool)
    for fold in np.unique(folds):
        train, test = (folds != fold) & np.isfinite(scores), folds == fold
        order = np.argsort(scores[train], kind="stable")
        values, truth = scores[train][order], same[train][order]
        if not len(values):
            continue
        # Right at a threshold under values[i]: pairs of two below it, pairs of one from it on.
        below = np.concatenate([[0], np.cumsum(~truth)[:-1]])
        counts = below + truth.sum() - np.concatenate([[0], np.cumsum(truth)[:-1]])
        first = np.unique(np.searchsorted(values, values, side="left"))  # of equals all or none
        middles = (values[first] + values[np.maximum(first - 1, 0)]) / 2
        best = middles[counts[first] == counts[first].max()].mean()
        right[test] = ((scores[test] >= best) == same[test]) & np.isfinite(scores[test])
    return right


def _cosines(
    pairs: Pairs, rows: Mapping[Photograph, int], data: Dataset
) -> Float32[np.ndarray, " n"]:
    sides = [
        np.array([rows.get(photograph, -1) for photograph in photographs], np.int64)
        for photographs in (pairs.first, pairs.second)
    ]
    cosines = (data.vectors[sides[0]] * data.vectors[sides[1]]).sum(axis=1)
    cosines[(sides[0] < 0) | (sides[1] < 0)] = np.nan
    return cosines


def _tar_at_far(
    pairs: Pairs, scores: Float32[np.ndarray, " n"], replicates: int, seed: int
) -> list[AtRate]:
    """A pair counts as often as its people are drawn: of two people, the product."""
    names = [[photograph[0] for photograph in side] for side in (pairs.first, pairs.second)]
    everybody, numbers = np.unique(np.array(names), return_inverse=True)
    first, second = numbers.reshape(2, -1)
    resampling = Resampling(np.zeros(len(everybody), np.int64), replicates, seed)

    def side(rows: np.ndarray, one_person: bool) -> Side:
        a, b = first[rows], second[rows]
        people = len(np.unique(np.concatenate([a, b])))
        right = np.full(int(rows.sum()), one_person)
        if one_person:
            return Side(scores[rows], right, lambda w: w[:, a], people)
        return Side(scores[rows], right, lambda w: w[:, a] * w[:, b], people)

    usable = np.isfinite(scores)
    same = side(usable & pairs.same, one_person=True)
    return found_at(same, side(usable & ~pairs.same, one_person=False), FARS, resampling)


def _pair(line: str, where: str) -> tuple[Photograph, Photograph]:
    # View 1's files have tabs, and names without spaces; a folder's name may have some.
    words = line.split("\t") if "\t" in line else line.split()
    words = [word.strip() for word in words]
    numbers = _numbers(" ".join(words[1::2] if len(words) == 4 else words[1:]))
    if len(words) not in (3, 4) or numbers is None or len(numbers) != 2:
        raise ConfigError(f"{where} is no pair: {FORMAT}")
    other = words[2] if len(words) == 4 else words[0]
    return (words[0], numbers[0]), (other, numbers[1])


def _numbers(line: str) -> Sequence[int] | None:
    words = line.split()
    return [int(word) for word in words] if all(word.isdecimal() for word in words) else None
