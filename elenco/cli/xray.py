"""`elenco xray`: who is on screen in a video."""

from pathlib import Path

from elenco.errors import ConfigError
from elenco.progress import console_sink
from elenco.schema import layout_to_read
from elenco.settings import load_settings


def run(
    video: Path,
    out: Path,
    cast: Path | None,
    movie: int | None,
    everybody: bool,
    burn_in: bool,
    config: Path | None,
) -> None:
    """Look through a video, write `xray.json` and its other forms, and print who is seen.

    Raises:
        ConfigError: a cast is given with everybody.
    """
    from elenco.xray.cast import choose_cast
    from elenco.xray.outputs import output_paths
    from elenco.xray.report import summary_lines
    from elenco.xray.run import annotate, load_tools

    if everybody and (cast is not None or movie is not None):
        raise ConfigError("--everyone names whoever is known: leave it out, or --cast and --movie")
    settings = load_settings(config)
    with console_sink():
        wanted = choose_cast(cast, movie, settings)
        tools = load_tools(settings, layout_to_read(settings))
        xray = annotate(video, out, wanted, settings, tools, burn_in=burn_in)
    print("\n".join(summary_lines(xray)))
    print("\n".join(f"written: {path}" for path in output_paths(out, burn_in)))
