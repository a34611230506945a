"""What an alarm does and says: one action an address."""

import json
from uuid import UUID

from prefect.events.actions import ActionTypes, CallWebhook, SendNotification

# Templates, filled in by the server: `event` is there for every alarm but that of silence, and for
# events of a run `flow_run` and `flow` too.
MESSAGE = "{{ event.payload.message }}"
STATE = (
    "{{ flow.name }} {{ flow_run.name }}: {{ flow_run.state.name }}"
    "{% if flow_run.state.message %}: {{ flow_run.state.message }}{% endif %}"
)


def tell(blocks: dict[str, UUID], alarm: str, text: str) -> list[ActionTypes]:
    """Tell every address; the server carries each action out whatever becomes of the others.

    Args:
        blocks: of the addresses, by kind.
        alarm: what it is called.
        text: a template.
    """
    return [
        _call(block, alarm, text)
        if kind == "webhook"
        else SendNotification(block_document_id=block, subject=f"Elenco, {alarm}", body=text)
        for kind, block in blocks.items()
    ]


def _call(webhook: UUID, alarm: str, text: str) -> CallWebhook:
    # `tojson` quotes whatever a message holds, so that what is sent is always JSON.
    payload = (
        f"{{% set text %}}{text}{{% endset %}}"
        f'{{"alarm": {json.dumps(alarm)}, "text": {{{{ ("Elenco, {alarm}: " ~ text) | tojson }}}}}}'
    )
    return CallWebhook(block_document_id=webhook, payload=payload)
