"""Keeps the kernel manager's ``start_buffering``, ``get_buffer`` and ``stop_buffering`` working for other code.

When a kernel's last connection ends, the manager's ``start_buffering`` is called as in jupyter_server, but with a ``Lent``
stand-in for each channel. It receives nothing, so the manager's unbounded list stays empty and the messages stay in the
session's outbox. Must not let the manager read or close a session's channels. Cost: four small objects a detached kernel.
"""

from typing import TYPE_CHECKING, Any

from ..record.log_lines import shown_key

if TYPE_CHECKING:
    from .facts import Identity


class Lent:
    """A stand-in for a channel, with the part of ``ZMQStream``'s interface that the manager uses."""

    __slots__ = ("channel", "socket")

    def __init__(self, channel: str) -> None:
        self.channel = channel
        self.socket = self

    closed = False
    """Read as ``channel.socket.closed``."""

    def on_recv(self, callback: Any, copy: bool = True) -> None:
        """Never calls ``callback``: the session receives the messages."""

    on_recv_stream = on_recv

    def stop_on_recv(self) -> None:
        """Does nothing."""

    def flush(self) -> int:
        """Does nothing."""
        return 0

    def close(self, linger: int | None = None) -> None:
        """Does nothing: the session owns the channel and keeps it open."""


def lend(manager: Any, identity: "Identity", channels: dict[str, Any]) -> None:
    """Calls the manager's ``start_buffering`` for a detached session if the kernel has no connection left.

    Skips a session whose key must not be logged: the manager logs it unchanged.
    """
    kernel_id, key = identity.kernel_id, identity.key
    if manager._kernel_connections.get(kernel_id) == 0 and shown_key(key) == key:
        ours = {name: Lent(name) if hasattr(channel, "on_batch") else channel for name, channel in channels.items()}
        manager.start_buffering(kernel_id, key, ours)


def take_back(manager: Any, kernel_id: str, key: str) -> dict[str, Any] | None:
    """Returns what other code has buffered for this session in the manager; None if nothing, or if a channel is ``Lent``."""
    buffer_info: dict[str, Any] | None = manager.get_buffer(kernel_id, key)
    if not buffer_info or buffer_info["session_key"] != key:
        return None
    lent = any(isinstance(channel, Lent) for channel in buffer_info["channels"].values())
    return None if lent else buffer_info


def close_channels(channels: dict[str, Any]) -> None:
    """Closes all open channels. A channel is None if opening the channels failed halfway."""
    for channel in channels.values():
        if channel is not None and not isinstance(channel, Lent) and not channel.closed():
            channel.on_recv(None)
            channel.close()


def forget(manager: Any, identity: "Identity") -> None:
    """Removes an ended session from the manager's buffers."""
    buffers = manager._kernel_buffers
    if identity.kernel_id in buffers and buffers[identity.kernel_id]["session_key"] == identity.key:
        close_channels(buffers.pop(identity.kernel_id)["channels"])
