"""Offline buffering: the channels of the last connection go to the kernel manager and come back with what they collected.

The manager's ``start_buffering``, ``get_buffer`` and ``stop_buffering`` do the work, as upstream. What upstream forgets is
done here: the buffer and the sockets of a kernel that dies while nobody is connected are freed.
"""

import itertools
import weakref
from operator import itemgetter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..connection import ZMQChannelsWebsocketConnection

_watched: "weakref.WeakSet[Any]" = weakref.WeakSet()
"""The kernel managers whose death already frees their buffer."""


def is_last(connection: "ZMQChannelsWebsocketConnection") -> bool:
    """Whether nobody else is connected to the kernel."""
    connections = connection.multi_kernel_manager._kernel_connections
    return bool(connections.get(connection.kernel_id) == 0)


def hand_over_or_close(connection: "ZMQChannelsWebsocketConnection", channels: dict[str, Any], *, may_buffer: bool) -> None:
    """Gives the channels to the manager's buffer if this was the kernel's last connection, else closes them."""
    manager, kernel_id = connection.multi_kernel_manager, connection.kernel_id
    usable = bool(channels) and not any(channel is None or channel.closed() for channel in channels.values())
    if not (may_buffer and usable and kernel_id in manager and is_last(connection)):
        close_channels(channels)
        return
    manager.start_buffering(kernel_id, connection.session_key, channels)
    if kernel_id not in manager._kernel_buffers:
        return
    manager._kernel_buffers[kernel_id]["buffer"][:0] = connection.unreplayed
    if connection.kernel_manager not in _watched:
        _watched.add(connection.kernel_manager)
        connection.kernel_manager.add_restart_callback(lambda: forget(manager, kernel_id), "dead")


def take_back(connection: "ZMQChannelsWebsocketConnection") -> dict[str, Any] | None:
    """The buffer of this session, None if there is none or it is another session's."""
    manager, key = connection.multi_kernel_manager, connection.session_key
    buffer_info: dict[str, Any] | None = manager.get_buffer(connection.kernel_id, key)
    return buffer_info if buffer_info and buffer_info["session_key"] == key else None


def replay(connection: "ZMQChannelsWebsocketConnection") -> None:
    """Delivers what was collected, in order, as if it came now."""
    buffered, connection.unreplayed = connection.unreplayed, []
    if buffered:
        connection.log.info("Replaying %s buffered messages", len(buffered))
    receiver = connection.new_receiver(verify=connection.verify_signatures)
    for channel, messages in itertools.groupby(buffered, key=itemgetter(0)):
        connection.delivery.receive(receiver.split(channel, [frames for _, frames in messages]))


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
