"""An evaluation as Markdown, and in a few lines for a terminal."""

from collections.abc import Mapping, Sequence

from elenco.evaluation.bootstrap import Estimate
from elenco.evaluation.evaluation import Evaluation
from elenco.evaluation.verification import Verification
from elenco.report.estimates import interval, percent, rate_text
from elenco.report.evaluation_parts import (
    groups_section,
    pairs_section,
    people_section,
    robustness_section,
    scale_section,
    table,
)
from elenco.text import escaped

WORST, PAIRS = "worst.jpg", "pairs.jpg"  # sheets of faces

Row = tuple[str, Estimate]

STRANGERS = {
    "others": "people who are not in the gallery",
    "left out in turn": "the same people, each asked about in a gallery without them",
    "others, and left out in turn": "people who are not in the gallery, and those who are, each "
    "asked about in a gallery without them",
}
METHOD = """## How it is measured

Identification follows ISO/IEC 19795-1 and IJB-C (Maze et al. 2018): DIR is the share of known
photographs whose best candidate is the right one and scores above the threshold at which the named
share of the strangers' photographs gets a name (FPIR). Intervals are of 95 %, by drawing people
anew, each with all their photographs, strangers as well; where nothing went wrong (or right) they
follow the rule of 3. ECE is the expected calibration error over 15 bins (Guo et al. 2017). Pairs
follow LFW (Huang et al. 2007)."""


