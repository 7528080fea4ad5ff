"""The public class: upstream's method names, each a short call into the folder that does the work.

``kernel_to_client`` brings messages out, ``client_to_kernel`` takes them in, ``lifecycle`` says when. Must hold no policy.
A message of the kernel reaches ``Delivery`` in batches; ``handle_outgoing_message`` and the hooks below it are the same
path for one message, used where somebody calls or overrides them.
"""

import asyncio
import weakref
from collections.abc import Awaitable, MutableSet
from typing import Any, ClassVar

from jupyter_server.services.kernels.connection.abc import KernelWebsocketConnectionABC
from jupyter_server.services.kernels.websocket import KernelWebsocketHandler

from . import _core, adapt
from .client_to_kernel.admit import admit
from .client_to_kernel.dispatch import dispatch
from .kernel_to_client import notices, single
from .kernel_to_client.channels import Channel
from .kernel_to_client.delivery import Delivery
from .kernel_to_client.feed import Feed, feed_of
from .kernel_to_client.feed_channel import FeedChannel
from .lifecycle import buffers, opening, readiness, sessions
from .lifecycle.state import Event, Lifecycle
from .observe.complaints import Complaints
from .traits import ConnectionTraits

_ensure_future = sessions.ensure_future


class ZMQChannelsWebsocketConnection(ConnectionTraits):
    """The bridge between one client's WebSocket and one kernel's ZMQ sockets."""

    _open_sessions: ClassVar[dict[str, KernelWebsocketHandler]] = {}
    """Session key -> handler; an entry is removed by its owner only."""
    _open_sockets: ClassVar[MutableSet["ZMQChannelsWebsocketConnection"]] = weakref.WeakSet()
    """The connections that the kernel manager counts."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.lifecycle = Lifecycle()
        self.complaints = Complaints(self.log, f"client of kernel {self.kernel_id}")
        self.delivery = Delivery(self, ZMQChannelsWebsocketConnection)
        self.kernel_session: str | None = None
        """``header.session`` of the kernel's messages, once one was seen."""
        self._receivers: dict[tuple[Any, ...], _core.Receiver] = {}
        self._signer: tuple[tuple[Any, ...], _core.Signer] | None = None
        self.kernel_info_request: readiness.KernelInfoRequest | None = None
        self._nudges: set[readiness.Nudge] = set()
        self.unreplayed: list[tuple[str, list[Any]]] = []
        """What came back from the buffer and was not delivered yet; it returns there if this connection ends before."""

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

    # keys: the kernel's, as they are now

    @property
    def signer(self) -> _core.Signer:
        terms = (self.session.key, self.session.signature_scheme)
        if self._signer is None or self._signer[0] != terms:
            self._signer = (terms, _core.Signer(*terms))
        return self._signer[1]

    def new_receiver(self, *, verify: bool = True) -> _core.Receiver:
        """Verifies messages against a replay window of its own. Raises ``UnsupportedScheme``."""
        return _core.Receiver(
            self.session.key,
            self.session.signature_scheme,
            digest_history_size=self.session.digest_history_size,
            verify=verify,
            json=adapt.packs_json(self.session),
        )

    def receiver(self, use: str) -> _core.Receiver:
        """The lasting receiver of one ``use`` (the sockets, or single messages), made again when the key changes."""
        verify = self.verify_signatures or self.subprotocol != _core.V1
        terms = (use, self.session.key, self.session.signature_scheme, verify)
        if terms not in self._receivers:
            self._receivers = {kept: held for kept, held in self._receivers.items() if kept[1:] == terms[1:]}
            self._receivers[terms] = self.new_receiver(verify=verify)
        return self._receivers[terms]

    # opening

    async def _register_session(self) -> None:
        """Takes the session key; a connection that holds it still is stale and is replaced."""
        sessions.register(self)

    async def prepare(self) -> None:
        """Waits until the kernel runs and has told its protocol, before the WebSocket handshake.

        Raises ``web.HTTPError(500)`` if it cannot start, TimeoutError if it never lives.
        """
        await self._register_session()
        await opening.wait_until_alive(self)
        opening.adopt_key(self)
        await opening.wait_for_kernel_info(self)

    def create_stream(self) -> None:
        """Opens the four channels: sockets under the session's identity, stdin first, and a place at the kernel's feed."""
        opening.adopt_key(self)
        identity = self.session.bsession
        self.channels["iopub"] = FeedChannel(self.feed)
        for name in ("stdin", "shell", "control"):
            socket = getattr(self.kernel_manager, "connect_" + name)(identity=identity)
            self.channels[name] = Channel(name, socket, lambda: self.receiver("sockets"), self.log)

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
        for name, channel in self.channels.items():
            if hasattr(channel, "on_batch"):
                channel.on_batch(self.delivery.deliver if name == "iopub" else self.delivery.receive)
            else:  # somebody has put a stream of their own into ``channels``
                channel.on_recv_stream(self.handle_outgoing_message)

    # ending

    def close(self) -> None:
        """The same as ``disconnect``."""
        self.disconnect()

    def disconnect(self) -> None:  # type: ignore[override] # the same
        """Ends the connection; the last one of a kernel leaves its channels to offline buffering. A second call does nothing."""
        counted = self in ZMQChannelsWebsocketConnection._open_sockets
        if counted:
            ZMQChannelsWebsocketConnection._open_sockets.discard(self)
            self.multi_kernel_manager.notify_disconnect(self.kernel_id)
        self.log.debug("Websocket closed %s", self.session_key)
        self.lifecycle.on(Event.END)
        sessions.unregister(self)
        readiness.drop_kernel_info_request(self)
        for nudge in tuple(self._nudges):
            nudge.finish()
        opening.unwatch_restarts(self)
        channels, self.channels = self.channels, {}
        buffers.hand_over_or_close(self, channels, may_buffer=counted)
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
            dispatch(self, *admitted)

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
        """Whether the rate window holds this message back; says so to the client when that begins."""
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
        notices.show(self, notices.stream_message(self, error_message + "\n", parent_header))

    def _send_status_message(self, status: str) -> None:
        """Shows a status, after all that the kernel has published before."""
        iopub = self.channels.get("iopub")
        if iopub and not iopub.closed():
            iopub.flush()
        notices.show(self, notices.status_message(self, status))

    def on_kernel_restarted(self) -> None:
        """The kernel died and was started again."""
        self.log.warning("kernel %s restarted", self.kernel_id)
        self._send_status_message("restarting")

    def on_restart_failed(self) -> None:
        """The kernel died and cannot be started again."""
        self.log.error("kernel %s restarted failed!", self.kernel_id)
        self._send_status_message("dead")


KernelWebsocketConnectionABC.register(ZMQChannelsWebsocketConnection)
