"""The sockets of a session: shell, control and stdin, made by the kernel manager under the session's identity.

Shell is opened with the session. Stdin and control are opened at the first message that needs them, all at once where
``sockets_on_demand`` is off. A stdin cannot be written to before the kernel has greeted it (``ZMQ_IMMEDIATE``), by which its
channel knows that a prompt will find it. Must not send or receive.
"""

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import zmq

from .. import _core
from ..sockets.channel import Channel

if TYPE_CHECKING:
    from ..connection import ZMQChannelsWebsocketConnection


class Connector:
    """Makes one socket, or stream, of a session: connected to where the kernel is then, each time that it is called."""

    __slots__ = ("_identity", "_manager", "_name")

    def __init__(self, manager: Any, name: str, identity: bytes) -> None:
        self._manager = manager
        self._name = name
        self._identity = identity

    def __call__(self) -> Any:
        with _not_writable_before_the_greeting(self._manager) if self._name == "stdin" else contextlib.nullcontext():
            return getattr(self._manager, "connect_" + self._name)(identity=self._identity)


def add_channels(connection: "ZMQChannelsWebsocketConnection") -> None:
    """Puts the three channels into ``connection.channels``."""
    manager, identity, keys, log = connection.kernel_manager, connection.session.bsession, connection.keys, connection.log
    verify = connection.verify_signatures or connection.subprotocol != _core.V1

    def receiver() -> _core.Receiver:
        return keys.receiver("sockets", verify=verify)

    stdin = Channel("stdin", Connector(manager, "stdin", identity), receiver, log)
    shell = Channel("shell", Connector(manager, "shell", identity), receiver, log, needs=stdin)
    control = Channel("control", Connector(manager, "control", identity), receiver, log)
    connection.channels.update(stdin=stdin, shell=shell, control=control)
    for channel in (shell,) if connection.sockets_on_demand else (stdin, shell, control):
        channel.open()


@contextlib.contextmanager
def _not_writable_before_the_greeting(kernel_manager: Any) -> Iterator[None]:
    """For what the manager's context makes in here. In another context's sockets libzmq queues at once, as always."""
    options = getattr(getattr(kernel_manager, "context", None), "sockopts", {})
    if zmq.IMMEDIATE in options:
        yield
        return
    options[zmq.IMMEDIATE] = 1
    try:
        yield
    finally:
        del options[zmq.IMMEDIATE]
