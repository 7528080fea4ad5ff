"""A channel on a real socket: what is sent arrives in order, what arrives is handed on, whatever callbacks do meanwhile.

Against bare sockets in this process; waits for arrivals, never for time. tests/contract tests channels with buffers and clients.
"""

import asyncio
import logging
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
import zmq

from kernelws import _core
from kernelws.kernel.feed_channel import FeedChannel
from kernelws.kernel.kernel import kernel_of
from kernelws.sockets.channel import Channel
from tests.parity.messages import DELIMITER
from tests.support.session import KernelManager
from tests.support.wait import eventually

Socket = zmq.Socket[bytes]
LOG = logging.getLogger("channels")
MANY = 200


@pytest.fixture
def context() -> Iterator[zmq.Context[Socket]]:
    context: zmq.Context[Any] = zmq.Context()
    yield context
    context.destroy(linger=0)


@pytest.fixture
def peer(context: zmq.Context[Any]) -> Socket:
    """The kernel's end; connects when a test says so."""
    socket: Socket = context.socket(zmq.DEALER)
    socket.set_hwm(0)
    socket.bind("inproc://kernel")
    return socket


def receiver() -> _core.Receiver:
    return _core.Receiver(b"", "hmac-sha256")


def has(found: list[list[bytes]], count: int) -> bool:
    return len(found) == count


def channel_to(context: zmq.Context[Any], **options: int) -> Channel:
    """A channel on a socket that is connected to nothing yet."""

    def connect() -> Socket:
        socket: Socket = context.socket(zmq.DEALER)
        for name, value in options.items():
            socket.set(getattr(zmq, name), value)
        return socket

    return Channel("shell", connect, receiver, LOG)


def message(number: int) -> list[bytes]:
    return [DELIMITER, b"", b'{"msg_type":"a","msg_id":"%d"}' % number, b"{}", b"{}", b"{}"]


async def received(peer: Socket, count: int) -> list[list[bytes]]:
    found: list[list[bytes]] = []

    def look() -> bool:
        while int(peer.get(zmq.EVENTS)) & zmq.POLLIN:
            found.append(peer.recv_multipart())
        return len(found) >= count

    await eventually(look, "messages")
    return found


@pytest.mark.parametrize("signed", [False, True])
async def test_what_libzmq_does_not_take_at_once_is_sent_later_in_order(context: zmq.Context[Any], signed: bool) -> None:
    """A peer that does not read takes one message or two; sending neither blocks nor loses."""
    peer: Socket = context.socket(zmq.DEALER)
    peer.set_hwm(1)
    peer.bind("inproc://slow")
    channel = channel_to(context, SNDHWM=1)
    channel.socket.connect("inproc://slow")
    signer = _core.Signer(b"", "hmac-sha256")
    for number in range(MANY):
        if signed:
            frame = _core.encode_v1("shell", message(number)[2:])
            channel.send_signed(signer, _core.decode_v1(frame))
        else:
            channel.send_multipart(message(number))
    assert channel.sending()
    assert await received(peer, MANY) == [message(number) for number in range(MANY)]
    assert not channel.sending()
    channel.close()
    peer.close()