def evaluation_markdown(evaluation: Evaluation, pictures: Mapping[str, str] | None = None) -> str:
    """All figures for people to read.

    Args:
        evaluation: the figures.
        pictures: file name of a plot (`elenco.report.plots.evaluation_plots`) or of a sheet of
            faces -> its address, a path or a data URI; what is not in it is not shown.
    """

    def picture(name: str, title: str) -> list[str]:
        return [f"![{title}]({pictures[name]})"] if pictures and name in pictures else []

    parts = [
        f"# How well {escaped(evaluation.name)} is recognised",
        _protocol(evaluation),
        _stages(evaluation),
        "## Figures",
        _estimates(main_figures(evaluation), "photographs"),
        _finest(evaluation),
        *picture("dir_fpir.png", "named right by strangers let through"),
        *picture("scores.png", "scores of known people and strangers"),
        "## Do probabilities mean what they say?",
        _calibration(evaluation),
        *picture("reliability.png", "probabilities against what is right"),
        "## By what a photograph is like",
        *map(groups_section, evaluation.groups),
        scale_section(evaluation.scale),
        *picture("gallery_size.png", "figures by the number of people"),
        robustness_section(evaluation.robustness),
        *picture("robustness.png", "figures of smaller and blurred photographs"),
        people_section(evaluation.confusions),
        *picture(WORST, "photographs not named right, each with one of the gallery"),
        pairs_section(evaluation.confusions),
        *picture(PAIRS, "photographs of the pairs"),
        _verification(evaluation.verification),
        METHOD,
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def main_figures(evaluation: Evaluation) -> list[Row]:
    """The figures that matter most, each with what it is."""
    figures = evaluation.figures
    asked = f"{1 - evaluation.false_positive_rate:.1%} asked for"
    return [
        ("top-1: the best person is the right one", figures.top1),
        ("top-5: the right one is among the best five", figures.top5),
        *((f"DIR at FPIR {rate_text(at.rate)}", at.found) for at in figures.dir_at_fpir),
        ("named right, at the threshold in use", figures.named_right),
        ("called unknown, though known", figures.called_unknown),
        ("named wrong", figures.named_wrong),
        (f"strangers called unknown ({asked})", figures.strangers_called_unknown),
        ("the same, all strangers counting alike", figures.strangers_called_unknown_by_person),
        ("ECE of the answers to known people", evaluation.calibration.known.ece),
        ("ECE with strangers, who count a half", evaluation.calibration.all.ece),
    ]


def summary_lines(evaluation: Evaluation) -> list[str]:
    """The main figures as a short table for a terminal."""
    rows, protocol = main_figures(evaluation), evaluation.protocol
    width = max(len(title) for title, _ in rows)
    lines = [
        f"{evaluation.name}: {protocol.gallery_people:,} people with "
        f"{protocol.gallery_photographs:,} photographs in the gallery"
    ]
    lines += [
        f"  {title:{width}}  {percent(found.value):>12}  {interval(found):16}  "
        f"of {found.photographs:,} photographs of {found.people:,} people"
        for title, found in rows
    ]
    if (pairs := evaluation.verification) is not None:
        of = f"± {pairs.standard_error:.2%}"
        title = f"{'pairs told apart':{width}}"
        lines.append(f"  {title}  {percent(pairs.accuracy):>12}  {of:16}  of {pairs.pairs:,} pairs")
    return lines


def _protocol(evaluation: Evaluation) -> str:
    protocol, figures = evaluation.protocol, evaluation.figures
    enough = (
        f"; these are half of the photographs of everybody with {protocol.min_photos} or more"
        if protocol.min_photos is not None
        else ""
    )
    why = "quarantined" if protocol.min_photos is None else "there twice"
    empty = (
        f"; {protocol.empty_folders:,} folders without photographs"
        if protocol.empty_folders
        else ""
    )
    return "\n".join(
        [
            f"- **gallery** {protocol.gallery_people:,} people, made from "
            f"{protocol.gallery_photographs:,} photographs{enough}",
            f"- **asked about** {figures.photographs:,} other photographs of {figures.people:,} of "
            f"them; there is no other of {protocol.without_probe:,}",
            f"- **strangers** {figures.stranger_photographs:,} photographs of "
            f"{figures.stranger_people:,} people: {STRANGERS[protocol.strangers]}",
            f"- **left out** {protocol.left_out:,} photographs that are {why}{empty}",
            f"- **embeddings** {evaluation.space.embedder}, {evaluation.space.dim} dimensions",
        ]
    )


def _stages(evaluation: Evaluation) -> str:
    if not evaluation.stages:
        return ""
    rows = []
    for name, counts in evaluation.stages.items():
        skipped = ", ".join(f"{n:,} {reason}" for reason, n in counts.skipped.items()) or "none"
        rows.append([name, f"{counts.given:,}", f"{counts.kept:,}", skipped])
    return table(["stage", "given", "kept", "skipped"], rows)


def _estimates(rows: Sequence[Row], what: str) -> str:
    cells = [
        [
            title,
            percent(found.value),
            interval(found),
            f"{found.photographs:,} {what} of {found.people:,} people",
        ]
        for title, found in rows
    ]
    return table(["figure", "", "95 % interval", "of"], cells)


def _finest(evaluation: Evaluation) -> str:
    """Why DIR is not measured at a rate, where it is not."""
    missing = [at.rate for at in evaluation.figures.dir_at_fpir if at.threshold is None]
    if not missing:
        return ""
    return (
        f"An FPIR of {rate_text(max(missing))} can't be told with "
        f"{evaluation.figures.stranger_photographs:,} photographs of strangers: it takes "
        f"{1 / max(missing):,.0f}."
    )


def _calibration(evaluation: Evaluation) -> str:
    found = evaluation.calibration
    rows = [
        [
            label,
            percent(part.ece.value),
            interval(part.ece),
            percent(part.ece_equal_mass.value),
            percent(part.confidence),
            percent(part.right),
        ]
        for label, part in (("to known people", found.known), ("with strangers", found.all))
    ]
    columns = ["answers", "ECE", "95 % interval", "over bins of equal mass", "mean probability"]
    return table([*columns, "right"], rows)


def _verification(found: Verification | None) -> str:
    title = "## Pairs of photographs"
    if found is None:
        return f"{title}\n\nNot measured: no pairs were given (`--pairs FILE`, as LFW has them)."
    drawn = "drawn" if found.folds == "drawn" else "of the file"
    text = (
        f"**{percent(found.accuracy)} ± {percent(found.standard_error)}** of {found.pairs:,} "
        f"pairs, {found.same:,} of them of one person, are told apart: mean and standard error "
        f"over ten folds ({drawn}), each at the threshold that is best for the other nine. "
        f"{found.without_face:,} pairs have a photograph without a usable face, which counts as a "
        "mistake."
    )
    rows = [(f"TAR at FAR {rate_text(at.rate)}", at.found) for at in found.tar_at_far]
    return "\n\n".join([title, text, _estimates(rows, "pairs")])
