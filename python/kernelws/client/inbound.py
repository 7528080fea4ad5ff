"""Which frames of a client go on to the kernel: well-formed, for a channel that exists, of an allowed type.

What is not admitted is answered by a log line without its contents, and the WebSocket lives. No exception leaves this file.
Cost: one pass over the frame, in Rust.
"""

from typing import TYPE_CHECKING

from .. import _core
from ..errors import MalformedMessage
from ..messages import adapt
from ..record.log_lines import shown

if TYPE_CHECKING:
    from ..connection import ZMQChannelsWebsocketConnection


def admit(connection: "ZMQChannelsWebsocketConnection", frame: str | bytes) -> tuple[str, _core.ClientMessage] | None:
    """The channel and the message of a frame, None if it is not to be forwarded."""
    try:
        message = _decode(connection, frame)
        channel = _channel(connection, message)
        _check_type(connection, message)
    except MalformedMessage as fault:
        sentence = fault.sentence + _for_channel(connection, frame)
        connection.complaints.add("client", fault.kind, sentence)
        return None
    return channel, message


def _for_channel(connection: "ZMQChannelsWebsocketConnection", frame: str | bytes) -> str:
    """What a log line says of where a frame was to go, if that can be read."""
    channel = _core.channel_of(frame, "v1" if connection.subprotocol == _core.V1 else "legacy")
    return f" (for {channel})" if channel is not None else ""


def _decode(connection: "ZMQChannelsWebsocketConnection", frame: str | bytes) -> _core.ClientMessage:
    if connection.subprotocol != _core.V1:
        return _core.decode_legacy(frame)
    if isinstance(frame, str):
        raise MalformedMessage("text_on_v1", "a text message, but the v1 subprotocol is binary")
    return _core.decode_v1(frame, json=adapt.packs_json(connection.session))


def _channel(connection: "ZMQChannelsWebsocketConnection", message: _core.ClientMessage) -> str:
    channel = message.channel
    if channel is None:
        connection.complaints.add("client", "no_channel", "assuming shell", what="No channel specified, ")
        return "shell"
    if channel not in connection.channels:
        raise MalformedMessage("unknown_channel", f"No such channel: '{shown(channel)}'")
    if channel == "iopub":
        raise MalformedMessage("iopub_from_client", "iopub takes no messages from clients")
    return channel


def _check_type(connection: "ZMQChannelsWebsocketConnection", message: _core.ClientMessage) -> None:
    allowed = connection.multi_kernel_manager.allowed_message_types
    if not allowed:
        return
    if message.ambiguous_type:
        raise MalformedMessage(
            "ambiguous_type", "its header has more than one msg_type, and kernels may read another than is judged"
        )
    msg_type = message.msg_type or _unpacked_type(connection, message)
    if msg_type not in allowed:
        raise MalformedMessage(
            "type_not_allowed",
            f'Received message of type "{shown(msg_type)}", which is not allowed. Ignoring.',
        )


def _unpacked_type(connection: "ZMQChannelsWebsocketConnection", message: _core.ClientMessage) -> str:
    """The type of a message whose header another packer has packed."""
    try:
        msg_type = connection.session.unpack(message.parts[0])["msg_type"]
    except Exception as error:  # noqa: BLE001 - whatever that packer raises
        raise MalformedMessage("bad_header", f"the header cannot be unpacked ({type(error).__name__})") from None
    if not isinstance(msg_type, str):
        raise MalformedMessage("bad_header", "the header's msg_type is not a string")
    return msg_type
