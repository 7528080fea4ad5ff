"""Checks the messages of a client, queues those that the kernel cannot take yet, and signs and sends the others.

A message is dropped if it is malformed, names an unknown channel or has a type that is not allowed. The log line never shows
its contents, and the WebSocket stays open. Shell messages are queued, up to a limit, until the kernel is ready or, after a
restart, until its first IOPub message. Rust signs and sends the decoded parts unchanged. The Session sends a message only
in two cases: its packer is not JSON and the client is legacy, or the kernel's protocol is below 5.
Must not let an exception out. Cost: one pass over the frame, in Rust.
"""

import asyncio
import json
import time
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

ATTACH_REQUEST = "kernelws_attach_request"
"""A message of this type is never sent to a kernel, whatever ``allowed_message_types`` has. A page that takes over an execution
sends it only so that its own JupyterLab waits for the output; the server learns of the takeover by HTTP."""

COMM_TYPES = ("comm_open", "comm_msg", "comm_close")
"""Messages that may change the state of a widget."""


class Owner(Protocol):
    """The link, as ``Inbound`` sees it."""

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
    """Handles the messages from the client of one link."""

    def __init__(self, link: Owner) -> None:
        self._link = link
        self.pending = PendingMessages(self._send)
        self._packers: tuple[Any, Any] | None = None
        self._json = True
        """Whether the Session packs JSON; valid for ``_packers``."""
        self._hearing: asyncio.Future[None] | None = None
        """The task that waits for the kernel's first IOPub message after a restart."""

    def handle(self, frame: str | bytes) -> None:
        """Sends one WebSocket message to the kernel, queues it, or drops it with a log line."""
        try:
            message = self._decode(frame)
            if message.msg_type == ATTACH_REQUEST:
                return
            channel = self._channel(message)
            self._check_type(message)
        except MalformedMessage as fault:
            self._link.faults.add("client", fault.kind, fault.sentence + self._for_channel(frame))
        else:
            self._send_when_ready(channel, message)

    # checking

    def _packs_json(self) -> bool:
        session = self._link.hooks.session
        packers = session.pack, session.unpack
        if packers != self._packers:  # the first message, or other code has replaced the Session
            self._packers, self._json = packers, adapt.packs_json(session)
        return self._json

    def _v1(self) -> bool:
        return self._link.hooks.subprotocol == _core.V1

    def _for_channel(self, frame: str | bytes) -> str:
        """The end of a log line that names the frame's channel, or nothing if the channel cannot be read."""
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
                "ambiguous_type", "its header has more than one msg_type, and the kernel may use another one than was checked"
            )
        msg_type = message.msg_type or self._unpacked_type(message)
        if msg_type not in allowed:
            raise MalformedMessage(
                "type_not_allowed",
                f'Received message of type "{shown(msg_type)}", which is not allowed. Ignoring.',
            )

    def _unpacked_type(self, message: _core.ClientMessage) -> str:
        """The type of a message whose header is not JSON."""
        try:
            msg_type = self._link.hooks.session.unpack(message.parts[0])["msg_type"]
        except Exception as error:  # noqa: BLE001 - a custom packer may raise anything
            raise MalformedMessage("bad_header", f"the header cannot be unpacked ({type(error).__name__})") from None
        if not isinstance(msg_type, str):
            raise MalformedMessage("bad_header", "the header's msg_type is not a string")
        return msg_type

    # queueing

    def _send_when_ready(self, channel: str, message: _core.ClientMessage) -> None:
        """Sends a message, or queues it if it is for shell and the kernel is not ready or not heard since a restart."""
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
        """Notes that the client asked for work. A page sends the types in ``ASKS_NO_INPUT`` by itself, so they do not count."""
        msg_type, session = message.msg_type, self._link.session
        if session is not None and msg_type.endswith("_request") and msg_type not in ASKS_NO_INPUT:
            session.processes.requested()

    async def _hear_again(self) -> None:
        """Sends the queue once the restarted kernel's IOPub is heard: output that is published before that would be lost."""
        link = self._link
        try:
            await link.hooks.nudge()
        except TimeoutError as error:
            link.log.warning("kernel %s: %s", link.hooks.kernel_id, error)
        except Exception as error:  # noqa: BLE001 - no free file descriptor, or any error of a manager's connect_*()
            self._hearing = None
            if not link.ended:
                link.cannot_open(error)  # the client reconnects and sends its requests again
            return
        self._hearing = None
        if not link.ended:
            self.pending.send_all()

    # sending

    def _send(self, channel: str, message: _core.ClientMessage) -> None:
        """Sends a message. Does not block and raises nothing: the channel queues what libzmq does not accept yet.

        If the channel's socket cannot be opened, the WebSocket is closed, as it is if that fails in ``connect``.
        """
        try:
            self._send_on(channel, message)
        except ChannelUnavailable as error:
            self._link.cannot_open(error)
        except Exception as error:  # noqa: BLE001 - a closed channel, or any error of the Session's packer or adapter
            self._link.faults.add("client", "not_sent", f"cannot be sent on {channel} ({type(error).__name__})")
        else:
            TOTALS.sent(channel, message.size)

    def _send_on(self, channel: str, message: _core.ClientMessage) -> None:
        link, hooks = self._link, self._link.hooks
        stream, session = hooks.channels[channel], hooks.session
        if channel == "control" and message.msg_type == "interrupt_request":
            restarts.interrupted(link.kernel)  # kernels with ``interrupt_mode: message`` are interrupted this way
        elif message.msg_type == "shutdown_request":
            link.kernel.deaths.expect()
        if link.session is not None and not self._record(channel, message, link.session):
            return
        if channel == "shell" and link.session is not None and link.kernel.proven:
            link.session.processes.greet_again(link.kernel.proof.kernel_session)
        adapts = session.adapt_version > 0 and adapt.is_old_kernel(session)
        needs_session = adapts if self._packs_json() else not self._v1()
        if needs_session:
            session.send(stream, _as_dictionary(message))
        elif hasattr(stream, "send_signed"):
            stream.send_signed(hooks.signer, message)
        else:  # other code has put its own stream into ``channels``
            session.send_raw(stream, message.parts)

    def _record(self, channel: str, message: _core.ClientMessage, session: "ClientSession") -> bool:
        """Records requests and answers in the kernel's journal. False: the answer must not be sent; see ``take_answer``."""
        journal, name, audit = session.kernel.journal, session.session.session, session.kernel.audit
        if audit is not None and message.msg_type == "execute_request":  # ipykernel runs those on control too
            audit.submit(message.parts, user=session.identity.owner, session=name, via="websocket")
        if journal is None:
            return True
        if channel == "shell" and message.msg_type == "execute_request":
            journal.core.submit(message, owner=session.identity.owner, session=name, now=time.time())
        elif channel == "shell" and message.msg_type in COMM_TYPES:
            journal.core.take_comm(message, owner=session.identity.owner, session=name)
        return channel != "stdin" or message.msg_type != "input_reply" or journal.take_answer(message, name)


def _as_dictionary(message: _core.ClientMessage) -> dict[str, Any]:
    """The message as ``Session.send`` expects it. Its JSON cannot be invalid: the decoder has checked it."""
    header, parent_header, metadata, content = (json.loads(part) for part in message.parts[:4])
    return {
        "header": header,
        "parent_header": parent_header,
        "metadata": metadata,
        "content": content,
        "buffers": message.parts[4:],
    }
