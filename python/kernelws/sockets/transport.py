"""Two ways to receive from and send on ZMQ sockets: natively, by calling libzmq from Rust, or through pyzmq.

Both give the same results and raise the same errors. ``choose()`` picks one per process: the native one if it passes a self-test
on a pair of inproc sockets, and pyzmq otherwise; ``Transport.reason`` says why. The environment variable ``KERNELWS_RECEIVE``
(``native`` or ``fallback``) forces one; ``native`` then raises ``IntakeUnavailable`` if it cannot run.
Must not poll, close or configure the sockets that it is given.

No call blocks. After a receive that says more may wait, and after each send, call again or read ``zmq.EVENTS`` before waiting
for libzmq's descriptor, which is edge-triggered. A socket belongs to one thread. Another thread may close it between calls; the
next call then raises ``ZMQError(ENOTSOCK)``. In the child of a fork the parent's transport raises RuntimeError, because the
sockets belong to the parent; ``choose()`` returns a new transport there.

Cost: 0.1 us a frame natively, 1.1 us through pyzmq.
"""

from __future__ import annotations

import functools
import os
import sys
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, final

import zmq
import zmq.asyncio
import zmq.backend

from kernelws import _core
from kernelws.errors import IntakeUnavailable
from kernelws.system import runs_without_gil

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Buffer

__all__ = ["Fallback", "Native", "Socket", "Transport", "choose"]

Socket: TypeAlias = "zmq.Socket[Any]"


class Transport(Protocol):
    """One way to receive and send. ``reason`` tells the user which way this is, and why."""

    reason: str

    def drain(
        self, receiver: _core.Receiver, channel: str, socket: Socket, max_messages: int, max_bytes: int
    ) -> tuple[_core.Batch, bool]:
        """Receives whole messages until the socket would block or has delivered ``max_messages`` or ``max_bytes``.

        The message that reaches a limit is the last one. Returns the batch, and whether more messages may wait. ``receiver``
        must be the socket's own. Raises ``zmq.ZMQError`` (ENOTSOCK for a closed socket); if messages were received before
        the error, returns them, and the next call raises it.
        """

    def receive(self, socket: Socket, max_messages: int, max_bytes: int) -> tuple[list[list[bytes]], bool]:
        """As ``drain``, without a receiver: returns the frames of each message."""

    def send(self, socket: Socket, frames: Sequence[Buffer]) -> bool:
        """Sends one multipart message. Returns False if that would block; then no frame was sent."""

    def sign_and_send(self, signer: _core.Signer, message: _core.ClientMessage, socket: Socket) -> bool:
        """Sends the delimiter, the signature and the message's parts, as ``send`` does."""


@final
class Native:
    """Calls libzmq's functions from Rust. Raises ``IntakeUnavailable`` if it cannot.

    Its methods are ``_core.Intake``'s own, so that a call runs no Python code."""

    def __init__(self) -> None:
        if runs_without_gil():
            raise IntakeUnavailable("this Python keeps its GIL off (PYTHON_GIL or -X gil), and calling libzmq directly needs it")
        native = _core.Intake(_extension_file())
        self.drain, self.receive = native.drain, native.receive
        self.send, self.sign_and_send = native.send, native.sign_and_send
        version = ".".join(str(number) for number in native.version())
        self.reason = f"native: calls the libzmq {version} that pyzmq has loaded"


