"""The public class: upstream's method names, each a short call into the folder that does the work.

``client`` is one WebSocket, ``session`` outlives it, ``kernel`` serves all sessions, ``sockets`` reads and sends.
Must hold no policy.
A message of the kernel reaches ``Writer`` in batches; ``handle_outgoing_message`` and the hooks below it are the same
path for one message, used where somebody calls or overrides them.
"""

import asyncio
import time
import weakref
from collections.abc import Awaitable, MutableSet
from typing import TYPE_CHECKING, Any, ClassVar

from jupyter_server.services.kernels.connection.abc import KernelWebsocketConnectionABC
from jupyter_server.services.kernels.websocket import KernelWebsocketHandler

from . import _core
from .client import closing
from .client import hooks as single
from .client import link as opening
from .client.dispatch import dispatch
from .client.inbound import admit
from .client.outbound import Writer
from .client.pending import PendingMessages
from .client.state import Event, Lifecycle
from .kernel import connect as sockets
from .kernel import probe as readiness
from .kernel import restarts
from .kernel.feed import Feed, feed_of
from .kernel.feed_channel import FeedChannel
from .messages import notices
from .messages.keys import Keys
from .observe import announce
from .record.faults import FaultLog
from .record.log_lines import hide_query, shown_key
from .session import registry as sessions
from .traits import ConnectionTraits

if TYPE_CHECKING:
    from .session.session import ClientSession

_ensure_future = sessions.ensure_future


