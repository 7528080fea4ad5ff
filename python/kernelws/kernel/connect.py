"""Creates the shell, control and stdin channels of a session. The kernel manager makes their sockets, and knows the address.

The sockets have the session's identity. Shell is opened with the session; stdin and control too if ``sockets_on_demand`` is
off, otherwise at the first message that needs them. A stdin socket has ``ZMQ_IMMEDIATE``: it is writable only after the
kernel's greeting, so its channel knows when a prompt can reach it. Must not send or receive. Cost: three objects a session.
"""

import contextlib
import logging
from collections.abc import Callable, Iterator
from typing import Any

import zmq

from .. import _core
from ..sockets.channel import Channel

ADDRESS_TRAITS = ("ip", "shell_port", "iopub_port", "stdin_port", "control_port", "hb_port")


def address_of(manager: Any) -> Any:
    """The kernel's address, for comparison only. Its parts are None for a manager without these attributes."""
    return getattr(manager, "ip", None), getattr(manager, "ports", None)


class Connector:
    """Each call makes a new socket of a session, connected to the kernel's current address."""

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
    """Creates the three channels of a session. With ``on_demand``, stdin and control are not opened yet.

    ``manager`` is the kernel manager; ``receiver()`` returns what verifies the messages. Raises ``ChannelUnavailable`` if a
    socket cannot be opened.
    """
    stdin = Channel("stdin", Connector(manager, "stdin", identity), receiver, log)
    shell = Channel("shell", Connector(manager, "shell", identity), receiver, log, stdin=stdin)
    control = Channel("control", Connector(manager, "control", identity), receiver, log)
    for channel in (shell,) if on_demand else (stdin, shell, control):
        channel.open()
    return {"stdin": stdin, "shell": shell, "control": control}


@contextlib.contextmanager
def _not_writable_before_the_greeting(kernel_manager: Any) -> Iterator[None]:
    """Sets ``ZMQ_IMMEDIATE`` on all sockets that the manager's context makes inside the ``with`` block.

    A manager that uses another context gets ordinary sockets, in which libzmq queues messages before the greeting.
    """
    options = getattr(getattr(kernel_manager, "context", None), "sockopts", {})
    if zmq.IMMEDIATE in options:
        yield
        return
    options[zmq.IMMEDIATE] = 1
    try:
        yield
    finally:
        del options[zmq.IMMEDIATE]


def move(session: Any, channels: dict[str, Any], kernel_manager: Any) -> None:
    """The kernel has another address: takes its key for ``session`` and connects the open channels there.

    ``session`` is a jupyter_client Session. Raises any error of the manager's ``connect_*()``.
    """
    new = kernel_manager.session
    session.key, session.signature_scheme = new.key, new.signature_scheme
    for channel in channels.values():
        if hasattr(channel, "move") and not channel.closed():
            channel.move()
