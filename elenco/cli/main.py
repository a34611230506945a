"""Commands, their options, and one line instead of a traceback for what a user can mend."""

import errno
import sys
from pathlib import Path
from typing import Annotated

import typer

from elenco.errors import ElencoError

app = typer.Typer(
    name="elenco",
    help="Who is on screen? A face recogniser of popular actors, refreshed every day.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
models = typer.Typer(help="Versions of the recogniser.", no_args_is_help=True)
app.add_typer(models, name="models")

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", help="Settings file (TOML). Default: config/default.toml."),
]
PeopleOption = Annotated[int | None, typer.Option("--people", help="How many people.")]


@app.command()
def demo(
    photos: Annotated[
        Path | None,
        typer.Option("--photos", help="Folder of {person}/{photo}.jpg instead of invented people."),
    ] = None,
    people: PeopleOption = None,
) -> None:
    """Serve a cast on this machine, refresh from it, and say who is in a few new pictures."""
    from elenco.cli.demo import run

    run(photos, people)


@app.command("demo-server")
def demo_server(
    photos: Annotated[
        Path | None,
        typer.Option("--photos", help="Folder of {person}/{photo}.jpg instead of invented people."),
    ] = None,
    people: Annotated[int, typer.Option("--people", help="How many invented people.")] = 40,
    host: Annotated[str, typer.Option("--host")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", help="0 takes a free one.")] = 8350,
    token: Annotated[str, typer.Option("--token", help="The bearer token it wants.")] = "demo",
) -> None:
    """Serve a cast with TMDB's endpoints, limits and errors, until interrupted."""
    from elenco.cli.demo import make_cast
    from elenco.demo.serve import serve_forever

    serve_forever(make_cast(photos, people), host, port, token)


@app.command()
def refresh(config: ConfigOption = None, people: PeopleOption = None) -> None:
    """Run the daily refresh once."""
    from elenco.cli.launch import run_refresh

    run_refresh(config, people)


@app.command()
def recognise(
    images: Annotated[list[Path], typer.Argument(help="Pictures of any common format.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list.")] = False,
    config: ConfigOption = None,
) -> None:
    """Say who is in each picture: every face with its box, name and probability, or unknown."""
    from elenco.cli.recognise import run

    run(images, as_json, config)


@app.command()
def verify(config: ConfigOption = None) -> None:
    """Compare the photographs on disk with the manifests; exits 1 if anything is wrong."""
    from elenco.cli.verify import run

    run(config)


@app.command()
def forget(
    person: Annotated[str, typer.Argument(help="An id, or a whole name.")],
    lift: Annotated[bool, typer.Option("--lift", help="Let them come back instead.")] = False,
    config: ConfigOption = None,
) -> None:
    """Delete all that is a person's, and keep them from coming back."""
    from elenco.cli.rights import run_forget

    run_forget(person, lift, config)


@app.command()
def purge(
    source: Annotated[str, typer.Option("--source", help="tmdb, or folder for all folders.")],
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask.")] = False,
    config: ConfigOption = None,
) -> None:
    """Delete everything that came from a source, and all that was made of it."""
    from elenco.cli.rights import run_purge

    run_purge(source, yes, config)


@models.command("list")
def models_list(config: ConfigOption = None) -> None:
    """All versions, with their figures; the current one is marked."""
    from elenco.cli.models import list_versions

    list_versions(config)


@models.command("show")
def models_show(
    version: Annotated[str, typer.Argument(help="Such as v000003, or `current`.")] = "current",
    config: ConfigOption = None,
) -> None:
    """The card of one version."""
    from elenco.cli.models import show

    show(version, config)


@models.command("promote")
def models_promote(version: str, config: ConfigOption = None) -> None:
    """Make a version the current one."""
    from elenco.cli.models import promote

    promote(version, config)


@models.command("rollback")
def models_rollback(config: ConfigOption = None) -> None:
    """Go back to the version that was current before."""
    from elenco.cli.models import rollback

    rollback(config)


def main() -> None:
    """Entry point of the `elenco` command; exits 1 with one line on an error a user can mend."""
    try:
        app()
    except ElencoError as error:
        sys.exit(f"elenco: {error}")
    except KeyboardInterrupt:
        sys.exit("elenco: interrupted; what is done is kept, run the same command to go on")
    except OSError as error:
        if error.errno not in _DISK:
            raise
        where = f" ({error.filename})" if error.filename else ""
        sys.exit(
            f"elenco: {error.strerror}{where}: make room or give the right to write, then run the "
            "same command again; what was there is kept"
        )


_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS)
