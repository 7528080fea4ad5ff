"""What the client's side needs of the public class, and which of its methods somebody has overridden.

The public class implements ``Hooks``; nothing below ``connection.py`` knows the class itself. Subclasses and other packages
override its methods: each is called through the instance, so that an overridden one is met. Must hold no state.
Cost: a dozen attribute look-ups a connection.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from tornado.websocket import WebSocketHandler, WebSocketProtocol13

if TYPE_CHECKING:
    import asyncio
    import logging
    from concurrent.futures import Future

    from jupyter_client.session import Session

    from .. import _core
    from ..messages.keys import Keys
    from ..record.faults import FaultLog

HOOKS = (
    "handle_outgoing_message",
    "_on_zmq_reply",
    "_reserialize_reply",
    "_limit_rate",
    "_on_error",
    "get_part",
)
"""The methods that see every message where a subclass, or somebody on the instance, overrides one of them."""


class Hooks(Protocol):
    """The public class, as the client's side uses it. Settings have the names of its traits."""

    log: "logging.Logger"
    kernel_manager: Any
    multi_kernel_manager: Any
    kernel_id: str
    session: "Session"
    session_key: str
    websocket_handler: Any
    channels: dict[str, Any]
    verify_signatures: bool
    max_message_size: int
    ack_timeout: float
    kernel_info_timeout: float
    intake_lag_limit: float
    receive_niceness: int
    large_block_size: int
    kernel_info_channel: Any
    _kernel_info_future: "Future[Any]"

    @property
    def subprotocol(self) -> str | None: ...
    @property
    def keys(self) -> "Keys": ...
    @property
    def signer(self) -> "_core.Signer": ...
    @property
    def faults(self) -> "FaultLog": ...
    @property
    def write_message(self) -> Any: ...

    def new_receiver(self, *, verify: bool = True) -> "_core.Receiver": ...
    def observe_limits(self, callback: Callable[[], None]) -> None:
        """Calls it whenever a trait of ``Limits`` is set."""

    def request_kernel_info(self) -> Any: ...
    def _handle_kernel_info_reply(self, msg: list[Any]) -> None: ...
    def _finish_kernel_info(self, info: dict[str, Any]) -> None: ...
    def create_stream(self) -> None: ...
    def nudge(self) -> "asyncio.Future[None]": ...
    def subscribe(self) -> None: ...
    def disconnect(self) -> None: ...
    def on_kernel_restarted(self) -> None: ...
    def on_restart_failed(self) -> None: ...
    def write_stderr(self, error_message: str, parent_header: Any) -> None: ...
    def heard(self, kernel_session: str | None) -> None: ...
    def handle_outgoing_message(self, stream: Any, outgoing_msg: list[Any]) -> Any: ...
    def get_part(self, field: str, value: Any, msg_list: list[Any]) -> Any: ...
    def _on_error(self, channel: str, msg: dict[str, Any], msg_list: list[Any]) -> None: ...
    def _limit_rate(self, channel: str, msg: dict[str, Any], msg_list: list[Any]) -> bool: ...
    def _on_zmq_reply(self, stream: Any, msg_list: Any) -> None: ...
    def _reserialize_reply(self, msg_or_list: Any, channel: str | None = None) -> str | bytes: ...


def hook_overridden(hooks: Hooks, base: type) -> bool:
    """Whether one of ``HOOKS`` is not ``base``'s, kernelws's own class."""
    own, cls = vars(hooks), type(hooks)
    return any(name in own or getattr(cls, name) is not getattr(base, name) for name in HOOKS)


def writes_frames(hooks: Hooks, base: type) -> bool:
    """Whether frames may be written past ``write_message``: nobody has overridden it, and the WebSocket does not compress."""
    handler: Any = hooks.websocket_handler
    overridden = (
        type(hooks).write_message is not base.write_message  # type: ignore[attr-defined]
        or "write_message" in vars(handler)
        or getattr(type(handler), "write_message", None) is not WebSocketHandler.write_message
    )
    websocket = getattr(handler, "ws_connection", None)
    plain = type(websocket) is WebSocketProtocol13 and websocket._compressor is None and "write_message" not in vars(websocket)
    return plain and not overridden
