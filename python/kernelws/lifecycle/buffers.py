"""The kernel manager's offline buffering, on top of the mailboxes.

The manager's ``start_buffering``, ``get_buffer`` and ``stop_buffering`` keep working for callers outside. When the last
connection of a kernel ends, the manager is still told, but what it gets are facades: the messages stay in the session's
outbox, so that the manager's unbounded list stays empty, and what it does to the facades changes nothing.
"""

import itertools
from collections.abc import Callable
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from ..kernel_to_client.feed_channel import FeedSocket

if TYPE_CHECKING:
    from ..connection import ZMQChannelsWebsocketConnection


class Facade:
    """What the manager's buffer holds of one channel of a detached session."""

    def __init__(self, channel: str) -> None:
        self.channel = channel
        self.socket = FeedSocket()

    def on_recv(self, callback: Callable[[list[Any]], Any] | None, copy: bool = True) -> None:
        """Nothing is handed to the callback: the session's own outbox holds it."""

    def on_recv_stream(self, callback: Callable[[Any, list[Any]], Any] | None, copy: bool = True) -> None:
        """The same."""

    def stop_on_recv(self) -> None:
        """The same."""

    def flush(self) -> int:
        return 0

    def closed(self) -> bool:
        return self.socket.closed

    def close(self, linger: int | None = None) -> None:
        self.socket.closed = True


def tell_manager(connection: "ZMQChannelsWebsocketConnection") -> None:
    """The last connection of a kernel has ended: its manager buffers facades from now on."""
    manager, kernel_id = connection.multi_kernel_manager, connection.kernel_id
    if kernel_id in manager and manager._kernel_connections.get(kernel_id) == 0:
        facades = {name: Facade(name) for name in ("iopub", "shell", "control", "stdin")}
        manager.start_buffering(kernel_id, connection.session_key, facades)


def take_back(connection: "ZMQChannelsWebsocketConnection") -> dict[str, Any] | None:
    """What somebody else has buffered for this session in the manager, None if there is nothing but facades."""
    manager, key = connection.multi_kernel_manager, connection.session_key
    buffer_info: dict[str, Any] | None = manager.get_buffer(connection.kernel_id, key)
    if not buffer_info or buffer_info["session_key"] != key:
        return None
    facades = any(isinstance(channel, Facade) for channel in buffer_info["channels"].values())
    return None if facades else buffer_info


def replay(connection: "ZMQChannelsWebsocketConnection", buffered: list[tuple[str, list[Any]]]) -> None:
    """Delivers what was collected, in order, as if it came now."""
    if connection.mailbox is None or not buffered:
        return
    connection.log.info("Replaying %s buffered messages", len(buffered))
    receiver = connection.new_receiver(verify=connection.verify_signatures)
    for channel, messages in itertools.groupby(buffered, key=itemgetter(0)):
        connection.mailbox.receive(receiver.split(channel, [frames for _, frames in messages]))


def close_channels(channels: dict[str, Any]) -> None:
    """Closes whatever of these is open; a channel may be None where setting up failed half-way."""
    for channel in channels.values():
        if channel is not None and not channel.closed():
            channel.on_recv(None)
            channel.close()


def forget(manager: Any, kernel_id: str) -> None:
    """Frees the buffer of a kernel that is gone: it is out of the manager already, so ``stop_buffering`` would refuse."""
    if kernel_id in manager._kernel_buffers:
        close_channels(manager._kernel_buffers.pop(kernel_id)["channels"])
