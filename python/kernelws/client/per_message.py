"""One message of the kernel at a time: what the per-message methods of the public class do.

The same split, verification, rate window and encoding as the batches' way, with a batch of one, for subclasses that
override a hook and for callers of ``handle_outgoing_message``. Each step is called through the connection, so that an
overridden one is met. Must not be faster than it is clear: the fast way is ``Writer``.
"""

from typing import TYPE_CHECKING, Any

from jupyter_client.jsonutil import extract_dates
from tornado.websocket import WebSocketClosedError

from .. import _core
from ..errors import MalformedMessage
from ..messages import adapt, redact

if TYPE_CHECKING:
    from ..session.limiter import DropLimiter
    from ..session.limits import Limits
    from .hooks import Hooks


def handle(hooks: "Hooks", stream: Any, frames: list[Any]) -> None:
    """Verifies, reads, limits and writes one multipart message; what is malformed is ignored, with a log line."""
    stream = hooks.channels[stream] if isinstance(stream, str) else stream
    channel = getattr(stream, "channel", None) or "unknown"
    verify = hooks.verify_signatures or hooks.subprotocol != _core.V1
    batch = hooks.keys.receiver("messages", verify=verify).split(channel, [frames])
    hooks.faults.add_all(channel, batch.malformed)
    if not len(batch):
        return
    hooks.note_kernel_session(batch.kernel_session)
    parts: list[Any] = batch.parts(0)
    try:
        message = _message(hooks, parts)
    except Exception as error:  # noqa: BLE001 - whatever the packer raises
        hooks.faults.add(channel, "unreadable", f"the Session cannot read it ({type(error).__name__})")
        return
    hooks._on_error(channel, message, parts)
    if not hooks._limit_rate(channel, message, parts):
        hooks._on_zmq_reply(stream, parts if hooks.subprotocol == _core.V1 else message)


def _message(hooks: "Hooks", parts: list[Any]) -> dict[str, Any]:
    """The dictionary that hooks get: read for legacy; empty for v1, where fields are read when somebody asks."""
    if hooks.subprotocol != _core.V1:
        return _dictionary(hooks, parts)
    if adapt.is_old_kernel(hooks.session):
        parts[:] = adapt.json_parts(adapt.message_of(parts, hooks.session))
    return {"header": None, "parent_header": None, "content": None}


def _dictionary(hooks: "Hooks", parts: list[Any]) -> dict[str, Any]:
    """As ``Session.deserialize`` makes it: hooks may count on dates that are datetimes."""
    message = adapt.message_of(parts, hooks.session)
    return message | {name: extract_dates(message[name]) for name in ("header", "parent_header")}


def hide_traceback(hooks: "Hooks", msg: dict[str, Any], parts: list[Any]) -> None:
    """Hides the traceback in the dictionary, and for v1 in the parts."""
    manager = hooks.multi_kernel_manager
    if manager.allow_tracebacks:
        return
    msg["header"] = hooks.get_part("header", msg["header"], parts)
    msg_type = msg["header"]["msg_type"]
    if msg_type == "error" or msg_type.endswith("_reply"):
        msg["content"] = hooks.get_part("content", msg["content"], parts)
        hidden = redact.hide(msg_type, msg["content"], manager.traceback_replacement_message)
        if hidden and hooks.subprotocol == _core.V1:
            parts[3] = hooks.session.pack(msg["content"])


def within_rate(hooks: "Hooks", limiter: "DropLimiter", limits: "Limits", msg: dict[str, Any], parts: list[Any]) -> bool:
    """Counts the message in the connection's rate window and tells what that decided; what is held is not counted here."""
    msg["header"] = hooks.get_part("header", msg["header"], parts)
    if not limits.drops:
        return True
    msg_type = msg["header"]["msg_type"]
    idle = False
    if msg_type == "status":
        msg["content"] = hooks.get_part("content", msg["content"], parts)
        idle = msg["content"].get("execution_state") == "idle"
    forward, events = limiter.check(msg_type, idle, sum(len(part) for part in parts), limits)
    if events:
        msg["parent_header"] = hooks.get_part("parent_header", msg["parent_header"], parts)
        limiter.tell(events, msg["parent_header"], limits)
    return forward


def frames_of(hooks: "Hooks", payload: str | bytes) -> tuple[str, list[bytes]]:
    """The channel and the multipart message of what waits for a client, signed again: what the hooks take."""
    if hooks.subprotocol == _core.V1:
        message = _core.decode_v1(payload.encode() if isinstance(payload, str) else payload, json=False)
    else:
        message = _core.decode_legacy(payload)
    return message.channel or "unknown", message.signed(hooks.signer)


def write(hooks: "Hooks", stream: Any, message: Any) -> None:
    """Encodes and writes parts (v1), a dictionary or frames (legacy)."""
    if stream.closed():
        hooks.log.warning("zmq message arrived on closed channel")
        hooks.disconnect()
        return
    channel = getattr(stream, "channel", None) or "unknown"
    try:
        if hooks.subprotocol == _core.V1:
            payload: str | bytes = _core.encode_v1(channel, message)
        else:
            payload = hooks._reserialize_reply(message, channel=channel)
        hooks.write_message(payload, binary=isinstance(payload, bytes))
    except MalformedMessage as fault:
        hooks.faults.add(channel, fault.kind, fault.sentence)
    except WebSocketClosedError as error:
        hooks.log.warning(str(error))


def reserialize(hooks: "Hooks", message: Any, channel: str | None) -> str | bytes:
    """The legacy WebSocket message of a dictionary, or of frames, which are verified first. Raises ``MalformedMessage``."""
    if not isinstance(message, dict):
        batch = hooks.new_receiver().split(channel or "unknown", [message])
        for kind, sentence in batch.malformed:
            raise MalformedMessage(kind, sentence)
        message = _dictionary(hooks, batch.parts(0))
    return _core.encode_legacy(channel, adapt.json_parts(message))
