"""Who is on screen in a video."""

from pathlib import Path

from prefect import task
from prefect.artifacts import (
    create_link_artifact,
    create_markdown_artifact,
    create_table_artifact,
)
from prefect.client.schemas.objects import State
from prefect.states import Completed

from elenco.schema import layout_to_read
from elenco.settings import Settings
from elenco.xray import run
from elenco.xray.cast import Wanted, choose_cast
from elenco.xray.files import read_xray
from elenco.xray.outputs import PAGE
from elenco.xray.report import xray_markdown
from elenco.xray.screen_time import screen_time_rows
from elenco.xray.sheet import face_sheet
from tasks.progress import progress_artifact


@task(task_run_name="find the cast")
def find_cast(cast: Path | None, movie: int | None, settings: Settings) -> Wanted:
    """Who may be named."""
    return choose_cast(cast, movie, settings)


@task(task_run_name="annotate {video.name}")
def annotate(
    video: Path, out: Path, wanted: Wanted, settings: Settings, burn_in: bool
) -> dict[str, int]:
    """Look through the video, name the tracks, write all forms; nothing is done twice."""
    tools = run.load_tools(settings, layout_to_read(settings))
    with progress_artifact():
        xray = run.annotate(video, out, wanted, settings, tools, burn_in=burn_in)
    return {"people": len(xray.people), "unknown": len(xray.unknown), "tracks": len(xray.tracks)}


@task(task_run_name="report on {video.name}")
def report_xray(video: Path, out: Path) -> None:
    """Who is seen for how long, counts, a picture of faces; a table; where the player is."""
    xray = read_xray(out)
    create_markdown_artifact(xray_markdown(xray, face_sheet(xray, out)), key="annotate-video")
    create_table_artifact(screen_time_rows(xray), key="annotate-video-screen-time")
    # A browser follows no link from a server to a file: the text says where it is.
    page = (out / PAGE).resolve()
    create_link_artifact(page.as_uri(), link_text=str(page), key="annotate-video-player")


def annotation_state(counts: dict[str, int]) -> State[dict[str, int]]:
    """Completed, with a message that says who was seen."""
    people, unknown, tracks = (counts[name] for name in ("people", "unknown", "tracks"))
    message = f"{people:,} named, {unknown:,} unknown, in {tracks:,} tracks of faces"
    return Completed(message=message, data=counts)