@final
class Fallback:
    """Calls pyzmq's ``recv_multipart`` and ``send``; works wherever pyzmq does."""

    def __init__(self, reason: str) -> None:
        self.reason = f"fallback: {reason}"
        self._process = os.getpid()

    def drain(
        self, receiver: _core.Receiver, channel: str, socket: Socket, max_messages: int, max_bytes: int
    ) -> tuple[_core.Batch, bool]:
        messages, more = self.receive(socket, max_messages, max_bytes)
        return receiver.split(channel, messages), more

    def receive(self, socket: Socket, max_messages: int, max_bytes: int) -> tuple[list[list[bytes]], bool]:
        self._check_process()
        socket = _synchronous(socket)
        messages: list[list[bytes]] = []
        size = 0
        try:
            while not messages or (len(messages) < max_messages and size < max_bytes):
                frames = socket.recv_multipart(zmq.NOBLOCK)
                messages.append(frames)
                size += sum(map(len, frames))
        except zmq.Again:
            return messages, False
        except zmq.ZMQError:
            if not messages:
                raise
        return messages, True

    def send(self, socket: Socket, frames: Sequence[Buffer]) -> bool:
        self._check_process()
        if not frames:
            raise zmq.ZMQError(zmq.EINVAL)
        socket = _synchronous(socket)
        last, taken = len(frames) - 1, True
        for index, frame in enumerate(frames):
            try:
                socket.send(frame, zmq.NOBLOCK | (zmq.SNDMORE if index < last else 0))
            except zmq.Again:
                if index == 0:
                    return False
                # The peer disconnected within the message. libzmq drops the other frames: see rust/intake.rs
                taken = False
        return taken

    def sign_and_send(self, signer: _core.Signer, message: _core.ClientMessage, socket: Socket) -> bool:
        return self.send(socket, message.signed(signer))

    def _check_process(self) -> None:
        if os.getpid() != self._process:
            raise RuntimeError("this intake was made before a fork: its sockets belong to the parent process")


def choose() -> Transport:
    """The transport of this process, chosen by the first call."""
    return _of_process(os.getpid())


@functools.lru_cache(maxsize=1)
def _of_process(_process: int) -> Transport:
    return _choose(os.environ.get(_VARIABLE, ""))


def _choose(forced: str) -> Transport:
    if forced == "fallback":
        return Fallback(f"{_VARIABLE} asks for it")
    if forced not in ("", "native"):
        raise ValueError(f"{_VARIABLE} is {forced!r}, neither 'native' nor 'fallback'")
    try:
        native = Native()
        _try(native)
    except IntakeUnavailable as error:
        if forced:
            raise
        return Fallback(str(error))
    return native


def _try(native: Native) -> None:
    """The self-test: sends messages over a pair of sockets and back. Raises ``IntakeUnavailable`` unless all arrive unchanged."""
    messages = [[b"alone"], [b"", b"<IDS|MSG>", b"\x00" * 64, b""], [b"small", bytes(range(256)) * 1024, b"last"]]
    context: zmq.Context[Socket] = zmq.Context(io_threads=0)
    try:
        near, far = context.socket(zmq.PAIR), context.socket(zmq.PAIR)
        near.bind("inproc://kernelws-self-test")
        far.connect("inproc://kernelws-self-test")
        for message in messages:
            far.send_multipart(message, zmq.NOBLOCK)
        received = native.receive(near, len(messages) + 1, 1 << 30)
        taken = [native.send(near, message) for message in messages]
        returned = [far.recv_multipart(zmq.NOBLOCK) for _ in messages]
    except Exception as error:  # pyzmq works whatever this was
        raise IntakeUnavailable(f"the self-test of the native way failed: {error!r}") from error
    finally:
        context.destroy(linger=0)
    if received != (messages, False) or not all(taken) or returned != messages:
        raise IntakeUnavailable("the self-test of the native way received other data than was sent")


def _extension_file() -> str:
    """The file of pyzmq's compiled module, in which Rust looks up pyzmq's libzmq."""
    module = zmq.backend.Socket.__module__
    if not module.startswith("zmq.backend.cython"):
        raise IntakeUnavailable(f"pyzmq runs on {module}, not on its compiled backend")
    file = getattr(sys.modules[module], "__file__", None)
    if file is None:
        raise IntakeUnavailable("pyzmq's compiled backend is built into the interpreter")
    return str(file)


def _synchronous(socket: Socket) -> Socket:
    """A socket with synchronous methods: those of an asyncio socket return futures."""
    return zmq.Socket.shadow(socket) if isinstance(socket, zmq.asyncio.Socket) else socket


_VARIABLE = "KERNELWS_RECEIVE"
