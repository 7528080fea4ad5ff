"""Signs an admitted message and sends it on the session's own socket of its channel.

Ordinary messages are signed and sent in Rust, part for part as the decoder has passed them. A Session that packs something
else than JSON for a legacy client, or adapts to a protocol below 5, sends by itself. Must not decide what is admitted.
"""

import json
from typing import TYPE_CHECKING, Any

from .. import _core
from ..errors import ChannelUnavailable
from ..kernel import restarts
from ..messages import adapt
from ..record.counters import TOTALS
from . import closing

if TYPE_CHECKING:
    from ..connection import ZMQChannelsWebsocketConnection


def dispatch(connection: "ZMQChannelsWebsocketConnection", channel: str, message: _core.ClientMessage) -> None:
    """Sends; never blocks, raises nothing. What libzmq does not take yet waits in the channel.

    A channel that cannot be opened closes the WebSocket, as it does where it is opened with the connection.
    """
    try:
        _send(connection, channel, message)
    except ChannelUnavailable as error:
        closing.cannot_open(connection, error)
    except Exception as error:  # noqa: BLE001 - a closed channel, or whatever a packer or an adapter of the Session raises
        connection.complaints.add("client", "not_sent", f"cannot be sent on {channel} ({type(error).__name__})")
    else:
        TOTALS.sent(channel, message.size)


def _note_interrupt(connection: "ZMQChannelsWebsocketConnection", message: _core.ClientMessage) -> None:
    """A kernel whose specification says ``interrupt_mode: message`` may be interrupted by its client too."""
    if message.msg_type == "interrupt_request":
        restarts.interrupted(connection.kernel_id)


def _send(connection: "ZMQChannelsWebsocketConnection", channel: str, message: _core.ClientMessage) -> None:
    stream, session = connection.channels[channel], connection.session
    if channel == "control":
        _note_interrupt(connection, message)
    if channel == "shell" and connection.mailbox is not None and connection.feed.proven:
        connection.mailbox.greet_again(connection.feed.kernel_session)
    needs_session = adapt.is_old_kernel(session) if adapt.packs_json(session) else connection.subprotocol != _core.V1
    if needs_session:
        session.send(stream, _as_dictionary(message))
    elif hasattr(stream, "send_signed"):
        stream.send_signed(connection.signer, message)
    else:  # somebody has put a stream of their own into ``channels``
        session.send_raw(stream, message.parts)


def _as_dictionary(message: _core.ClientMessage) -> dict[str, Any]:
    """The message as ``Session.send`` takes it; its JSON was checked when it was decoded."""
    header, parent_header, metadata, content = (json.loads(part) for part in message.parts[:4])
    return {
        "header": header,
        "parent_header": parent_header,
        "metadata": metadata,
        "content": content,
        "buffers": message.parts[4:],
    }
