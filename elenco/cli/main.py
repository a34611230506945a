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
curate = typer.Typer(help="Photographs that are left out, and why.", no_args_is_help=True)
app.add_typer(curate, name="curate")
alarms = typer.Typer(help="What tells a person that something is wrong.", no_args_is_help=True)
app.add_typer(alarms, name="alarms")

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", help="Settings file (TOML). Default: config/default.toml."),
]
PeopleOption = Annotated[int | None, typer.Option("--people", help="How many people.")]
PhotographsArgument = Annotated[list[str], typer.Argument(metavar="PERSON/KEY...")]


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
def web(
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Write the page to this folder instead of serving it."),
    ] = None,
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="0 takes a free one.")
    ] = 8360,
    config: ConfigOption = None,
) -> None:
    """Recognise in the browser: pictures, videos, the camera. Nothing leaves the machine."""
    from elenco.cli.web import run

    run(out, port, config)


@app.command()
def evaluate(
    photos: Annotated[
        Path | None,
        typer.Option("--photos", help="Folder of {person}/{photo}.jpg instead of the version."),
    ] = None,
    pairs: Annotated[
        Path | None,
        typer.Option("--pairs", help="Pairs of these photographs, in LFW's format."),
    ] = None,
    min_photos: Annotated[
        int,
        typer.Option("--min-photos", min=2, help="From how many on a person of --photos is known."),
    ] = 5,
    out: Annotated[Path | None, typer.Option("--out", help="Folder for the report.")] = None,
    config: ConfigOption = None,
) -> None:
    """Measure the version in use on held-out photographs, or a recogniser made of a folder."""
    from elenco.cli.evaluate import run

    run(photos, pairs, min_photos, out, config)


@app.command()
def xray(
    video: Annotated[Path, typer.Argument(help="A video file.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for xray.json and all else.")],
    cast: Annotated[
        Path | None,
        typer.Option(
            "--cast", help="Who may be named: .toml, .json or .csv (config/cast.example)."
        ),
    ] = None,
    movie: Annotated[
        int | None, typer.Option("--movie", help="TMDB's number of the film, for its cast.")
    ] = None,
    everybody: Annotated[
        bool, typer.Option("--everyone", help="Name whoever the recogniser knows: the default.")
    ] = False,
    burn_in: Annotated[
        bool,
        typer.Option("--burn-in", help="Write annotated.mp4 too: the film with boxes and names."),
    ] = False,
    config: ConfigOption = None,
) -> None:
    """Say who is on screen in a video, and when and where, with a player; a killed run goes on."""
    from elenco.cli.xray import run

    run(video, out, cast, movie, everybody, burn_in, config)


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


@app.command()
def backup(
    to: Annotated[str, typer.Argument(help="A folder, or an address such as s3://bucket/elenco.")],
    keep: Annotated[
        int | None, typer.Option("--keep", min=1, help="Delete all but so many of the newest.")
    ] = None,
    database: Annotated[
        str | None,
        typer.Option("--database", help="URL of Prefect's database. Default: the one in use."),
    ] = None,
    no_database: Annotated[
        bool, typer.Option("--no-database", help="Leave Prefect's database out.")
    ] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Read again what was there, and mend it.")
    ] = False,
    config: ConfigOption = None,
) -> None:
    """Store data, models and Prefect's database; only what is new is written."""
    from elenco.cli.backup import run_backup

    run_backup(to, keep, database, no_database, check, config)


@app.command()
def backups(
    at: Annotated[str, typer.Argument(metavar="FROM", help="Where they are.")],
    check: Annotated[bool, typer.Option("--check", help="Read and compare everything.")] = False,
) -> None:
    """List the backups there are; exits 1 if one is damaged."""
    from elenco.cli.backup import run_backups

    run_backups(at, check)


@app.command()
def restore(
    source: Annotated[str, typer.Argument(metavar="FROM", help="Where the backups are.")],
    name: Annotated[
        str | None, typer.Option("--backup", help="Which. Default: the newest.")
    ] = None,
    into: Annotated[
        Path | None, typer.Option("--into", help="Folder for data/ and models/, instead of ours.")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace what is there, and delete what else is.")
    ] = False,
    database: Annotated[
        str | None,
        typer.Option("--database", help="URL of where Prefect's database goes."),
    ] = None,
    no_database: Annotated[
        bool, typer.Option("--no-database", help="Leave Prefect's database out.")
    ] = False,
    config: ConfigOption = None,
) -> None:
    """Put a backup back, every digest checked."""
    from elenco.cli.backup import run_restore

    run_restore(source, name, into, force, database, no_database, config)


