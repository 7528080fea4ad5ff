"""One message of the kernel at a time: what the per-message methods of the public class do.

The same split, verification, rate window and encoding as the batches' way, with a batch of one, for subclasses that
override a hook and for callers of ``handle_outgoing_message``. Each step is called through the connection, so that an
overridden one is met. Must not be faster than it is clear: the fast way is ``Delivery``.
"""

from typing import TYPE_CHECKING, Any

from jupyter_client.jsonutil import extract_dates
from tornado.websocket import WebSocketClosedError

from .. import _core, adapt
from ..errors import MalformedMessage
from ..observe.counters import TOTALS
from . import redact

if TYPE_CHECKING:
    from ..connection import ZMQChannelsWebsocketConnection


def handle(connection: "ZMQChannelsWebsocketConnection", stream: Any, frames: list[Any]) -> None:
    """Verifies, reads, limits and writes one multipart message; what is malformed is ignored, with a log line."""
    stream = connection.channels[stream] if isinstance(stream, str) else stream
    channel = getattr(stream, "channel", None) or "unknown"
    verify = connection.verify_signatures or connection.subprotocol != _core.V1
    batch = connection.keys.receiver("messages", verify=verify).split(channel, [frames])
    connection.complaints.add_all(channel, batch.malformed)
    if not len(batch):
        return
    connection.heard(batch.kernel_session)
    parts: list[Any] = batch.parts(0)
    try:
        message = _message(connection, parts)
    except Exception as error:  # noqa: BLE001 - whatever the packer raises
        connection.complaints.add(channel, "unreadable", f"the Session cannot read it ({type(error).__name__})")
        return
    connection._on_error(channel, message, parts)
    if not connection._limit_rate(channel, message, parts):
        connection._on_zmq_reply(stream, parts if connection.subprotocol == _core.V1 else message)


def _message(connection: "ZMQChannelsWebsocketConnection", parts: list[Any]) -> dict[str, Any]:
    """The dictionary that hooks get: read for legacy; empty for v1, where fields are read when somebody asks."""
    if connection.subprotocol != _core.V1:
        return _dictionary(connection, parts)
    if adapt.is_old_kernel(connection.session):
        parts[:] = adapt.json_parts(adapt.message_of(parts, connection.session))
    return {"header": None, "parent_header": None, "content": None}


def _dictionary(connection: "ZMQChannelsWebsocketConnection", parts: list[Any]) -> dict[str, Any]:
    """As ``Session.deserialize`` makes it: hooks may count on dates that are datetimes."""
    message = adapt.message_of(parts, connection.session)
    return message | {name: extract_dates(message[name]) for name in ("header", "parent_header")}


def hide_traceback(connection: "ZMQChannelsWebsocketConnection", msg: dict[str, Any], parts: list[Any]) -> None:
    """Hides the traceback in the dictionary, and for v1 in the parts."""
    manager = connection.multi_kernel_manager
    if manager.allow_tracebacks:
        return
    msg["header"] = connection.get_part("header", msg["header"], parts)
    msg_type = msg["header"]["msg_type"]
    if msg_type == "error" or msg_type.endswith("_reply"):
        msg["content"] = connection.get_part("content", msg["content"], parts)
        hidden = redact.hide(msg_type, msg["content"], manager.traceback_replacement_message)
        if hidden and connection.subprotocol == _core.V1:
            parts[3] = connection.session.pack(msg["content"])


def within_rate(connection: "ZMQChannelsWebsocketConnection", msg: dict[str, Any], parts: list[Any]) -> bool:
    """Counts the message in the connection's rate window and tells what that decided; what is held is not counted here."""
    msg["header"] = connection.get_part("header", msg["header"], parts)
    if not connection.delivery.overload.drops:
        return True
    msg_type = msg["header"]["msg_type"]
    idle = False
    if msg_type == "status":
        msg["content"] = connection.get_part("content", msg["content"], parts)
        idle = msg["content"].get("execution_state") == "idle"
    overload, size = connection.delivery.overload, sum(len(part) for part in parts)
    forward, events = overload.check(msg_type, idle, size)
    TOTALS.dropped += not forward
    if events:
        msg["parent_header"] = connection.get_part("parent_header", msg["parent_header"], parts)
        overload.tell_parent(events, msg["parent_header"])
    return forward


def frames_of(connection: "ZMQChannelsWebsocketConnection", payload: str | bytes) -> tuple[str, list[bytes]]:
    """The channel and the multipart message of what waits for a client, signed again: what the hooks take."""
    if connection.delivery.protocol == "v1":
        message = _core.decode_v1(payload.encode() if isinstance(payload, str) else payload, json=False)
    else:
        message = _core.decode_legacy(payload)
    return message.channel or "unknown", message.signed(connection.signer)


def write(connection: "ZMQChannelsWebsocketConnection", stream: Any, message: Any) -> None:
    """Encodes and writes parts (v1), a dictionary or frames (legacy)."""
    if stream.closed():
        connection.log.warning("zmq message arrived on closed channel")
        connection.disconnect()
        return
    channel = getattr(stream, "channel", None) or "unknown"
    try:
        if connection.subprotocol == _core.V1:
            payload: str | bytes = _core.encode_v1(channel, message)
        else:
            payload = connection._reserialize_reply(message, channel=channel)
        connection.write_message(payload, binary=isinstance(payload, bytes))
    except MalformedMessage as fault:
        connection.complaints.add(channel, fault.kind, fault.sentence)
    except WebSocketClosedError as error:
        connection.log.warning(str(error))


def reserialize(connection: "ZMQChannelsWebsocketConnection", message: Any, channel: str | None) -> str | bytes:
    """The legacy WebSocket message of a dictionary, or of frames, which are verified first. Raises ``MalformedMessage``."""
    if not isinstance(message, dict):
        batch = connection.new_receiver().split(channel or "unknown", [message])
        for kind, sentence in batch.malformed:
            raise MalformedMessage(kind, sentence)
        message = _dictionary(connection, batch.parts(0))
    return _core.encode_legacy(channel, adapt.json_parts(message))
