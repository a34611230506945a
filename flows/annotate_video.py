"""Who is on screen in a video: shots -> faces -> tracks -> names, in `xray.json` and other forms.

A killed run goes on from the last segment of the video that it had finished.
"""

from pathlib import Path
from typing import Annotated

from prefect import flow
from prefect.client.schemas.objects import State
from pydantic import Field

from elenco.settings import load_settings
from tasks.failure import says_what_to_do
from tasks.xray import annotate, annotation_state, find_cast, report_xray


@flow(name="annotate_video", flow_run_name="annotate {video.name}")
@says_what_to_do
def annotate_video(
    video: Path,
    out: Path,
    cast: Path | None = None,
    movie: Annotated[int, Field(ge=1)] | None = None,
    burn_in: bool = False,
    config: str | None = None,
) -> State[dict[str, int]]:
    """Annotate a video.

    Args:
        video: the file.
        out: folder for `xray.json`, the other forms, the player and faces.
        cast: who may be named: a .toml, .json or .csv; by default whoever the recogniser knows.
        movie: TMDB's number of the film, for its cast, in place of a file.
        burn_in: write `annotated.mp4` as well, the film with boxes and names.
        config: a settings file; by default the one named by ELENCO_CONFIG or config/default.toml.
    """
    settings = load_settings(config)
    wanted = find_cast(cast, movie, settings)
    counts = annotate(video, out, wanted, settings, burn_in)
    report_xray(video, out)
    return annotation_state(counts)
