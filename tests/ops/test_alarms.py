"""Alarms by webhook, Slack and e-mail, as a server sends them; none of it needs a worker."""

import html
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.ops.conftest import NOWHERE, Place, Sink, until
from tests.ops.sinks import SLACK_PATH, Sinks

pytestmark = pytest.mark.timeout(600)
SENT = ["Slack: sent", "e-mail: sent", "webhook: sent"]
SECRETS = ("s3cret", "s3cr3t", SLACK_PATH)
DEAD = {
    "webhook": "http://127.0.0.1:9/s3cret",
    "Slack": "https://hooks.slack.com/services/T0/B0/s3cr3tAndRevoked",
    "e-mail": "mailto://elenco:s3cr3t@127.0.0.1:9?from=elenco@example.com",
}


# What `daily_refresh` does at its end, on a day on which all went wrong.
BAD_DAY = """
from prefect import flow
from elenco.settings import load_settings
from elenco.types import PublishedRef
from tasks.report import refresh_state

@flow
def bad_day():
    reason = 'names fewer rightly, beyond "noise" & <b>'
    published = PublishedRef("v000002", "not promoted", reason, "v000001", {})
    return refresh_state({}, published, load_settings())

state = bad_day(return_state=True)
print(state.type.value, state.name, state.message, sep=" | ")
"""


@contextmanager
def deployed(place: Place, **changed: str) -> Iterator[list[str]]:
    """With other settings, meanwhile; what was changed."""
    done = place.elenco("deploy", **changed)
    assert done.returncode == 0, done.stderr
    try:
        yield done.stdout.splitlines()
    finally:
        again = place.elenco("deploy")
        assert again.returncode == 0, again.stderr


def of_test(place: Place) -> dict[str, Any]:
    [found] = [a for a in place.api("automations/filter", {}) if a["name"] == "elenco: alarm test"]
    return found


@contextmanager
def without_worker(place: Place) -> Iterator[None]:
    """It is stopped as by Ctrl-Z, meanwhile."""
    worker = place.pid("worker")
    children = Path(f"/proc/{worker}/task/{worker}/children").read_text().split()
    assert children
    for pid in (worker, *map(int, children)):
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in (worker, *map(int, children)):
            os.kill(pid, signal.SIGCONT)


def test_a_test_reaches_every_address(place: Place, sink: Sink, sinks: Sinks):
    """The server speaks to Slack and SMTP as it does elsewhere, TLS included: a proxy and a
    certificate that it is told to trust lead to sinks. What is proven is what arrives at Slack's
    host and path, as JSON; that Slack shows it is not."""
    for kept in (sink.posted, sinks.slack.posted, sinks.mail.taken):
        kept.clear()
    with without_worker(place):
        done = place.elenco("alarms", "test")
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(done.stdout.splitlines()) == SENT
    text = "nothing has happened: this is what an alarm looks like"
    assert {"alarm": "test", "text": f"Elenco, test: {text}"} in sink.posted
    said = [(a["title"], a["text"]) for post in sinks.slack.posted for a in post["attachments"]]
    assert ("Elenco, test", text) in said
    mails = [(to, m) for to, m in sinks.mail.taken if m["Subject"] == "Elenco, test"]
    assert [to for to, _ in mails] == [["ops@example.com"], ["night@example.com"]]
    for _, mail in mails:
        assert mail["From"] == "elenco@example.com"
        assert mail.get_content_type() == "text/plain"
        assert mail.get_content().strip() == text


def test_a_failed_run_is_told_to_every_address(place: Place, sink: Sink, sinks: Sinks):
    run = place.start("enforce_retention", parameters={"config": "<b>.toml"})
    assert place.ended(run)["state_type"] == "FAILED"
    name = place.run(run)["name"]

    def found(kept: list[Any]) -> list[str]:
        return [text for one in kept if name in (text := str(one))]

    until("a post", lambda: found(sink.posted))
    until("a post to Slack", lambda: found(sinks.slack.posted))
    until("mail", lambda: found([m.get_content() for _, m in sinks.mail.taken]))
    bodies = [m.get_content() for _, m in sinks.mail.taken if m["Subject"] == "Elenco, failed"]
    [first, *_] = found(bodies)
    assert first.startswith(f"enforce_retention {name}: Failed: ")
    assert "<b>.toml" in first
    [post] = [p for p in sinks.slack.posted if name in str(p)]
    assert post["attachments"][0]["title"] == "Elenco, failed"
    assert "&lt;b&gt;.toml" in post["attachments"][0]["text"]


