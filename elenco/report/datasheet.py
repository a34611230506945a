"""The datasheet of the data that a version was made from.

After Gebru et al. 2021, "Datasheets for Datasets" (arXiv:1803.09010): its sections, and of its
questions those that have an answer here. Every number is measured; "not measured" stands where
there is none.
"""

from collections.abc import Mapping, Sequence
from typing import Any

SOURCES = {
    "tmdb": "The Movie Database (TMDB), by its API; photographs that its users uploaded",
    "folder": "a folder with one subfolder of photographs a person",
}
UNITS = {
    "quality": "quality, 0 to 1",
    "sizes": "pixels between the eyes",
    "sharpness": "sharpness, 1 for the median photograph of LFW",
    "yaws": "degrees that the head is turned to a side",
    "norms": "length of the vector before it is brought to 1",
}


def datasheet_markdown(card: Mapping[str, Any], statistics: Mapping[str, Any]) -> str:
    """The datasheet.

    Args:
        card: the version's card, as `elenco.report.card.write_card` returns it.
        statistics: as `elenco.recognition.statistics.data_statistics` returns them.
    """
    data, source = card["data"], card["source"]
    origin, photographs = data["origin"], data["photographs"]
    retention = card["settings"]["retention"]
    people, total = statistics["people"], sum(photographs.values())
    without = total + sum(data["quarantined"].values()) - origin["known"]
    return f"""# Datasheet: photographs of {card["people"]:,} people

Of the data that this version was made from, on {card["created"]}. The card says how good the
version is, `statistics.json` has all numbers of the embeddings.

## Motivation

Made to train a recogniser that suggests who is on screen. Nothing else was in mind.

## Composition

An instance is a photograph of a person with the name that the source gives it: an aligned face of
256×256 pixels, and its embedding by {card["space"]["embedder"]}.

| | to train on | held out |
|---|---:|---:|
| people | {people["train"]:,} | {people["test"]:,} |
| photographs | {photographs["train"]:,} | {photographs["test"]:,} |
| quarantined, in neither | {data["quarantined"]["train"]:,} | {data["quarantined"]["test"]:,} |

- {_listed(origin["listed"])}
- People on the list of those who were forgotten, who are not in it: {data["forgotten"]:,}.
- A held-out photograph is one whose hash says so; the same ones are held out every day.
- Labels are the source's. Two photographs may show the same moment; near duplicates that were
  found are quarantined.
- Faces of real people with their names: personal and biometric data. Sex, age, origin and skin
  colour are recorded nowhere.

Quarantined, by reason:

{_reasons(statistics["quarantined"]["reasons"])}
## What the photographs are like

Of photographs that are not quarantined.

| | {" | ".join(f"{q:.0%}" for q in statistics["quantiles"])} |
|---|{"---:|" * len(statistics["quantiles"])}
{_quantiles(origin, statistics)}
{_unusable(statistics["unusable"])}

| cosine of two photographs | pairs | mean | standard deviation |
|---|---:|---:|---:|
{_cosines("of one person", statistics["within"])}
{_cosines("of two people", statistics["between"])}

## Collection

From {SOURCES[source]}.

- The manifest has {origin["known"]:,} of these photographs and those quarantined, and not
  {without:,}.
- First fetched {_said(origin["first_fetched"])}, last {_said(origin["last_fetched"])}.
- Licence of the photographs: {card["licences"]["photographs"]}.
- The people in them were not asked. Who wants to be left out is forgotten with `elenco forget`.

What could not be collected, in the records of the source as they are now:

{_reasons(origin["skipped"]["collect"])}
## Preparation

Faces are found by MTCNN and aligned by five landmarks. Photographs without a usable face:

{_reasons(origin["skipped"]["detect"])}
How the person's face was chosen: `only` where there is one face, `agreement` with their other
photographs, `size` where those did not tell.

{_reasons(origin["chosen"])}
## Uses

For this recogniser and for measuring it. Not for recognising people who did not agree to it, for
surveillance, for access control, for guessing what a person is like, or as a measure of how well
faces of a group are recognised.

## Distribution

Not meant to be given away: neither photographs nor faces nor embeddings. A version holds a vector a
person. Licence of the embedder's weights: {card["licences"]["weights"]}.

## Maintenance

Refreshed every day from the source. `elenco forget` deletes a person from the data and from every
version. Versions are removed as `publish.keep_versions` says.

- photographs of TMDB are fetched anew after {retention["refresh_days"]} days
- and deleted after {retention["max_days"]}
- what the source lists no more is kept aside for {retention["retired_days"]} days

Inputs: {", ".join(f"{name} {digest}" for name, digest in card["inputs"].items())}.
"""


def _listed(people: int | None) -> str:
    missing = "people of whom no face could be used are missing"
    if people is None:
        return f"How many people the source listed is not known; {missing}."
    return f"The source listed {people:,} people; {missing}."


def _said(text: str | None) -> str:
    return "at a time that is not known" if text is None else text


def _reasons(reasons: Mapping[str, int]) -> str:
    if not reasons:
        return "None.\n"
    rows = [f"| {reason} | {count:,} |" for reason, count in reasons.items()]
    return "\n".join(["| | photographs |", "|---|---:|", *rows, ""])


def _quantiles(origin: Mapping[str, Any], statistics: Mapping[str, Any]) -> str:
    width = len(statistics["quantiles"])
    rows = [
        _row("width, pixels", origin["width"], width),
        _row("height, pixels", origin["height"], width),
        *(_row(title, statistics[name], width) for name, title in UNITS.items()),
    ]
    return "\n".join(rows) + "\n"


def _row(title: str, values: Sequence[float] | None, width: int) -> str:
    cells = ["not measured"] * width if values is None else [f"{value:.4g}" for value in values]
    return f"| {title} | {' | '.join(cells)} |"


def _unusable(found: Mapping[str, Any]) -> str:
    if found["share"] is None:
        return "How many are unusable was not measured."
    return (
        f"Of all photographs {found['photographs']:,} ({found['share']:.2%}) have a quality under "
        f"{found['below']:g} and count as unusable."
    )


def _cosines(title: str, found: Mapping[str, Any]) -> str:
    mean, sd = (
        "not measured" if found[name] is None else f"{found[name]:.4f}" for name in ("mean", "sd")
    )
    return f"| {title} | {found['pairs']:,} | {mean} | {sd} |"
