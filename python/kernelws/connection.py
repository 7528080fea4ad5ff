"""The public class, with jupyter_server's method names. Each method is a short call into the package.

``client`` handles one WebSocket, ``session`` outlives it, ``kernel`` serves all sessions, ``sockets`` reads and sends.
Kernel messages are normally written in batches. ``handle_outgoing_message`` and the methods that it calls do the same for
one message; they run only if a subclass overrides one of them or other code calls them. This file must not decide
anything, and only ``__init__.py``, ``extension.py`` and ``cli/`` may import it.
"""

import weakref
from collections.abc import Awaitable, Callable, MutableSet
from typing import TYPE_CHECKING, Any, ClassVar, cast

from jupyter_server.services.kernels.connection.abc import KernelWebsocketConnectionABC
from jupyter_server.services.kernels.websocket import KernelWebsocketHandler

from . import _core, active
from .client import per_message, session_keys
from .client.hooks import Hooks
from .client.link import Link
from .client.prepare import Preparation
from .kernel.connect import new_channels
from .kernel.feed_channel import FeedChannel
from .messages.keys import Keys
from .record.faults import FaultLog
from .record.log_lines import hide_query, shown_key
from .session.limits import NAMES, Limits
from .traits import ConnectionTraits

if TYPE_CHECKING:
    import asyncio