class ZMQChannelsWebsocketConnection(ConnectionTraits):
    """The bridge between one client's WebSocket and one kernel's ZMQ sockets."""

    _open_sessions: ClassVar[dict[str, KernelWebsocketHandler]] = {}
    """Session key -> handler; an entry is removed by its owner only."""
    _open_sockets: ClassVar[MutableSet["ZMQChannelsWebsocketConnection"]] = weakref.WeakSet()
    """The connections that the kernel manager counts."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        hide_query(self.websocket_handler)
        self.began = time.monotonic()
        self.lifecycle = Lifecycle()
        self.complaints = FaultLog(self.log, f"client of kernel {self.kernel_id}")
        self.delivery = Writer(self, ZMQChannelsWebsocketConnection)
        self._keys = Keys(self.session)
        self._kernel_session: str | None = None
        self.mailbox: ClientSession | None = None
        """The session's messages, from ``connect`` to ``disconnect``; it can outlive the connection."""
        self.waiting_room = PendingMessages(lambda channel, message: dispatch(self, channel, message))
        self.opening: asyncio.Future[None] | None = None
        """Waits for the nudge of ``connect``; kept here so that it is not collected before it is done."""
        self.hearing: asyncio.Future[None] | None = None
        """Waits until the kernel is heard again after a restart."""
        self.client_left = False
        """Whether the client has closed its WebSocket as a page does that is closed."""
        self.client_heard = False
        """Whether it has closed its WebSocket, and all that was written had left this process by then."""
        self.kernel_info_request: readiness.KernelInfoRequest | None = None
        self._nudges: set[readiness.Nudge] = set()

    @classmethod
    async def close_all(cls) -> None:
        """Disconnects every open connection: the server is shutting down."""
        await sessions.close_all(list(cls._open_sockets))

    @property
    def write_message(self) -> Any:
        """The WebSocket handler's ``write_message``."""
        return self.websocket_handler.write_message

    @property
    def subprotocol(self) -> str | None:
        """The subprotocol of the WebSocket; None is the legacy one."""
        try:
            return self.websocket_handler.selected_subprotocol
        except Exception:  # noqa: BLE001 - no WebSocket yet, or no more: tornado asserts, mocks raise what they like
            return None

    @property
    def feed(self) -> Feed:
        """The kernel's feed, shared with its other clients."""
        return feed_of(self.kernel_manager)

    @property
    def kernel_session(self) -> str | None:
        """``header.session`` of the kernel's messages, None before one was seen."""
        heard = self.mailbox.tally.kernel_session if self.mailbox is not None else None
        return heard or self._kernel_session or self.feed.kernel_session

    def heard(self, kernel_session: str | None) -> None:
        """Notes the session of a message of the kernel that did not come through the mailbox."""
        self._kernel_session = kernel_session or self._kernel_session

    @property
    def voice(self) -> notices.ServerMessages:
        """How the server itself speaks to this client."""
        return notices.ServerMessages(self.session, self.delivery.protocol, self.kernel_session)

    # keys: the kernel's, as they are now

    @property
    def keys(self) -> Keys:
        if self._keys.session is not self.session:  # somebody has given this connection another Session
            self._keys = Keys(self.session)
        return self._keys

    @property
    def signer(self) -> _core.Signer:
        return self.keys.signer

    def new_receiver(self, *, verify: bool = True) -> _core.Receiver:
        """Verifies messages against a replay window of its own. Raises ``UnsupportedScheme``."""
        return self.keys.new_receiver(verify=verify)

    # opening

    async def _register_session(self) -> None:
        """Takes the session key; a connection that holds it still is stale and is replaced."""
        sessions.register(self)

    async def prepare(self) -> None:
        """Waits until the kernel runs and has told its protocol, before the WebSocket handshake.

        Raises ``web.HTTPError(500)`` if it cannot start, TimeoutError if it never lives, ``web.HTTPError(404)`` if it is
        deleted meanwhile, ``web.Finish`` if the client leaves.
        """
        announce.active(self.log, type(self), self.multi_kernel_manager, self.config)
        try:
            await self._register_session()
            await opening.wait_until_alive(self)
            opening.adopt_key(self)
            await opening.wait_for_kernel_info(self)
        except BaseException:
            self.disconnect()
            raise

    def create_stream(self) -> None:
        """Opens the four channels: a place at the kernel's feed, and sockets under the session's identity, two on demand."""
        opening.adopt_key(self)
        self.channels["iopub"] = FeedChannel(self.feed)
        sockets.add_channels(self)

    def nudge(self) -> "asyncio.Future[None]":
        """A future that is done when the kernel answers and is heard; at once if that is known. May raise TimeoutError."""
        if not readiness.needs_nudge(self, self.feed):
            done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            done.set_result(None)
            return done
        nudge = readiness.Nudge(self, self.feed)
        self._nudges.add(nudge)

        def ended(_: "asyncio.Future[None]") -> None:
            self._nudges.discard(nudge)
            nudge.cleanup()  # a task that is cancelled before its first step never runs

        task = asyncio.ensure_future(nudge.run())
        task.add_done_callback(ended)
        return task

    def connect(self) -> Awaitable[None]:  # type: ignore[override] # upstream declares a coroutine and is none
        """Counts the connection, opens its channels and returns what is done when messages flow both ways.

        After a failure that is done too, and the WebSocket is closed with a code and a reason.
        """
        ZMQChannelsWebsocketConnection._open_sockets.add(self)
        self.multi_kernel_manager.notify_connect(self.kernel_id)
        return opening.connect(self)

    def subscribe(self) -> None:
        """Messages of all channels go to the client from now on."""
        if self.mailbox is None:
            return
        self.mailbox.adopt(self.channels)
        for channel in self.channels.values():
            if not hasattr(channel, "on_batch"):  # somebody has put a stream of their own into ``channels``
                channel.on_recv_stream(self.handle_outgoing_message)
        opening.configure(self, self.mailbox)
        self.delivery.start(self.mailbox)

    # ending

    def close(self) -> None:
        """The same as ``disconnect``."""
        self.disconnect()

    def disconnect(self) -> None:  # type: ignore[override] # the same
        """Ends the connection; its session is kept for a while if its client can come back. A second call does nothing."""
        counted = self in ZMQChannelsWebsocketConnection._open_sockets
        if counted:
            ZMQChannelsWebsocketConnection._open_sockets.discard(self)
            self.multi_kernel_manager.notify_disconnect(self.kernel_id)
        self.log.debug("Websocket closed %s", shown_key(self.session_key))
        self.lifecycle.on(Event.END)
        sessions.unregister(self)
        readiness.drop_kernel_info_request(self)
        for nudge in tuple(self._nudges):
            nudge.finish()
        restarts.unwatch(self)
        closing.leave_session(self, counted=counted)
        if not self._close_future.done():
            self._close_future.set_result(None)

    # client to kernel

    def handle_incoming_message(self, incoming_msg: str | bytes) -> None:
        """Takes one WebSocket message to the kernel. Raises nothing: what is malformed is ignored, with a log line."""
        if not self.channels:
            self.log.debug("Received message on closed websocket")
            return
        admitted = admit(self, incoming_msg)
        if admitted is not None:
            opening.dispatch_when_ready(self, *admitted)

    # kernel to client, one message at a time

    def handle_outgoing_message(self, stream: Any, outgoing_msg: list[Any]) -> Any:
        """Brings one multipart message, with or without identities, to the client. ``stream``: a channel or its name."""
        single.handle(self, stream, outgoing_msg)

    def get_part(self, field: str, value: Any, msg_list: list[Any]) -> Any:
        """``value``, or the unpacked ``field`` (header, parent_header or content) of the parts if it is None."""
        if value is None:
            index = {"header": 0, "parent_header": 1, "content": 3}[field]
            value = self.session.unpack(msg_list[index])
        return value

    def _on_error(self, channel: str, msg: dict[str, Any], msg_list: list[Any]) -> None:
        """Hides the traceback of an error or a failed reply where the kernel manager says so."""
        single.hide_traceback(self, msg, msg_list)

    def _limit_rate(self, channel: str, msg: dict[str, Any], msg_list: list[Any]) -> bool:
        """Whether the rate window drops this message (``overload = "drop"``); says so to the client when that begins."""
        return self.limit_rate and channel == "iopub" and not single.within_rate(self, msg, msg_list)

    def _on_zmq_reply(self, stream: Any, msg_list: Any) -> None:
        """Writes one message: its parts for v1, its dictionary or frames for legacy."""
        single.write(self, stream, msg_list)

    def _reserialize_reply(self, msg_or_list: Any, channel: str | None = None) -> str | bytes:
        """The legacy WebSocket message of a dictionary or of a kernel's frames: text, or bytes if it has buffers."""
        return single.reserialize(self, msg_or_list, channel)

    # the kernel's protocol

    def request_kernel_info(self) -> Any:
        """A future of the kernel's info; one request a kernel is under way, whoever asks."""
        return _ensure_future(readiness.request_kernel_info(self))

    def _handle_kernel_info_reply(self, msg: list[Any]) -> None:
        """Takes the frames of the first good reply on shell or control."""
        readiness.handle_kernel_info_reply(self, msg)

    def _finish_kernel_info(self, info: dict[str, Any]) -> None:
        """Adapts this connection to the kernel's protocol, and lets ``prepare`` go on."""
        readiness.finish_kernel_info(self, info)

    # the server's own messages

    def write_stderr(self, error_message: str, parent_header: Any) -> None:
        """Logs a message and shows it to the client as ``stream`` text on stderr, answering ``parent_header``."""
        self.log.warning(error_message)
        notices.show(self, self.voice.stream(error_message + "\n", parent_header))

    def _send_status_message(self, status: str) -> None:
        """Shows a status, after all that the kernel has published before."""
        iopub, mailbox = self.channels.get("iopub"), self.mailbox  # the session hears of it also if its client leaves now
        if isinstance(iopub, FeedChannel) and not iopub.closed():
            self.feed.after_drain(lambda: notices.announce(self, mailbox, status))
        else:
            notices.announce(self, mailbox, status)

    def on_kernel_restarted(self) -> None:
        """The kernel died and was started again."""
        self.log.warning("kernel %s restarted", self.kernel_id)
        self._send_status_message("restarting")

    def on_restart_failed(self) -> None:
        """The kernel died and cannot be started again."""
        self.log.error("kernel %s restarted failed!", self.kernel_id)
        self._send_status_message("dead")


KernelWebsocketConnectionABC.register(ZMQChannelsWebsocketConnection)
