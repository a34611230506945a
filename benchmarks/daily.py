"""A first day and days without change, through PostgreSQL, Prefect's server and a worker.

    python benchmarks/daily.py                  # 10,000 people x 1 photograph, some 20 minutes
    python benchmarks/daily.py --people 500

Everything is as `elenco up` starts it, in a folder of its own; the server that stands for TMDB is
another process on the same cores. For each run it prints the seconds from its start to its end, as
Prefect has them, those until the command that asked for it knew (a worker looks for runs every ten
seconds), API requests, and how large the database is. What a day without change takes beyond its
requests is what Prefect and finding everything in place cost; the last line has it as a share of
the first day's time.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import httpx
from collect import TOKEN, serving, stats

from elenco.ops.places import Places
from elenco.storage import read_json

ROOT = Path(__file__).resolve().parents[1]
ELENCO = str(Path(sys.executable).parent / "elenco")
DAYS = 3  # without change


@dataclass(frozen=True)
class Run:
    """How long a run took, in seconds."""

    own: float
    asked: float
    requests: int
    database: float  # MiB


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--people", type=int, default=10_000)
    parser.add_argument("--photos", type=int, default=1)
    parser.add_argument("--rate", type=float, default=40.0, help="API requests a second")
    parser.add_argument("--data", type=Path, help="where to write (default: the temporary folder)")
    options = parser.parse_args()
    print(
        f"{options.people:,} people x {options.photos} photographs, API at {options.rate:g}/s, "
        f"{os.cpu_count()} cores\n"
        f"{'':14} {'run, s':>8} {'asked, s':>9} {'API requests':>13} {'database, MiB':>14}"
    )
    with (
        tempfile.TemporaryDirectory(dir=options.data) as folder,
        # As many portraits as people: what is one face under two ids would be reported.
        serving(options.people, options.photos, 0, 0, options.people * options.photos) as url,
    ):
        Path(folder).chmod(0o711)  # PostgreSQL runs as another account where root starts it
        days(Path(folder), url, options)


def days(folder: Path, url: str, options: argparse.Namespace) -> None:
    settings = {
        "PATHS__DATA": folder / "data",
        "PATHS__MODELS": folder / "models",
        "TMDB__API_URL": url,
        "TMDB__TOKEN": TOKEN,
        "TMDB__TERMS_ACCEPTED": "true",
        "TMDB__RATE_PER_SECOND": options.rate,
        "COLLECT__PEOPLE": options.people,
        "EMBEDDING__EMBEDDER": "dlib_resnet",
    }
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("ELENCO_", "PREFECT_"))}
    environment |= {f"ELENCO_{name}": str(value) for name, value in settings.items()}
    environment["PYTHONPATH"] = str(ROOT)
    elenco(environment, "up")
    try:
        first = measured(environment, folder / "data", url)
        show("first", first)
        unchanged = [measured(environment, folder / "data", url) for _ in range(DAYS)]
        for run in unchanged:
            show("without change", run)
        quickest = min(unchanged, key=lambda run: run.own)
        beyond = quickest.own - quickest.requests / options.rate
        print(f"beyond requests {beyond:.1f} s, {beyond / first.own:.1%} of the first day")
    finally:
        elenco(environment, "down")


def show(name: str, run: Run) -> None:
    print(
        f"{name:14} {run.own:8.1f} {run.asked:9.1f} {run.requests:13,} {run.database:14.1f}",
        flush=True,
    )


def measured(environment: dict[str, str], data: Path, url: str) -> Run:
    """Have a refresh run, and wait for its end."""
    before, started = stats(url)["api"]["requests"], time.monotonic()
    said = elenco(environment, "run", "daily_refresh", "--watch")
    asked = time.monotonic() - started
    if "Completed" not in said and "Promoted" not in said and "Nothing new" not in said:
        raise SystemExit(said)
    places = Places.of(data)
    base = read_json(places.topology)["url"]
    user, password = places.server_auth.read_text().strip().split(":", 1)
    body = {
        "flows": {"name": {"any_": ["daily_refresh"]}},
        "flow_runs": {"state": {"type": {"any_": ["COMPLETED"]}}},
        "sort": "END_TIME_DESC",
        "limit": 1,
    }
    answer = httpx.post(f"{base}/api/flow_runs/filter", json=body, auth=(user, password))
    run = answer.raise_for_status().json()[0]
    tables = [p for p in (places.database / "base").rglob("*") if p.is_file()]
    size = sum(p.stat().st_size for p in tables) / 2**20
    requests = stats(url)["api"]["requests"] - before
    return Run(run["total_run_time"], asked, requests, size)


def elenco(environment: dict[str, str], *words: str) -> str:
    done = subprocess.run(
        [ELENCO, *words], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"elenco {words[0]} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


if __name__ == "__main__":
    main()
