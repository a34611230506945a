"""The address that alarms go to, kept by the server as a secret block."""

from uuid import UUID

from prefect.blocks.core import Block
from prefect.blocks.webhook import Webhook
from prefect.client.orchestration import SyncPrefectClient
from pydantic import SecretStr

NAME = "elenco-alarms"


def apply(client: SyncPrefectClient, url: SecretStr) -> tuple[UUID | None, str]:
    """Store it, or delete it where it is empty; the block's id, and what was done, or ""."""
    there = _read(client)
    if not url.get_secret_value():
        if there is None:
            return None, ""
        identity = there._block_document_id
        client.request("DELETE", "/block_documents/{id}", path_params={"id": identity})
        return None, "webhook deleted"
    if there is not None and there.url == url:
        return there._block_document_id, ""
    block = Webhook(url=url, headers={"Content-Type": "application/json"})  # pyright: ignore[reportArgumentType]
    identity = block.save(NAME, overwrite=True, _sync=True)  # pyright: ignore[reportCallIssue]
    return identity, f"webhook {'changed' if there is not None else 'created'}"


def _read(client: SyncPrefectClient) -> Webhook | None:
    try:
        found = Block.load(f"webhook/{NAME}", _sync=True)  # pyright: ignore[reportCallIssue]
    except ValueError:
        return None
    assert isinstance(found, Webhook)
    return found