@app.command()
def up(
    database: Annotated[
        str | None,
        typer.Option(
            "--database",
            help="Your own: postgresql://user@host:port/name; '' for one that is started. "
            "Default: as the last time.",
        ),
    ] = None,
    port: Annotated[int, typer.Option("--port", help="Of the user interface; 0: a free one.")] = 0,
    config: ConfigOption = None,
) -> None:
    """Start database, Prefect server and worker in the background, and deploy the flows."""
    from elenco.cli.ops import run_up

    run_up(config, database, port)


@app.command()
def down(config: ConfigOption = None) -> None:
    """Stop what `elenco up` started."""
    from elenco.cli.ops import run_down

    run_down(config)


@app.command()
def deploy(config: ConfigOption = None) -> None:
    """Tell the Prefect server of flows, schedules, limits and alarms; again changes nothing."""
    from elenco.cli.ops import run_deploy

    run_deploy(config)


@app.command()
def run(
    flow: Annotated[str, typer.Argument(help="Such as daily_refresh.")],
    param: Annotated[
        list[str] | None, typer.Option("--param", help="name=value, as often as needed.")
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Until it has ended.")] = False,
    config: ConfigOption = None,
) -> None:
    """Run a flow once: by the workers of the Prefect server, or here if there is none."""
    from elenco.cli.ops import run_deployment

    run_deployment(flow, param or [], watch, config)


@alarms.command("test")
def alarms_test(config: ConfigOption = None) -> None:
    """Have the Prefect server send a test to every address of alarms; exits 1 if it can't."""
    from elenco.cli.ops import run_alarm_test

    run_alarm_test(config)


@curate.command("list")
def curate_list(
    reason: Annotated[str | None, typer.Option("--reason", help="Of this reason alone.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list.")] = False,
    config: ConfigOption = None,
) -> None:
    """Every photograph that is left out, why, and where the page with the faces is."""
    from elenco.cli.curate import list_quarantined

    list_quarantined(reason, as_json, config)


@curate.command("keep")
def curate_keep(photographs: PhotographsArgument, config: ConfigOption = None) -> None:
    """Never leave these photographs out: they do show the person."""
    from elenco.cli.curate import keep

    keep(photographs, config)


@curate.command("drop")
def curate_drop(
    photographs: PhotographsArgument,
    why: Annotated[str, typer.Option("--why", help="For whoever reads the list.")] = "",
    config: ConfigOption = None,
) -> None:
    """Always leave these photographs out."""
    from elenco.cli.curate import drop

    drop(photographs, why, config)


@curate.command("auto")
def curate_auto(photographs: PhotographsArgument, config: ConfigOption = None) -> None:
    """Take back what was decided: the rules judge these photographs again."""
    from elenco.cli.curate import auto

    auto(photographs, config)


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


@models.command("diff")
def models_diff(
    before: Annotated[str, typer.Argument(help="Such as v000003, or `current`.")],
    after: Annotated[str, typer.Argument(help="The newer one.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    config: ConfigOption = None,
) -> None:
    """What moved from one version to another: people, photographs, embeddings, figures."""
    from elenco.cli.models import diff

    diff(before, after, as_json, config)


@models.command("add-person")
def models_add_person(
    folder: Annotated[Path, typer.Argument(help="Of photographs of one person.")],
    name: Annotated[str | None, typer.Option("--name", help="Default: the folder's.")] = None,
    person_id: Annotated[str | None, typer.Option("--id", help="Default: the folder's.")] = None,
    config: ConfigOption = None,
) -> None:
    """Make a version that knows a person more, without training, and use it."""
    from elenco.cli.models import add

    add(folder, name, person_id, config)


@models.command("remove-person")
def models_remove_person(
    person_id: Annotated[str, typer.Argument(help="Their id, as labels.json has it.")],
    config: ConfigOption = None,
) -> None:
    """Make a version that does not know a person, and use it; their photographs stay."""
    from elenco.cli.models import remove

    remove(person_id, config)


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
