"""How this process receives from and sends on the ZMQ sockets that Python owns: natively, or through pyzmq.

Both ways give the same results and raise the same errors. ``choose()`` picks one once per process, after it has tried
the native one on an inproc pair of its own, and says why it picked the other (``Transport.reason``). The environment
variable ``KERNELWS_RECEIVE`` (``native`` or ``fallback``) forces one; ``native`` then raises ``IntakeUnavailable``
where it cannot run. Must not poll, close or configure a socket that it is given.

A call never blocks. After one that says more may wait, and after each send, libzmq's edge-triggered descriptor is not
enough: call again, or read ``zmq.EVENTS``, before waiting for it. A socket belongs to one thread; another one may close
it between calls, and the next call raises ``ZMQError(ENOTSOCK)``. In the child of a fork every call of an intake chosen
before raises RuntimeError, because the sockets are still the parent's; ``choose()`` there gives a new one.

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

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Buffer

__all__ = ["Fallback", "Native", "Socket", "Transport", "choose"]

Socket: TypeAlias = "zmq.Socket[Any]"


class Transport(Protocol):
    """One way to receive and send. ``reason`` is a sentence for the user: which way this is, and why."""

    reason: str

    def drain(
        self, receiver: _core.Receiver, channel: str, socket: Socket, max_messages: int, max_bytes: int
    ) -> tuple[_core.Batch, bool]:
        """Receives whole messages until the socket would block or a budget is spent, at least one if one waits.

        The message that spends a budget is the last one. True says that more may wait. ``receiver`` must be the
        socket's own. Raises ``zmq.ZMQError`` (ENOTSOCK for a closed socket), but never instead of messages that were
        received: then the next call raises it.
        """

    def receive(self, socket: Socket, max_messages: int, max_bytes: int) -> tuple[list[list[bytes]], bool]:
        """``drain`` without the receiver: the frames of each message."""

    def send(self, socket: Socket, frames: Sequence[Buffer]) -> bool:
        """Sends one multipart message whole. False: it would block, and nothing was sent."""

    def sign_and_send(self, signer: _core.Signer, message: _core.ClientMessage, socket: Socket) -> bool:
        """``send`` of the delimiter, the signature and the message's parts."""


@final
class Native:
    """Through libzmq's own functions, in Rust. Raises ``IntakeUnavailable`` where they cannot be reached.

    Its methods are those of ``_core.Intake`` themselves, so that a call costs no Python."""

    def __init__(self) -> None:
        native = _core.Intake(_extension_file())
        self.drain, self.receive = native.drain, native.receive
        self.send, self.sign_and_send = native.send, native.sign_and_send
        version = ".".join(str(number) for number in native.version())
        self.reason = f"native: calls the libzmq {version} that pyzmq has loaded"


@final
class Fallback:
    """Through pyzmq's ``recv`` and ``send``, wherever pyzmq runs."""

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
                # The peer went away inside the message. libzmq swallows the frames that are left: rust/intake.rs.
                taken = False
        return taken

    def sign_and_send(self, signer: _core.Signer, message: _core.ClientMessage, socket: Socket) -> bool:
        return self.send(socket, message.signed(signer))

    def _check_process(self) -> None:
        if os.getpid() != self._process:
            raise RuntimeError("this intake was made before a fork: its sockets belong to the parent process")


def choose() -> Transport:
    """The way of this process, chosen when first asked."""
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
    """Sends messages over a pair of sockets and back; raises ``IntakeUnavailable`` unless they arrive as pyzmq says."""
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
    except Exception as error:  # whatever it is, the other way works
        raise IntakeUnavailable(f"the self-test of the native way failed: {error!r}") from error
    finally:
        context.destroy(linger=0)
    if received != (messages, False) or not all(taken) or returned != messages:
        raise IntakeUnavailable("the self-test of the native way received something else than was sent")


def _extension_file() -> str:
    """The file of pyzmq's compiled module, through which Rust finds the libzmq that pyzmq calls."""
    module = zmq.backend.Socket.__module__
    if not module.startswith("zmq.backend.cython"):
        raise IntakeUnavailable(f"pyzmq runs on {module}, not on its compiled backend")
    file = getattr(sys.modules[module], "__file__", None)
    if file is None:
        raise IntakeUnavailable("pyzmq's compiled backend is built into the interpreter")
    return str(file)


def _synchronous(socket: Socket) -> Socket:
    """An asyncio socket's own methods return futures."""
    return zmq.Socket.shadow(socket) if isinstance(socket, zmq.asyncio.Socket) else socket


_VARIABLE = "KERNELWS_RECEIVE"
