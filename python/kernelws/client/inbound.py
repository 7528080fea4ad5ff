"""A client's frames on their way to the kernel: which go on, which wait, and how they are signed and sent.

Well-formed, for a channel that exists, of an allowed type: what is not is answered by a log line without its contents, and the
WebSocket lives. Shell messages wait, bounded, until the kernel is ready, or heard after a restart. Ordinary messages are signed
and sent in Rust, part for part as the decoder has passed them; a Session that packs something else than JSON for a legacy
client, or adapts to a protocol below 5, sends by itself. No exception leaves this file. Cost: one pass over the frame, in Rust.
"""

import asyncio
import json
from typing import TYPE_CHECKING, Any, Protocol

from .. import _core
from ..errors import ChannelUnavailable, MalformedMessage
from ..kernel import restarts
from ..messages import adapt
from ..record.counters import TOTALS
from ..record.log_lines import shown
from ..session.registry import TRY_AGAIN_LATER
from ..sockets.channel import ASKS_NO_INPUT
from ..states import LinkState
from .pending import PendingMessages

if TYPE_CHECKING:
    import logging

    from ..kernel.kernel import Kernel
    from ..record.faults import FaultLog
    from ..session.session import ClientSession
    from ..states import LinkEvent, Machine
    from .hooks import Hooks


class Owner(Protocol):
    """The link that this is the way in of."""

    hooks: "Hooks"
    log: "logging.Logger"
    faults: "FaultLog"
    machine: "Machine[LinkState, LinkEvent]"
    session: "ClientSession | None"

    @property
    def kernel(self) -> "Kernel": ...
    @property
    def ended(self) -> bool: ...
    def close(self, code: int, reason: str) -> None: ...
    def cannot_open(self, error: Exception) -> None: ...


