"""The sockets of a session: shell, control and stdin, made by the kernel manager under the session's identity.

Shell is opened with the session. Stdin and control are opened at the first message that needs them, all at once where
``sockets_on_demand`` is off. A stdin cannot be written to before the kernel has greeted it (``ZMQ_IMMEDIATE``), by which its
channel knows that a prompt will find it. Must not send or receive.
"""

import contextlib
import logging
from collections.abc import Callable, Iterator
from typing import Any

import zmq

from .. import _core
from ..sockets.channel import Channel


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


def new_channels(
    manager: Any, identity: bytes, receiver: Callable[[], _core.Receiver], log: logging.Logger, *, on_demand: bool
) -> dict[str, Channel]:
    """The three channels of a session; ``on_demand``: stdin and control are not open yet.

    ``manager`` is the kernel manager, ``receiver()`` verifies what is read. Raises ``ChannelUnavailable``.
    """
    stdin = Channel("stdin", Connector(manager, "stdin", identity), receiver, log)
    shell = Channel("shell", Connector(manager, "shell", identity), receiver, log, stdin=stdin)
    control = Channel("control", Connector(manager, "control", identity), receiver, log)
    for channel in (shell,) if on_demand else (stdin, shell, control):
        channel.open()
    return {"stdin": stdin, "shell": shell, "control": control}


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
