"""The per-message methods of the public class: each kernel message is handled as a batch of one.

They serve subclasses that override a hook, and callers of ``handle_outgoing_message``. Splitting, verification, rate window
and encoding are the same as for batches. Each step is called through ``hooks``, so that an override takes effect. Must not
be optimised at the price of clarity: ``Writer`` is the fast path.
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
    """Verifies, reads, limits and writes one multipart message. A malformed one is logged and dropped."""
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
    except Exception as error:  # noqa: BLE001 - a custom packer may raise anything
        hooks.faults.add(channel, "unreadable", f"the Session cannot read it ({type(error).__name__})")
        return
    hooks._on_error(channel, message, parts)
    if not hooks._limit_rate(channel, message, parts):
        hooks._on_zmq_reply(stream, parts if hooks.subprotocol == _core.V1 else message)


def _message(hooks: "Hooks", parts: list[Any]) -> dict[str, Any]:
    """The dictionary that hooks get. For v1 its fields are None: ``get_part`` unpacks one when a hook needs it."""
    if hooks.subprotocol != _core.V1:
        return _dictionary(hooks, parts)
    if adapt.is_old_kernel(hooks.session):
        parts[:] = adapt.json_parts(adapt.message_of(parts, hooks.session))
    return {"header": None, "parent_header": None, "content": None}


def _dictionary(hooks: "Hooks", parts: list[Any]) -> dict[str, Any]:
    """The message as ``Session.deserialize`` returns it: hooks may expect dates as datetime objects."""
    message = adapt.message_of(parts, hooks.session)
    return message | {name: extract_dates(message[name]) for name in ("header", "parent_header")}


def hide_traceback(hooks: "Hooks", msg: dict[str, Any], parts: list[Any]) -> None:
    """Hides the traceback in the dictionary, and for v1 also in the parts."""
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
    """Counts a message in the connection's rate window and sends notices. Returns False if it must be dropped.

    Does nothing unless ``overload = "drop"``: for ``"hold"`` the outbox counts.
    """
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
    """Turns a payload from the outbox back into its channel and a signed multipart message, as hooks expect them."""
    if hooks.subprotocol == _core.V1:
        message = _core.decode_v1(payload.encode() if isinstance(payload, str) else payload, json=False)
    else:
        message = _core.decode_legacy(payload)
    return message.channel or "unknown", message.signed(hooks.signer)


def write(hooks: "Hooks", stream: Any, message: Any) -> None:
    """Encodes and writes a message: its parts for v1; its dictionary or frames for legacy."""
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
    """Encodes a dictionary, or frames after verifying them, for a legacy client. Raises ``MalformedMessage``."""
    if not isinstance(message, dict):
        batch = hooks.new_receiver().split(channel or "unknown", [message])
        for kind, sentence in batch.malformed:
            raise MalformedMessage(kind, sentence)
        message = _dictionary(hooks, batch.parts(0))
    return _core.encode_legacy(channel, adapt.json_parts(message))
