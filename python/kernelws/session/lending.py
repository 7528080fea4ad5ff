"""The kernel manager's offline buffering, on top of the sessions.

The manager's ``start_buffering``, ``get_buffer`` and ``stop_buffering`` keep working for callers outside. When the last
connection of a kernel ends, the manager is still told and gets a ``Lent`` for each channel: the messages stay in the session's
outbox, so that the manager's unbounded list stays empty, and what it asks of them changes nothing and opens nothing.
"""

from typing import TYPE_CHECKING, Any

from ..record.log_lines import shown_key

if TYPE_CHECKING:
    from .facts import Identity


class Lent:
    """What the manager holds in place of a channel, with the part of ``ZMQStream``'s interface that it uses."""

    __slots__ = ("channel", "socket")

    def __init__(self, channel: str) -> None:
        self.channel = channel
        self.socket = self

    closed = False
    """Of ``socket``, which is the channel's only as far as this is asked."""

    def on_recv(self, callback: Any, copy: bool = True) -> None:
        """Nothing comes: the session's outbox takes it."""

    on_recv_stream = on_recv

    def stop_on_recv(self) -> None:
        """Nothing was received."""

    def flush(self) -> int:
        """Nothing waits."""
        return 0

    def close(self, linger: int | None = None) -> None:
        """The channel is the session's, and stays open."""


def lend(manager: Any, identity: "Identity", channels: dict[str, Any]) -> None:
    """If a session that was detached was the kernel's last connection, the manager buffers its channels from now on.

    Not under a key that the manager, which logs it as it is, must not see.
    """
    kernel_id, key = identity.kernel_id, identity.key
    if manager._kernel_connections.get(kernel_id) == 0 and shown_key(key) == key:
        ours = {name: Lent(name) if hasattr(channel, "on_batch") else channel for name, channel in channels.items()}
        manager.start_buffering(kernel_id, key, ours)


def take_back(manager: Any, kernel_id: str, key: str) -> dict[str, Any] | None:
    """What somebody else has buffered for this session in the manager, None if that is what was lent to it."""
    buffer_info: dict[str, Any] | None = manager.get_buffer(kernel_id, key)
    if not buffer_info or buffer_info["session_key"] != key:
        return None
    lent = any(isinstance(channel, Lent) for channel in buffer_info["channels"].values())
    return None if lent else buffer_info


def close_channels(channels: dict[str, Any]) -> None:
    """Closes whatever of these is open; a channel may be None where setting up failed half-way."""
    for channel in channels.values():
        if channel is not None and not isinstance(channel, Lent) and not channel.closed():
            channel.on_recv(None)
            channel.close()


def forget(manager: Any, identity: "Identity") -> None:
    """The manager buffers nothing for this session any more: it has ended."""
    buffers = manager._kernel_buffers
    if identity.kernel_id in buffers and buffers[identity.kernel_id]["session_key"] == identity.key:
        close_channels(buffers.pop(identity.kernel_id)["channels"])
