"""The public class: upstream's method names, each a short call into the link that does the work.

``client`` is one WebSocket, ``session`` outlives it, ``kernel`` serves all sessions, ``sockets`` reads and sends.
A message of the kernel is written in batches; ``handle_outgoing_message`` and the hooks below it are the same path for one
message, used where somebody calls or overrides them. Must hold no policy, and nothing but ``extension.py`` imports it.
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
    """The bridge between one client's WebSocket and one kernel's ZMQ sockets."""

    _open_sessions: ClassVar[dict[str, KernelWebsocketHandler]] = {}
    """Session key -> handler; an entry is removed by its owner only."""
    _open_sockets: ClassVar[MutableSet["ZMQChannelsWebsocketConnection"]] = weakref.WeakSet()
    """The connections that the kernel manager counts."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        hide_query(self.websocket_handler)
        self._keys = Keys(self.session)
        self.link = Link(self._hooks, ZMQChannelsWebsocketConnection)
        self._preparation = Preparation(self._hooks)

    @property
    def _hooks(self) -> Hooks:
        return cast("Hooks", self)  # whose settings are descriptors, which a Protocol cannot say

    @classmethod
    async def close_all(cls) -> None:
        """Disconnects every open connection: the server is shutting down."""
        await session_keys.close_all(list(cls._open_sockets))

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
    def faults(self) -> FaultLog:
        """What was wrong with messages of this client."""
        return self.link.faults

    def note_kernel_session(self, kernel_session: str | None) -> None:
        """Notes the session of a message of the kernel that did not come through the outbox."""
        self.link.kernel_session = kernel_session or self.link.kernel_session

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

    def observe_limits(self, callback: Callable[[], None]) -> None:
        """Calls it whenever a trait of ``Limits`` is set."""

        def follow(change: Any) -> None:
            if change.name in NAMES:
                callback()

        self.observe(follow)  # an observer of each trait would take 2 KB

    # opening

    async def _register_session(self) -> None:
        """Takes the session key; a connection that holds it still is stale and is replaced."""
        self.session_key = f"{self.kernel_id}:{self.session.session}"
        session_keys.register(self._hooks, self._open_sessions, self.link.registry)

    async def prepare(self) -> None:
        """Waits until the kernel runs and has told its protocol, before the WebSocket handshake.

        Raises ``web.HTTPError(500)`` if it cannot start, TimeoutError if it never lives, ``web.HTTPError(404)`` if it is
        deleted meanwhile, ``web.Finish`` if the client leaves.
        """
        active.log_startup(self.log, type(self), self.multi_kernel_manager, self.config)
        try:
            await self._register_session()
            await self._preparation.run(self.link.kernel)
        except BaseException:
            self.disconnect()
            raise

    def create_stream(self) -> None:
        """Opens the four channels: a place at the kernel's feed, and sockets under the session's identity, two on demand."""
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
        """A future that is done when the kernel answers and is heard; at once if that is known. May raise TimeoutError."""
        return self.link.nudge()

    def connect(self) -> Awaitable[None]:  # type: ignore[override] # upstream declares a coroutine and is none
        """Counts the connection, opens its channels and returns what is done when messages flow both ways.

        After a failure that is done too, and the WebSocket is closed with a code and a reason.
        """
        ZMQChannelsWebsocketConnection._open_sockets.add(self)
        self.multi_kernel_manager.notify_connect(self.kernel_id)
        return self.link.connect()

    def subscribe(self) -> None:
        """Messages of all channels go to the client from now on."""
        self.link.subscribe()

    # ending

    def close(self) -> None:
        """The same as ``disconnect``."""
        self.disconnect()

    def disconnect(self) -> None:  # type: ignore[override] # the same
        """Ends the connection; its session is kept for a while if its client can resume it. A second call does nothing."""
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
        """Takes one WebSocket message to the kernel. Raises nothing: what is malformed is ignored, with a log line."""
        if self.channels:
            self.link.inbound.handle(incoming_msg)
        else:
            self.log.debug("Received message on closed websocket")

    # kernel to client, one message at a time

    def handle_outgoing_message(self, stream: Any, outgoing_msg: list[Any]) -> Any:
        """Brings one multipart message, with or without identities, to the client. ``stream``: a channel or its name."""
        per_message.handle(self._hooks, stream, outgoing_msg)

    def get_part(self, field: str, value: Any, msg_list: list[Any]) -> Any:
        """``value``, or the unpacked ``field`` (header, parent_header or content) of the parts if it is None."""
        if value is None:
            index = {"header": 0, "parent_header": 1, "content": 3}[field]
            value = self.session.unpack(msg_list[index])
        return value

    def _on_error(self, channel: str, msg: dict[str, Any], msg_list: list[Any]) -> None:
        """Hides the traceback of an error or a failed reply where the kernel manager says so."""
        per_message.hide_traceback(self._hooks, msg, msg_list)

    def _limit_rate(self, channel: str, msg: dict[str, Any], msg_list: list[Any]) -> bool:
        """Whether the rate window drops this message (``overload = "drop"``); says so to the client when that begins."""
        if not self.limit_rate or channel != "iopub":
            return False
        return not per_message.within_rate(self._hooks, self.link.limiter, Limits.of(self), msg, msg_list)

    def _on_zmq_reply(self, stream: Any, msg_list: Any) -> None:
        """Writes one message: its parts for v1, its dictionary or frames for legacy."""
        per_message.write(self._hooks, stream, msg_list)

    def _reserialize_reply(self, msg_or_list: Any, channel: str | None = None) -> str | bytes:
        """The legacy WebSocket message of a dictionary or of a kernel's frames: text, or bytes if it has buffers."""
        return per_message.reserialize(self._hooks, msg_or_list, channel)

    # the kernel's protocol

    def request_kernel_info(self) -> Any:
        """A future of the kernel's info; one request a kernel is under way, whoever asks."""
        return session_keys.ensure_future(self._preparation.request_kernel_info(self.link.kernel))

    def _handle_kernel_info_reply(self, msg: list[Any]) -> None:
        """Takes the frames of the first good reply on shell or control."""
        self._preparation.handle_reply(msg)

    def _finish_kernel_info(self, info: dict[str, Any]) -> None:
        """Adapts this connection to the kernel's protocol, and lets ``prepare`` go on."""
        self._preparation.finish(info)

    # the server's own messages

    def write_stderr(self, error_message: str, parent_header: Any) -> None:
        """Logs a message and shows it to the client as ``stream`` text on stderr, answering ``parent_header``."""
        self.log.warning(error_message)
        self.link.notices.show(self.link.notices.messages.stream(error_message + "\n", parent_header))

    def _send_status_message(self, status: str) -> None:
        """Shows a status, after all that the kernel has published before."""
        self.link.notices.announce(status)

    def on_kernel_restarted(self) -> None:
        """The kernel died and was started again."""
        self.log.warning("kernel %s restarted", self.kernel_id)
        self._send_status_message("restarting")

    def on_restart_failed(self) -> None:
        """The kernel died and cannot be started again."""
        self.log.error("kernel %s restarted failed!", self.kernel_id)
        self._send_status_message("dead")


KernelWebsocketConnectionABC.register(ZMQChannelsWebsocketConnection)