class ZMQChannelsWebsocketConnection(ConnectionTraits):
    """Connects one client's WebSocket to one kernel's ZMQ sockets."""

    _open_sessions: ClassVar[dict[str, KernelWebsocketHandler]] = {}
    """Session key -> the handler that holds it. A connection removes an entry only if the entry is its own handler."""
    _open_sockets: ClassVar[MutableSet["ZMQChannelsWebsocketConnection"]] = weakref.WeakSet()
    """The connections that the multi kernel manager counts: ``connect`` adds one, ``disconnect`` removes it."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        hide_query(self.websocket_handler)
        self._keys = Keys(self.session)
        self.link = Link(self._hooks, ZMQChannelsWebsocketConnection)
        self._preparation = Preparation(self._hooks)

    @property
    def _hooks(self) -> Hooks:
        return cast("Hooks", self)  # traits are descriptors; a Protocol can only declare plain attributes

    @classmethod
    async def close_all(cls) -> None:
        """Disconnects every open connection, when the server shuts down."""
        await session_keys.close_all(list(cls._open_sockets))

    @property
    def write_message(self) -> Any:
        """The WebSocket handler's ``write_message``."""
        return self.websocket_handler.write_message

    @property
    def subprotocol(self) -> str | None:
        """The WebSocket's subprotocol; None means legacy."""
        try:
            return self.websocket_handler.selected_subprotocol
        except Exception:  # noqa: BLE001 - without an open WebSocket tornado's assert fails, and a mock raises anything
            return None

    @property
    def faults(self) -> FaultLog:
        """Counts and logs the malformed messages of this connection."""
        return self.link.faults

    def note_kernel_session(self, kernel_session: str | None) -> None:
        """Stores the ``header.session`` of a kernel message that bypassed the session's outbox."""
        self.link.kernel_session = kernel_session or self.link.kernel_session

    # the kernel's key

    @property
    def keys(self) -> Keys:
        if self._keys.session is not self.session:  # other code has replaced the Session
            self._keys = Keys(self.session)
        return self._keys

    @property
    def signer(self) -> _core.Signer:
        return self.keys.signer

    def new_receiver(self, *, verify: bool = True) -> _core.Receiver:
        """Returns a receiver with its own replay window. Raises ``UnsupportedScheme``."""
        return self.keys.new_receiver(verify=verify)

    def observe_limits(self, callback: Callable[[], None]) -> None:
        """Calls ``callback`` whenever a trait named in ``Limits`` changes."""

        def follow(change: Any) -> None:
            if change.name in NAMES:
                callback()

        self.observe(follow)  # one observer for each trait would take 2 KB

    # connecting

    async def _register_session(self) -> None:
        """Registers this connection under its session key and closes an older connection with the same key."""
        self.session_key = f"{self.kernel_id}:{self.session.session}"
        session_keys.register(self._hooks, self._open_sessions, self.link.registry)

    async def prepare(self) -> None:
        """Waits, before the WebSocket handshake, until the kernel runs and its protocol version is known.

        Without a kernel_info reply within ``kernel_info_timeout`` the connection continues. Raises ``web.HTTPError``: 403 if
        the session belongs to another user, 404 if the kernel was deleted, 500 if it cannot start or its signature scheme is
        not supported. Raises TimeoutError if its process does not run within ``kernel_info_timeout``, and ``web.Finish`` if
        the client has left.
        """
        active.log_startup(self.log, type(self), self.multi_kernel_manager, self.config)
        try:
            await self._register_session()
            await self._preparation.run(self.link.kernel)
        except BaseException:
            self.disconnect()
            raise

    def create_stream(self) -> None:
        """Creates the four channels. IOPub subscribes to the kernel's shared feed. Shell, control and stdin get sockets of
        their own; with ``sockets_on_demand``, control and stdin are opened at the first message that needs them."""
        self._preparation.adopt_key(self.link.kernel)
        self.channels["iopub"] = FeedChannel(self.link.kernel)
        keys, verify = self.keys, self.verify_signatures or self.subprotocol != _core.V1
        channels = new_channels(
            self.kernel_manager,
            self.session.bsession,
            lambda: keys.receiver("sockets", verify=verify),
            self.log,
            on_demand=self.sockets_on_demand,
        )
        self.channels.update(channels)

    def nudge(self) -> "asyncio.Future[None]":
        """See ``Link.nudge``."""
        return self.link.nudge()

    def connect(self) -> Awaitable[None]:  # type: ignore[override] # upstream's annotation is wrong: it returns a future
        """Opens or resumes the session. Returns a completed future; it does not wait for the kernel.

        If that fails, the WebSocket is closed with a code and a reason, and nothing is raised.
        """
        ZMQChannelsWebsocketConnection._open_sockets.add(self)
        self.multi_kernel_manager.notify_connect(self.kernel_id)
        return self.link.connect()

    def subscribe(self) -> None:
        """Starts to send the messages of all channels to the client."""
        self.link.subscribe()

    # disconnecting

    def close(self) -> None:
        """The same as ``disconnect``."""
        self.disconnect()

    def disconnect(self) -> None:  # type: ignore[override] # upstream's annotation is wrong here too
        """Ends the connection. Its session is kept if the client can resume it. A second call does nothing."""
        counted = self in ZMQChannelsWebsocketConnection._open_sockets
        if counted:
            ZMQChannelsWebsocketConnection._open_sockets.discard(self)
            self.multi_kernel_manager.notify_disconnect(self.kernel_id)
        self.log.debug("Websocket closed %s", shown_key(self.session_key))
        session_keys.unregister(self._hooks, self._open_sessions)
        self._preparation.drop_request()
        self.link.leave(counted=counted)
        if not self._close_future.done():
            self._close_future.set_result(None)

    # client to kernel

    def handle_incoming_message(self, incoming_msg: str | bytes) -> None:
        """Sends one WebSocket message to the kernel. A malformed one is logged and dropped. Raises nothing."""
        if self.channels:
            self.link.inbound.handle(incoming_msg)
        else:
            self.log.debug("Received message on closed websocket")

    # kernel to client, one message at a time

    def handle_outgoing_message(self, stream: Any, outgoing_msg: list[Any]) -> Any:
        """Sends one multipart message, with or without identities, to the client. ``stream`` is a channel or its name."""
        per_message.handle(self._hooks, stream, outgoing_msg)

    def get_part(self, field: str, value: Any, msg_list: list[Any]) -> Any:
        """Returns ``value``, or if it is None the unpacked part ``field``: header, parent_header or content."""
        if value is None:
            index = {"header": 0, "parent_header": 1, "content": 3}[field]
            value = self.session.unpack(msg_list[index])
        return value

    def _on_error(self, channel: str, msg: dict[str, Any], msg_list: list[Any]) -> None:
        """Hides the traceback of an error or a failed reply if the kernel manager's ``allow_tracebacks`` is off."""
        per_message.hide_traceback(self._hooks, msg, msg_list)

    def _limit_rate(self, channel: str, msg: dict[str, Any], msg_list: list[Any]) -> bool:
        """Returns True if the message is over the rate limits and must be dropped (``overload = "drop"``). The client gets a
        notice when dropping begins."""
        if not self.limit_rate or channel != "iopub":
            return False
        return not per_message.within_rate(self._hooks, self.link.limiter, Limits.of(self), msg, msg_list)

    def _on_zmq_reply(self, stream: Any, msg_list: Any) -> None:
        """Writes one message to the WebSocket. ``msg_list``: the parts for v1; the dictionary or the frames for legacy."""
        per_message.write(self._hooks, stream, msg_list)

    def _reserialize_reply(self, msg_or_list: Any, channel: str | None = None) -> str | bytes:
        """Encodes a message dictionary, or a kernel's frames, for a legacy client: text, or bytes if it has buffers."""
        return per_message.reserialize(self._hooks, msg_or_list, channel)

    # the kernel's protocol

    def request_kernel_info(self) -> Any:
        """Returns a future of the kernel_info content. All connections of a kernel share one request."""
        return session_keys.ensure_future(self._preparation.request_kernel_info(self.link.kernel))

    def _handle_kernel_info_reply(self, msg: list[Any]) -> None:
        """Handles the frames of a kernel_info reply, from shell or control."""
        self._preparation.handle_reply(msg)

    def _finish_kernel_info(self, info: dict[str, Any]) -> None:
        """Adapts this connection to the kernel's protocol version and lets ``prepare`` continue."""
        self._preparation.finish(info)

    # messages that the server itself makes

    def write_stderr(self, error_message: str, parent_header: Any) -> None:
        """Logs a text and sends it to the client as a ``stream`` message on stderr with this ``parent_header``."""
        self.log.warning(error_message)
        self.link.notices.show(self.link.notices.messages.stream(error_message + "\n", parent_header))

    def _send_status_message(self, status: str) -> None:
        """Sends ``restarting`` or ``dead`` to the client, after everything that the kernel published before."""
        self.link.notices.announce(status)

    def on_kernel_restarted(self) -> None:
        """Called when the kernel manager has restarted a kernel that died."""
        self.log.warning("kernel %s restarted", self.kernel_id)
        self._send_status_message("restarting")

    def on_restart_failed(self) -> None:
        """Called when the kernel died and the kernel manager gave up restarting it."""
        self.log.error("kernel %s restarted failed!", self.kernel_id)
        self._send_status_message("dead")


KernelWebsocketConnectionABC.register(ZMQChannelsWebsocketConnection)
