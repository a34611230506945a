"""What was found in a video, for a terminal and for a report."""

from collections.abc import Mapping

from elenco.report.sheet import data_uri
from elenco.text import escaped
from elenco.xray.types import Count, XRay

MOST_SHOWN = 20  # people, and unknown ones, in a list


def clock(seconds: float) -> str:
    """Hours, minutes and seconds, as a player shows them."""
    whole = int(seconds)
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours}:{minutes:02d}:{whole % 60:02d}"


def summary_lines(xray: XRay) -> list[str]:
    """Who is seen for how long, a line each, and what was looked at."""
    video = xray.video
    lines = [
        f"{video.name}: {clock(video.duration)}, {video.width}x{video.height}, "
        f"{len(xray.shots):,} shots in {len(xray.scenes):,} scenes, {len(xray.tracks):,} tracks"
    ]
    for person in xray.people[:MOST_SHOWN]:
        played = f" as {person.character}" if person.character else ""
        first = clock(person.appearances[0].start)
        lines.append(
            f"  {person.name}{played}: {person.seconds:.1f} s in {len(person.appearances)} "
            f"appearance(s), first at {first}, {person.confidence:.0%} sure"
        )
    if len(xray.people) > MOST_SHOWN:
        lines.append(f"  and {len(xray.people) - MOST_SHOWN:,} more")
    if not xray.people:
        lines.append("  nobody who is known")
    if xray.unknown:
        most = xray.unknown[0]
        lines.append(
            f"  {len(xray.unknown):,} unknown: {most.label} is seen for {most.seconds:.1f} s "
            f"in {most.scenes} scene(s)"
        )
    return [*lines, *count_lines(xray)]


def count_lines(xray: XRay) -> list[str]:
    """What was given, kept and skipped."""
    counts = xray.counts
    names = {"frames": counts.frames, "faces": counts.faces, "cast": counts.cast}
    return [_count_line(name, count) for name, count in names.items()]


def xray_markdown(xray: XRay, sheet: bytes | None) -> str:
    """The report of a run.

    Args:
        xray: what was found.
        sheet: a JPEG of faces.
    """
    video, model = xray.video, xray.model
    rows = [
        f"| {escaped(p.name)} | {escaped(p.character or '')} | {p.seconds:.1f} "
        f"| {len(p.appearances)} | {p.confidence:.0%} |"
        for p in xray.people
    ]
    rows += [
        f"| {u.label} | | {u.seconds:.1f} | {len(u.appearances)} | |"
        for u in xray.unknown[:MOST_SHOWN]
    ]
    away = [m.name for m in xray.cast.members if m.standing != "seen"]
    parts = [
        f"# {escaped(video.name)}",
        f"{clock(video.duration)}, {video.width}x{video.height}, {video.codec}, "
        f"{len(xray.shots):,} shots in {len(xray.scenes):,} scenes; "
        f"{model.version}, {model.people:,} people known.",
        "| who | as | seconds | appearances | sure |\n|---|---|---|---|---|\n" + "\n".join(rows),
        "\n".join(f"- {line}" for line in count_lines(xray)),
    ]
    if away:
        parts.append(f"Of the cast, not seen or not known: {', '.join(map(escaped, away))}.")
    if sheet is not None:
        parts += ["## Faces", f"![faces]({data_uri(sheet)})"]
    return "\n\n".join(parts) + "\n"


def captions(xray: XRay) -> Mapping[str, str]:
    """Path of the best face of everybody who is in the report -> who that is."""
    people = {person.face: person.name for person in xray.people[: 2 * MOST_SHOWN]}
    return people | {unknown.face: unknown.label for unknown in xray.unknown[:MOST_SHOWN]}


def _count_line(name: str, count: Count) -> str:
    skipped = ", ".join(f"{reason} {number:,}" for reason, number in count.skipped.items())
    line = f"{name}: {count.given:,} given, {count.kept:,} kept"
    return f"{line}; {skipped}" if skipped else line