async def test_a_send_that_fails_half_way_sends_nothing_twice(context: zmq.Context[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    channel = channel_to(context)
    line = channel.open()
    line.unsent = [message(number) for number in range(5)]
    sent: list[Any] = []

    class Failing:
        """Fails once, at the third message."""

        def send(self, _socket: Any, frames: Any) -> bool:
            if len(sent) == 2 and not hasattr(self, "failed"):
                self.failed = True
                raise zmq.ZMQError(zmq.EFSM)
            sent.append(frames)
            return True

    monkeypatch.setattr(line, "transport", Failing())
    with pytest.raises(zmq.ZMQError):
        channel.flush()
    channel.flush()
    assert sent == [message(number) for number in range(5)]
    channel.close()


async def test_messages_are_handed_on_in_order_as_batches_or_one_by_one(context: zmq.Context[Any], peer: Socket) -> None:
    channel = channel_to(context, RCVHWM=0)
    channel.socket.connect("inproc://kernel")
    found: list[list[bytes]] = []
    for number in range(MANY):
        peer.send_multipart(message(number))
    channel.on_batch(lambda batch: found.extend(batch.frames(index) for index in range(len(batch))))
    await eventually(lambda: len(found) == MANY, "messages")
    channel.on_recv(found.append)
    for number in range(MANY, 2 * MANY):
        peer.send_multipart(message(number))
    await eventually(lambda: len(found) == 2 * MANY, "messages")
    assert found == [message(number) for number in range(2 * MANY)]
    channel.close()


async def test_a_callback_that_raises_ends_nothing(
    context: zmq.Context[Any], peer: Socket, caplog: pytest.LogCaptureFixture
) -> None:
    """libzmq's descriptor is edge-triggered: if a socket is not read to its end, it is never reported again."""
    channel = channel_to(context, RCVHWM=0)
    channel.socket.connect("inproc://kernel")
    seen: list[Any] = []

    def fail(parts: Any) -> None:
        seen.append(parts)
        raise ZeroDivisionError

    channel.on_recv(fail)
    for number in range(5):
        peer.send_multipart(message(number))
    await eventually(lambda: len(seen) == 5, "messages")
    channel.on_batch(fail)
    peer.send_multipart(message(5))
    await eventually(lambda: len(seen) == 6, "messages")
    peer.send_multipart(message(6))
    await eventually(lambda: len(seen) == 7, "messages")
    assert [record.exc_info[0] for record in caplog.records if record.exc_info] == [ZeroDivisionError] * 7
    channel.close()


async def test_nothing_is_read_while_nobody_listens(context: zmq.Context[Any], peer: Socket) -> None:
    """After a callback has stopped the channel, no message is read until a callback is set again."""
    channel = channel_to(context, RCVHWM=0)
    channel.socket.connect("inproc://kernel")
    found: list[list[bytes]] = []

    def take_one(parts: list[bytes]) -> None:
        found.append(parts)
        channel.stop_on_recv()

    for number in range(3):
        peer.send_multipart(message(number))
    for count in range(1, 4):
        channel.on_recv(take_one)
        await eventually(partial(has, found, count), "messages")
        assert channel.flush() == 0
    assert found == [message(number) for number in range(3)]
    channel.close()


async def test_a_coroutine_may_listen(context: zmq.Context[Any], peer: Socket) -> None:
    channel = channel_to(context)
    channel.socket.connect("inproc://kernel")
    done = asyncio.Event()

    async def listen(stream: Any, parts: list[zmq.Frame]) -> None:
        assert stream is channel
        assert [part.bytes for part in parts] == message(0)
        done.set()

    channel.on_recv_stream(listen, copy=False)
    peer.send_multipart(message(0))
    await asyncio.wait_for(done.wait(), 20)
    channel.close()


async def test_flush_hands_on_what_waits_at_once(context: zmq.Context[Any], peer: Socket) -> None:
    channel = channel_to(context, RCVHWM=0)
    channel.socket.connect("inproc://kernel")
    found: list[list[bytes]] = []
    channel.on_recv(found.append)
    for number in range(MANY):
        peer.send_multipart(message(number))
    assert channel.flush() >= 1
    assert found == [message(number) for number in range(MANY)]
    channel.close()


@pytest.mark.parametrize("opened", [False, True])
async def test_a_closed_channel_refuses_and_a_second_close_does_nothing(context: zmq.Context[Any], opened: bool) -> None:
    channel = channel_to(context)
    if opened:
        channel.open()
    channel.close()
    channel.close()
    assert channel.closed()
    assert channel.socket.closed
    assert channel.flush() == 0
    with pytest.raises(zmq.ZMQError):
        channel.send_multipart(message(0))
    with pytest.raises(OSError, match="closed"):
        channel.on_recv(print)


# the iopub channel


class Publishing:
    """A kernel that a test publishes as."""

    def __init__(self) -> None:
        self.manager = KernelManager("kernel")
        self.kernel = kernel_of(self.manager)

    def publish(self, *numbers: int) -> None:
        self.kernel.take(receiver().split("iopub", [message(number) for number in numbers]))


@pytest.fixture
def feed() -> Publishing:
    return Publishing()


@pytest.mark.parametrize("batches", [True, False])
def test_what_comes_before_somebody_listens_is_held_and_handed_on_in_order(feed: Publishing, batches: bool) -> None:
    channel = FeedChannel(feed.kernel)
    found: list[list[bytes]] = []
    feed.publish(0, 1)
    feed.publish(2)
    if batches:
        channel.on_batch(lambda batch: found.extend(batch.frames(index) for index in range(len(batch))))
    else:
        channel.on_recv(found.append)
    feed.publish(3)
    channel.stop_on_recv()
    feed.publish(4, 5)
    assert found == [message(number) for number in range(4)]
    channel.on_recv_stream(lambda stream, parts: found.append(parts))
    assert found == [message(number) for number in range(6)]


def test_a_closed_iopub_channel_has_left_the_feed(feed: Publishing) -> None:
    channel = FeedChannel(feed.kernel)
    channel.close()
    assert feed.kernel._subscribers == {}
    assert channel.closed()
    with pytest.raises(OSError, match="closed"):
        channel.on_recv(print)
    with pytest.raises(zmq.ZMQError):
        channel.send_multipart(message(0))


def test_a_listener_that_closes_the_channel_gets_nothing_more(feed: Publishing) -> None:
    channel = FeedChannel(feed.kernel)
    found: list[list[bytes]] = []

    def take_one(parts: list[bytes]) -> None:
        found.append(parts)
        channel.close()

    feed.publish(0, 1)
    feed.publish(2)
    channel.on_recv(take_one)
    assert found == [message(0)]
