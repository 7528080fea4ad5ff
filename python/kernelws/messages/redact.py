"""Hides tracebacks if ``allow_tracebacks`` is False, in IOPub errors and in the replies on all other channels.

Upstream's neutral text replaces the contents of ``error`` messages, of replies with the status ``error``, and of failed user
expressions. Must not log what it hides. Cost: nothing if tracebacks are allowed; otherwise one unpack per reply or error.
"""

from typing import Any

from jupyter_client.session import Session

from .. import _core
from . import adapt


def hide_tracebacks(batch: _core.Batch, manager: Any, session: Session) -> None:
    """Hides the tracebacks of a batch from all clients; ``manager`` is the multi kernel manager."""
    if manager is None or getattr(manager, "allow_tracebacks", True):
        return
    for index in range(len(batch)):
        parts = batch.parts(index)
        hidden = hidden_content(batch.msg_type(index), parts[3], manager.traceback_replacement_message, session)
        if hidden is not None:
            shown = [*parts[:3], hidden, *parts[4:]]
            batch.rewrite(index, shown)
            if not adapt.packs_json(session):
                batch.rewrite(index, adapt.json_parts(adapt.message_of(shown, session)), legacy_only=True)


def hidden_content(msg_type: str, content: Any, replacement: str, session: Session) -> bytes | None:
    """The packed content without its traceback, or None if it has none."""
    if msg_type != "error" and not msg_type.endswith("_reply"):
        return None
    try:
        unpacked = session.unpack(content)
    except Exception:  # noqa: BLE001 - whatever the packer raises. Content that cannot be read may be a traceback
        unpacked = {"status": "error"}
    if not isinstance(unpacked, dict) or not hide(msg_type, unpacked, replacement):
        return None
    packed: bytes = session.pack(unpacked)
    return packed


def hide(msg_type: str, content: dict[str, Any], replacement: str) -> bool:
    """Hides the traceback in ``content``, in place; returns whether it had one."""
    expressions = content.get("user_expressions")
    hidden = False
    if msg_type.endswith("_reply") and isinstance(expressions, dict):
        for value in expressions.values():
            hidden |= isinstance(value, dict) and hide("error_reply", value, replacement)
    if msg_type == "error" or content.get("status") == "error":
        content.update(ename="ExecutionError", evalue="Execution error", traceback=[replacement])
        hidden = True
    return hidden