class Inbound:
    """The way in of one link."""

    def __init__(self, link: Owner) -> None:
        self._link = link
        self.pending = PendingMessages(self._send)
        self._packers: tuple[Any, Any] | None = None
        self._json = True
        """Whether the parts that the Session packs are JSON."""
        self._hearing: asyncio.Future[None] | None = None
        """Waits until the kernel is heard again after a restart."""

    def handle(self, frame: str | bytes) -> None:
        """Takes one WebSocket message: it goes to the kernel, waits, or is ignored with a log line."""
        try:
            message = self._decode(frame)
            channel = self._channel(message)
            self._check_type(message)
        except MalformedMessage as fault:
            self._link.faults.add("client", fault.kind, fault.sentence + self._for_channel(frame))
        else:
            self._send_when_ready(channel, message)

    # what is admitted

    def _packs_json(self) -> bool:
        session = self._link.hooks.session
        packers = session.pack, session.unpack
        if packers != self._packers:  # the first time, or somebody has given the connection another Session
            self._packers, self._json = packers, adapt.packs_json(session)
        return self._json

    def _v1(self) -> bool:
        return self._link.hooks.subprotocol == _core.V1

    def _for_channel(self, frame: str | bytes) -> str:
        """What a log line says of where a frame was to go, if that can be read."""
        channel = _core.channel_of(frame, "v1" if self._v1() else "legacy")
        return f" (for {channel})" if channel is not None else ""

    def _decode(self, frame: str | bytes) -> _core.ClientMessage:
        if not self._v1():
            return _core.decode_legacy(frame)
        if isinstance(frame, str):
            raise MalformedMessage("text_on_v1", "a text message, but the v1 subprotocol is binary")
        return _core.decode_v1(frame, json=self._packs_json())

    def _channel(self, message: _core.ClientMessage) -> str:
        channel = message.channel
        if channel is None:
            self._link.faults.add("client", "no_channel", "assuming shell", what="No channel specified, ")
            return "shell"
        if channel not in self._link.hooks.channels:
            raise MalformedMessage("unknown_channel", f"No such channel: '{shown(channel)}'")
        if channel == "iopub":
            raise MalformedMessage("iopub_from_client", "iopub takes no messages from clients")
        return channel

    def _check_type(self, message: _core.ClientMessage) -> None:
        allowed = self._link.hooks.multi_kernel_manager.allowed_message_types
        if not allowed:
            return
        if message.ambiguous_type:
            raise MalformedMessage(
                "ambiguous_type", "its header has more than one msg_type, and kernels may read another than is judged"
            )
        msg_type = message.msg_type or self._unpacked_type(message)
        if msg_type not in allowed:
            raise MalformedMessage(
                "type_not_allowed",
                f'Received message of type "{shown(msg_type)}", which is not allowed. Ignoring.',
            )

    def _unpacked_type(self, message: _core.ClientMessage) -> str:
        """The type of a message whose header another packer has packed."""
        try:
            msg_type = self._link.hooks.session.unpack(message.parts[0])["msg_type"]
        except Exception as error:  # noqa: BLE001 - whatever that packer raises
            raise MalformedMessage("bad_header", f"the header cannot be unpacked ({type(error).__name__})") from None
        if not isinstance(msg_type, str):
            raise MalformedMessage("bad_header", "the header's msg_type is not a string")
        return msg_type

    # what waits

    def _send_when_ready(self, channel: str, message: _core.ClientMessage) -> None:
        """Sends a message, or lets it wait if it is for the shell of a kernel that is not ready, or not heard since a restart."""
        link = self._link
        live = link.machine.state is not LinkState.CONNECTING
        if channel == "shell":
            if not link.kernel.managed:
                link.kernel.notice_restart()
            self._note_request(message)
        if channel != "shell" or (live and link.kernel.proven and self.pending.empty):
            self._send(channel, message)
        elif not self.pending.add(channel, message):
            link.close(TRY_AGAIN_LATER, "too many messages for a kernel that is not ready yet")
        elif live and self._hearing is None:
            self._hearing = asyncio.ensure_future(self._hear_again())

    def _note_request(self, message: _core.ClientMessage) -> None:
        """What a page asks by itself when it connects says nothing of what its user knows."""
        msg_type, session = message.msg_type, self._link.session
        if session is not None and msg_type.endswith("_request") and msg_type not in ASKS_NO_INPUT:
            session.processes.requested()

    async def _hear_again(self) -> None:
        """After a restart the kernel's first output would be lost if its IOPub was not heard before it gets work."""
        link = self._link
        try:
            await link.hooks.nudge()
        except TimeoutError as error:
            link.log.warning("kernel %s: %s", link.hooks.kernel_id, error)
        except Exception as error:  # noqa: BLE001 - no descriptor is left, or whatever a kernel manager's connect_*() raises
            self._hearing = None
            if not link.ended:
                link.cannot_open(error)  # the client comes again, and with it what it asks
            return
        self._hearing = None
        if not link.ended:
            self.pending.send_all()

    def open(self) -> None:
        """Sends what waits: the kernel is ready."""
        self.pending.send_all()

    def clear(self) -> None:
        """Forgets what waits: the client is gone."""
        self.pending.clear()

    # sending

    def _send(self, channel: str, message: _core.ClientMessage) -> None:
        """Never blocks, raises nothing. What libzmq does not take yet waits in the channel.

        A channel that cannot be opened closes the WebSocket, as it does where it is opened with the connection.
        """
        try:
            self._send_on(channel, message)
        except ChannelUnavailable as error:
            self._link.cannot_open(error)
        except Exception as error:  # noqa: BLE001 - a closed channel, or whatever a packer or an adapter of the Session raises
            self._link.faults.add("client", "not_sent", f"cannot be sent on {channel} ({type(error).__name__})")
        else:
            TOTALS.sent(channel, message.size)

    def _send_on(self, channel: str, message: _core.ClientMessage) -> None:
        link, hooks = self._link, self._link.hooks
        stream, session = hooks.channels[channel], hooks.session
        if channel == "control" and message.msg_type == "interrupt_request":
            restarts.interrupted(link.kernel)  # of a kernel whose specification says ``interrupt_mode: message``
        if channel == "shell" and link.session is not None and link.kernel.proven:
            link.session.processes.greet_again(link.kernel.proof.kernel_session)
        adapts = session.adapt_version > 0 and adapt.is_old_kernel(session)
        needs_session = adapts if self._packs_json() else not self._v1()
        if needs_session:
            session.send(stream, _as_dictionary(message))
        elif hasattr(stream, "send_signed"):
            stream.send_signed(hooks.signer, message)
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
