"""The addresses that alarms go to, kept by the server as secret blocks."""

import logging
import re
from urllib.parse import parse_qs
from uuid import UUID

from apprise import Apprise
from prefect.blocks.notifications import SlackWebhook
from prefect.blocks.webhook import Webhook
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import BlockDocument
from prefect.exceptions import ObjectNotFound
from prefect.logging.loggers import LogEavesdropper
from pydantic import SecretStr

from elenco.errors import ConfigError
from elenco.settings import Alarms

BLOCKS = {  # of each kind: the block's type and name
    "webhook": ("webhook", "elenco-alarms"),
    "Slack": ("slack-webhook", "elenco-alarms-slack"),
    "e-mail": ("slack-webhook", "elenco-alarms-email"),
}


def check(alarms: Alarms) -> None:
    """See whether mail can be sent by the address, as the server's own library reads it.

    Raises:
        ConfigError: it can't; the message does not have it.
    """
    if "e-mail" not in alarms.addresses:
        return
    apprise, log = Apprise(), logging.getLogger("apprise")
    propagate, log.propagate = log.propagate, False  # what it logs has parts of the address
    try:
        with LogEavesdropper("apprise", level=logging.WARNING) as heard:
            apprise.add(_plain(alarms.email_url).get_secret_value())
    finally:
        log.propagate = propagate
    hosts = [getattr(server, "smtp_host", "") for server in apprise.servers]
    if len(hosts) != 1 or not hosts[0] or heard.text() or _misread(alarms.email_url):
        raise ConfigError(
            "alarms.email_url is no address that mail can be sent by: give "
            "mailtos://user:password@smtp.example.com:587?from=elenco@example.com&to=ops@example.com"
            ", with @ : / ? # % & of user and password as %40 %3A %2F %3F %23 %25 %26"
        )


def _misread(url: SecretStr) -> bool:
    """Whether Apprise makes less of it without a word: drops recipients, cuts a password short."""
    _, _, text = url.get_secret_value().partition("://")
    authority = re.split(r"[/?#]", text)[0]
    given = parse_qs(text.partition("?")[2])
    recipients = [
        one for key in ("to", "cc", "bcc") for one in ",".join(given.get(key, [])).split(",")
    ]
    return authority.count("@") > 1 or any(one.count("@") != 1 for one in recipients if one)


def apply(client: SyncPrefectClient, alarms: Alarms) -> tuple[dict[str, UUID], list[str]]:
    """Store those that are set; the block of each kind, and what was done."""
    blocks: dict[str, UUID] = {}
    done = []
    for kind, url in alarms.addresses.items():
        _, name = BLOCKS[kind]
        there = _read(client, kind, secret=True)
        block = _block(kind, url)
        if there is not None and there.data["url"] == block.url.get_secret_value():
            blocks[kind] = there.id
            continue
        blocks[kind] = block.save(name, overwrite=True, _sync=True)  # pyright: ignore[reportCallIssue]
        done.append(f"alarms by {kind} {'changed' if there is not None else 'created'}")
    return blocks, done


def forget(client: SyncPrefectClient, alarms: Alarms) -> list[str]:
    """Delete those that are not set, when no automation uses them any more; what was done."""
    gone = {id: kind for id, kind in stored(client).items() if kind not in alarms.addresses}
    for identity in gone:
        client.delete_block_document(identity)
    return [f"alarms by {kind} deleted" for kind in gone.values()]


def stored(client: SyncPrefectClient) -> dict[UUID, str]:
    """The kind of each block that the server has."""
    found = {kind: _read(client, kind, secret=False) for kind in BLOCKS}
    return {block.id: kind for kind, block in found.items() if block is not None}


def _read(client: SyncPrefectClient, kind: str, secret: bool) -> BlockDocument | None:
    slug, name = BLOCKS[kind]
    try:
        return client.read_block_document_by_name(name, slug, include_secrets=secret)
    except ObjectNotFound:
        return None


def _block(kind: str, url: SecretStr) -> Webhook | SlackWebhook:
    if kind == "webhook":
        headers = {"Content-Type": "application/json"}
        return Webhook(url=url, headers=headers)  # pyright: ignore[reportArgumentType]
    # Prefect has no block for SMTP, and its server knows no class of ours. This one hands an
    # address that is not Slack's to Apprise as it is, and Apprise sends mail.
    return SlackWebhook(url=url if kind == "Slack" else _plain(url), notify_type="warning")


def _plain(url: SecretStr) -> SecretStr:
    """As text: in HTML, which is Apprise's default, what looks like a tag would vanish."""
    text = url.get_secret_value()
    return SecretStr(f"{text}{'&' if '?' in text else '?'}format=text")