def test_a_bad_day_is_told_to_every_address(place: Place, sink: Sink, sinks: Sinks, tmp_path: Path):
    for kept in (sink.posted, sinks.slack.posted, sinks.mail.taken):
        kept.clear()
    version = tmp_path / "recogniser" / "v000002"
    version.mkdir(parents=True)
    lines = ["9 of 40 people left, more than 5%", "the median quality fell"]
    (version / "drift.json").write_text(json.dumps({"alarm": lines}))
    environment = {
        "PREFECT_API_URL": f"{place.state['url']}/api",
        "PREFECT_API_AUTH_STRING": (place.ops / "secrets" / "server_auth").read_text().strip(),
        "PREFECT_LOGGING_LEVEL": "WARNING",
        "ELENCO_PATHS__MODELS": str(tmp_path),
    }
    done = subprocess.run(
        [sys.executable, "-c", BAD_DAY],
        env=place.environment | environment,
        cwd=place.folder,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    reason = 'v000002: names fewer rightly, beyond "noise" & <b>'
    assert done.stdout == f"COMPLETED | Not promoted | {reason}\n"
    told = sorted([("not promoted", reason), *(("drift", line) for line in lines)])

    def posted() -> list[tuple[str, str]]:
        ours = [p for p in sink.posted if p["alarm"] in ("drift", "not promoted")]
        return sorted((p["alarm"], p["text"]) for p in ours)

    def of_slack() -> list[tuple[str, str]]:
        said = [(a["title"], a["text"]) for p in sinks.slack.posted for a in p["attachments"]]
        return sorted((alarm.removeprefix("Elenco, "), text) for alarm, text in said)

    def mailed() -> list[tuple[str, str, str]]:
        return sorted(
            (to, m["Subject"].removeprefix("Elenco, "), m.get_content().strip())
            for [to], m in sinks.mail.taken
        )

    until("three posts", lambda: len(posted()) >= len(told))
    until("three posts to Slack", lambda: len(of_slack()) >= len(told))
    until("three mails to each of two", lambda: len(mailed()) >= 2 * len(told))
    assert posted() == [(alarm, f"Elenco, {alarm}: {text}") for alarm, text in told]
    assert of_slack() == [(alarm, html.escape(text, quote=False)) for alarm, text in told]
    recipients = ("night@example.com", "ops@example.com")
    assert mailed() == [(to, alarm, text) for to in recipients for alarm, text in told]


@pytest.mark.parametrize("kind", DEAD)
def test_an_address_that_is_dead_silences_no_other_and_shows_nothing(place: Place, kind: str):
    name = {"webhook": "WEBHOOK", "Slack": "SLACK", "e-mail": "EMAIL"}[kind]
    changed = {f"ELENCO_ALARMS__{name}_URL": DEAD[kind], f"ELENCO_ALARMS__{name}_URL_FILE": ""}
    before = of_test(place)
    with deployed(place, **changed) as said:
        assert said == [f"alarms by {kind} changed"]
        assert of_test(place)["actions"] == before["actions"]
        done = place.elenco("alarms", "test", **changed)
    assert done.returncode == 1
    assert done.stderr == "elenco: not every address has taken the test\n"
    [wrong] = set(done.stdout.splitlines()) - set(SENT)
    assert wrong.startswith(f"{kind}: not sent: ")
    assert set(SENT) - set(done.stdout.splitlines()) == {f"{kind}: sent"}
    failed = {"filter": {"event": {"name": ["prefect.automation.action.failed"]}}}
    events = place.api("events/filter", failed)["events"]
    action = "call-webhook" if kind == "webhook" else "send-notification"
    assert events[0]["payload"]["action_type"] == action
    logs = "".join(p.read_text(errors="replace") for p in (place.ops / "log").iterdir())
    assert "Action failed" in logs
    everything = place.api("events/filter", {"filter": {}, "limit": 50})["events"]
    blocks = place.api("block_documents/filter", {})
    assert len([b for b in blocks if b["name"].startswith("elenco-alarms")]) == 3
    shown = json.dumps([events, everything, blocks]) + logs + done.stdout + done.stderr
    assert not [secret for secret in SECRETS if secret in shown]


def test_what_is_not_set_or_not_deployed_is_said(place: Place):
    with deployed(place, **NOWHERE) as changed:
        assert "alarms by Slack deleted" in changed
        blocks = place.api("block_documents/filter", {})
        assert not [b for b in blocks if b["name"].startswith("elenco-alarms")]
        done = place.elenco("alarms", "test", **NOWHERE)
        assert done.returncode == 1
        assert done.stderr.startswith("elenco: alarms go nowhere: set ELENCO_ALARMS__WEBHOOK_URL")
        done = place.elenco("alarms", "test")
        assert done.returncode == 1
        assert done.stderr == (
            "elenco: webhook, Slack, e-mail: set, but the server does not know it yet: "
            "`elenco deploy` tells it\n"
        )
        alone = {k: v for k, v in NOWHERE.items() if "WEBHOOK" not in k}
        assert "alarms by webhook created" in place.elenco("deploy", **alone).stdout
        assert place.elenco("alarms", "test", **alone).stdout == "webhook: sent\n"
        done = place.elenco("alarms", "test")
        assert done.returncode == 1
        assert "Slack: set, but the server does not know it yet" in done.stdout
        assert "webhook: sent" in done.stdout
    assert sorted(place.elenco("alarms", "test").stdout.splitlines()) == SENT


def test_an_alarm_that_was_switched_off_stays_off(place: Place):
    path = f"automations/{of_test(place)['id']}"
    place.api(path, {"enabled": False}, "PATCH")
    try:
        assert place.elenco("deploy").stdout == "nothing has changed\n"
        done = place.elenco("alarms", "test")
        assert done.returncode == 1
        assert "'elenco: alarm test' is switched off" in done.stderr
        with deployed(place, **{k: v for k, v in NOWHERE.items() if "EMAIL" in k}):
            assert of_test(place)["enabled"] is False
            assert len(of_test(place)["actions"]) == 2
    finally:
        place.api(path, {"enabled": True}, "PATCH")
    assert sorted(place.elenco("alarms", "test").stdout.splitlines()) == SENT


def test_a_wrong_address_changes_nothing(place: Place):
    wrong = {
        "ELENCO_ALARMS__EMAIL_URL_FILE": "",
        "ELENCO_ALARMS__EMAIL_URL": "mailtos://elenco:s3cr3t/x@smtp.example.com?from=a@example.com",
    }
    done = place.elenco("deploy", **wrong)
    assert done.returncode == 1
    assert done.stderr.startswith("elenco: alarms.email_url is no address that mail can be sent by")
    assert done.stderr.count("\n") == 1
    assert "s3cr3t" not in done.stderr
    assert place.elenco("deploy").stdout == "nothing has changed\n"
