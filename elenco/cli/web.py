"""`elenco web`: the recogniser in a browser."""

import tempfile
from pathlib import Path

from elenco.progress import console_sink
from elenco.schema import layout_to_read
from elenco.settings import load_settings


def run(out: Path | None, port: int, config: Path | None) -> None:
    """Write the page to a folder, or serve it on this machine until interrupted."""
    from elenco.export.web import export_web
    from elenco.export.web_server import serve_forever

    settings = load_settings(config)
    layout = layout_to_read(settings)
    with tempfile.TemporaryDirectory(prefix="elenco-web-") as scratch, console_sink():
        written = export_web(out or Path(scratch) / "page", settings, layout)
        print(
            f"{written.version}: {written.people:,} people, models of {written.megabytes:.1f} MB "
            f"({', '.join(f'{name} {kind}' for name, kind in written.stored.items())})"
        )
        if out is not None:
            print(f"written to {out}: any web server can hand it out (see its README.md)")
            return
        serve_forever(
            Path(scratch) / "page",
            port,
            lambda url: print(f"open {url} (Ctrl-C stops); pictures stay in the browser"),
        )
