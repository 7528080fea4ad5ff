"""Brings verified messages to one client: rate window, notices, and the socket write.

Batches leave in one of three ways, same messages, same order:

- ``IOStream.write``: one write a batch of the frames that Rust made, shared by all clients of the kernel;
- ``write_message``: one call a message, where the WebSocket compresses, or somebody has overridden ``write_message`` (Voila
  hides source there: writing past it would show it);
- ``handle_outgoing_message``: one call a message, where a subclass overrides one of the hooks of the class.

Must not change a shared batch, and must not decide what is malformed. Cost: one call, and one write, a batch.
"""

from typing import TYPE_CHECKING, Any, Literal

from tornado.ioloop import IOLoop
from tornado.iostream import StreamClosedError
from tornado.websocket import WebSocketClosedError, WebSocketHandler, WebSocketProtocol13

from .. import _core, adapt
from ..errors import MalformedMessage
from . import notices, redact
from .channels import run_callback

if TYPE_CHECKING:
    from ..connection import ZMQChannelsWebsocketConnection

HOOKS = (
    "handle_outgoing_message",
    "_on_zmq_reply",
    "_reserialize_reply",
    "_limit_rate",
    "_on_error",
    "get_part",
)
"""The methods that see every message where a subclass, or somebody on the instance, overrides one of them."""


class Delivery:
    """The way to one client. ``rates`` is the connection's rate window, shared with ``_limit_rate``."""

    def __init__(self, connection: "ZMQChannelsWebsocketConnection", base: type) -> None:
        """``base`` is kernelws's class: a hook that differs from its is overridden."""
        self._connection = connection
        self._base = base
        self.rates = _core.RateWindow()
        self._per_message = False
        self._direct = False

    def settle_way(self) -> None:
        """Chooses the way of this connection's messages; called when its WebSocket is open."""
        unverified = not self._connection.verify_signatures and self.protocol == "legacy"
        self._per_message = self._hook_overridden() or unverified
        self._direct = not self._write_overridden() and self._plain_websocket()

    def _hook_overridden(self) -> bool:
        own, cls = vars(self._connection), type(self._connection)
        return any(name in own or getattr(cls, name) is not getattr(self._base, name) for name in HOOKS)

    def _write_overridden(self) -> bool:
        connection, handler = self._connection, self._connection.websocket_handler
        return (
            type(connection).write_message is not self._base.write_message  # type: ignore[attr-defined]
            or "write_message" in vars(handler)
            or getattr(type(handler), "write_message", None) is not WebSocketHandler.write_message
        )

    def _plain_websocket(self) -> bool:
        websocket = getattr(self._connection.websocket_handler, "ws_connection", None)
        return type(websocket) is WebSocketProtocol13 and websocket._compressor is None and "write_message" not in vars(websocket)

    @property
    def protocol(self) -> Literal["v1", "legacy"]:
        return "v1" if self._connection.subprotocol == _core.V1 else "legacy"

    # batches

    def receive(self, batch: _core.Batch) -> None:
        """Takes the next batch of a channel whose socket only this connection reads."""
        connection = self._connection
        connection.complaints.add_all(batch.channel, batch.malformed)
        adapt.describe(batch, connection.session)
        redact.hide_tracebacks(batch, connection.multi_kernel_manager, connection.session)
        self.deliver(batch)

    def deliver(self, batch: _core.Batch) -> None:
        """Brings a batch to the client; the feed calls this with batches that all clients share."""
        connection = self._connection
        if not len(batch) or connection.lifecycle.ended:
            return
        connection.kernel_session = batch.kernel_session or connection.kernel_session
        if self._per_message or not vars(connection).keys().isdisjoint(HOOKS):  # patched since it was opened
            self._hand_to_hooks(batch)
            return
        if adapt.is_old_kernel(connection.session):
            adapt.for_old_kernel(batch, connection.session)
        if self.protocol == "legacy":
            adapt.for_legacy(batch, connection.session)
        if batch.channel == "iopub" and connection.limit_rate:
            self._write_admitted(batch)
        else:
            self._write(batch, 0, len(batch))
        if self.protocol == "legacy":
            connection.complaints.add_all(batch.channel, batch.refused("legacy"))

    def _hand_to_hooks(self, batch: _core.Batch) -> None:
        connection = self._connection
        for index in range(len(batch)):
            stream = connection.channels.get(batch.channel, batch.channel)
            try:
                run_callback(connection.handle_outgoing_message, stream, batch.frames(index))
            except Exception:
                connection.log.exception("a hook failed for a message on %s; the next one goes on", batch.channel)

    def _write_admitted(self, batch: _core.Batch) -> None:
        for start, stop, events in self.rates.admit(batch, IOLoop.current().time(), *self.limits):
            self._write(batch, start, stop)
            if events:
                exceeded_at = min(stop, len(batch) - 1)
                self.tell(events, self._parent_header(batch.parts(exceeded_at)[1]))

    def _parent_header(self, packed: bytes) -> dict[str, Any]:
        """A parent_header to answer; an empty one if what the kernel sent there cannot be read."""
        try:
            parent_header = self._connection.session.unpack(packed)
        except Exception:  # noqa: BLE001 - whatever the packer raises
            return {}
        return parent_header if isinstance(parent_header, dict) else {}

    @property
    def limits(self) -> tuple[float, float, float]:
        """Messages a second, bytes a second, and the window in seconds, as they are configured now."""
        connection = self._connection
        return connection.iopub_msg_rate_limit, connection.iopub_data_rate_limit, connection.rate_limit_window

    def tell(self, events: "list[_core.RateEvent]", parent_header: Any) -> None:
        """Says what the rate window decided: a notice to the client, or a line in the log."""
        connection = self._connection
        window = connection.rate_limit_window
        for event in events:
            if event == "resumed":
                connection.log.warning("iopub messages resumed")
                continue
            if event == "msg_rate_exceeded":
                text = notices.message_rate_exceeded(connection.iopub_msg_rate_limit, window)
            else:
                text = notices.data_rate_exceeded(connection.iopub_data_rate_limit, window)
            connection.write_stderr(text, parent_header)

    # writing

    def _write(self, batch: _core.Batch, start: int, stop: int) -> None:
        if start >= stop:
            return
        try:
            if self._direct and "write_message" not in vars(self._connection.websocket_handler):
                self._write_wire(batch.wire(self.protocol, start, stop))
            else:
                self._write_each(batch, start, stop)
        except (WebSocketClosedError, StreamClosedError) as error:
            # The client is gone; on_close will follow and end the connection.
            self._connection.complaints.add(batch.channel, "closed", f"the WebSocket is closed ({type(error).__name__})")

    def _write_wire(self, frames: bytes) -> None:
        websocket: Any = self._connection.websocket_handler.ws_connection
        if websocket is None or websocket.is_closing():
            raise WebSocketClosedError
        websocket._wire_bytes_out += len(frames)
        websocket.stream.write(frames)

    def _write_each(self, batch: _core.Batch, start: int, stop: int) -> None:
        connection = self._connection
        for index in range(start, stop):
            try:
                payload = batch.payload(index, self.protocol)
            except MalformedMessage:
                continue  # told by ``refused``, as on the other way
            connection.write_message(payload, binary=isinstance(payload, bytes))
