"""Both ways to receive and send, on real pyzmq sockets: the native one must do what pyzmq's own does, only faster.

test_transport_process.py tests what can end a process, and the choice of the way; rust/intake/tests.rs tests the receive loop
itself, without sockets.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest
import zmq
import zmq.asyncio
from hypothesis import given, settings
from hypothesis import strategies as st

from kernelws import _core
from kernelws.sockets.transport import Fallback, Native, Transport
from tests.support.native import sign

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

Socket: TypeAlias = "zmq.Socket[Any]"
Message: TypeAlias = list[bytes]

NO_LIMIT = 1 << 30
LARGE = 16 * 1024
"""From this size on a frame stays in libzmq's memory: LARGE in rust/intake.rs."""
PATIENCE = 20_000
"""Milliseconds after which a test gives up; none takes that long."""


@pytest.fixture(params=["native", "fallback"])
def intake(request: pytest.FixtureRequest) -> Transport:
    return Native() if request.param == "native" else Fallback("the test asks for it")


class Sockets:
    """A context and what was opened in it, closed together."""

    def __init__(self, context: zmq.Context[Any] | None = None) -> None:
        self._context = context or zmq.Context()
        self._opened: list[Socket] = []

    def open(self, kind: int) -> Socket:
        self._opened.append(self._context.socket(kind))
        return self._opened[-1]

    def pair(self, address: str, hwm: int = 0) -> tuple[Socket, Socket]:
        near, far = self.open(zmq.DEALER), self.open(zmq.DEALER)
        for socket in near, far:
            socket.set_hwm(hwm)
        near.bind(address)
        far.connect(near.get_string(zmq.LAST_ENDPOINT))
        return near, far

    def close(self) -> None:
        self.close_sockets()
        self.terminate()

    def close_sockets(self) -> None:
        for socket in self._opened:
            socket.close(linger=0)

    def terminate(self) -> None:
        """Ends the context; returns when its sockets are closed."""
        self._context.term()


@pytest.fixture
def sockets() -> Iterator[Sockets]:
    sockets = Sockets()
    yield sockets
    sockets.close()


@pytest.fixture
def pair(sockets: Sockets) -> tuple[Socket, Socket]:
    return sockets.pair("inproc://pair")


def receiver() -> _core.Receiver:
    return _core.Receiver(b"", "hmac-sha256", verify=False)


def kernel_message(*buffers: bytes) -> Message:
    return [b"identity", b"<IDS|MSG>", b"", b'{"msg_type":"stream"}', b"{}", b"{}", b"{}", *buffers]


def receive_all(intake: Transport, socket: Socket, count: int) -> list[Message]:
    """Receives as an event loop does: waits for the descriptor only when nothing was left."""
    messages: list[Message] = []
    while len(messages) < count:
        assert socket.poll(PATIENCE), f"{len(messages)} of {count} messages arrived"
        more = True
        while more:
            received, more = intake.receive(socket, 7, NO_LIMIT)
            messages += received
    return messages


def each_call(intake: Transport, socket: Socket) -> list[Callable[[], object]]:
    return [
        lambda: intake.drain(receiver(), "iopub", socket, 1, 1),
        lambda: intake.receive(socket, 1, 1),
        lambda: intake.send(socket, [b"x"]),
        lambda: intake.sign_and_send(_core.Signer(b"", "hmac-sha256"), client_message(), socket),
    ]


def client_message() -> _core.ClientMessage:
    return _core.decode_v1(_core.encode_v1("shell", [b'{"msg_type":"comm_msg"}', b"{}", b"{}", b"{}", b"buffer"]))


# --- receiving --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("transport", ["inproc", "ipc", "tcp"])
def test_messages_arrive_whole_and_in_order_over_every_transport(
    intake: Transport, sockets: Sockets, transport: str, tmp_path: Path
) -> None:
    address = {"inproc": "inproc://x", "ipc": f"ipc://{tmp_path}/x", "tcp": "tcp://127.0.0.1:*"}[transport]
    near, far = sockets.pair(address)
    messages = [kernel_message(b"%d" % n, bytes(n * 97), b"") for n in range(500)]
    for message in messages:
        far.send_multipart(message)
    assert receive_all(intake, near, len(messages)) == messages


@pytest.mark.parametrize("size", [LARGE - 1, LARGE, 4 << 20])
def test_large_frames_arrive_unchanged(intake: Transport, pair: tuple[Socket, Socket], size: int) -> None:
    near, far = pair
    message = kernel_message(bytes(range(256)) * (size // 256 + 1), b"", b"last")
    far.send_multipart(message)
    batch, more = intake.drain(receiver(), "iopub", near, 10, NO_LIMIT)
    assert (batch.frames(0), batch.parts(0), more) == (message, message[3:], False)


def test_a_drain_is_the_split_of_what_recv_multipart_returns(intake: Transport, sockets: Sockets) -> None:
    pairs = sockets.pair("inproc://one"), sockets.pair("inproc://other")
    messages = [kernel_message(), [b"no delimiter"], kernel_message(b"b" * LARGE), [b"<IDS|MSG>", b""], kernel_message(b"")]
    for _, far in pairs:
        for message in messages:
            far.send_multipart(message)
    drained, more = intake.drain(receiver(), "iopub", pairs[0][0], 10, NO_LIMIT)
    split = receiver().split("iopub", [pairs[1][0].recv_multipart() for _ in messages])
    assert [drained.frames(n) for n in range(len(drained))] == [split.frames(n) for n in range(len(split))]
    assert (drained.malformed, drained.channel, len(drained), more) == (split.malformed, "iopub", 3, False)


def test_nothing_waiting_is_an_empty_batch(intake: Transport, pair: tuple[Socket, Socket]) -> None:
    batch, more = intake.drain(receiver(), "shell", pair[0], 10, NO_LIMIT)
    assert (len(batch), batch.malformed, more) == (0, [], False)


@pytest.mark.parametrize(
    ("max_messages", "max_bytes", "expected"),
    [(2, NO_LIMIT, 2), (5, NO_LIMIT, 5), (9, NO_LIMIT, 5), (9, 100, 1), (9, 101, 2), (0, 0, 1), (9, 500, 5)],
)
def test_a_budget_ends_after_the_message_that_spends_it(
    intake: Transport, pair: tuple[Socket, Socket], max_messages: int, max_bytes: int, expected: int
) -> None:
    near, far = pair
    for _ in range(5):
        far.send_multipart([b"x" * 60, b"y" * 40])
    spent = max_messages <= 5 or max_bytes <= 500
    messages, more = intake.receive(near, max_messages, max_bytes)
    assert (len(messages), more) == (expected, spent)
    assert len(receive_all(intake, near, 5 - expected)) == 5 - expected


FRAMES = st.lists(st.one_of(st.binary(max_size=80), st.builds(bytes, st.integers(LARGE - 2, LARGE + 2))), min_size=1, max_size=9)


@settings(deadline=None)
@given(st.lists(FRAMES, max_size=6))
def test_both_ways_carry_any_frames_as_pyzmq_does(messages: list[Message]) -> None:
    sockets = Sockets(zmq.Context(io_threads=0))
    try:
        for way in Native(), Fallback("the test asks for it"):
            near, far = sockets.pair(f"inproc://{way.reason}")
            for message in messages:
                far.send_multipart(message)
            assert way.receive(near, len(messages) + 1, NO_LIMIT) == (messages, False)
            assert [way.send(near, message) for message in messages] == [True] * len(messages)
            assert [far.recv_multipart(zmq.NOBLOCK) for _ in messages] == messages
    finally:
        sockets.close()


@pytest.mark.parametrize("size", [100, LARGE, 1 << 20])
def test_a_small_frame_is_freed_at_once_and_a_large_one_with_its_batch(pair: tuple[Socket, Socket], size: int) -> None:
    near, far = pair
    far.copy_threshold = 0  # inproc hands the sender's own memory over, so the sender sees when it is freed
    tracker = far.send_multipart(kernel_message(bytes(size)), copy=False, track=True)
    assert tracker is not None
    batch, _ = Native().drain(receiver(), "iopub", near, 1, NO_LIMIT)
    if size < LARGE:
        tracker.wait(PATIENCE / 1000)
    else:
        with pytest.raises(zmq.NotDone):
            tracker.wait(0.1)
    assert batch.frames(0)[-1] == bytes(size)
    del batch
    tracker.wait(PATIENCE / 1000)


def test_an_asyncio_socket_is_received_from_and_sent_on(intake: Transport) -> None:
    sockets = Sockets(zmq.asyncio.Context())
    try:
        near, far = sockets.pair("inproc://x")
        assert intake.send(far, [b"a", b"b"])
        assert intake.receive(near, 10, NO_LIMIT) == ([[b"a", b"b"]], False)
    finally:
        sockets.close()


# --- sending ----------------------------------------------------------------------------------------------------------


def test_a_send_without_a_peer_would_block_and_sends_nothing(intake: Transport, sockets: Sockets) -> None:
    socket, peer = sockets.open(zmq.DEALER), sockets.open(zmq.DEALER)
    assert intake.send(socket, [b"a", b"b"]) is False
    socket.bind("inproc://late")
    peer.connect("inproc://late")
    assert socket.poll(PATIENCE, zmq.POLLOUT)
    assert intake.send(socket, [b"c", b"d"]) is True
    assert peer.recv_multipart(zmq.NOBLOCK) == [b"c", b"d"]
    assert peer.poll(0) == 0


def test_a_full_queue_takes_whole_messages_only(intake: Transport, sockets: Sockets) -> None:
    near, far = sockets.pair("inproc://narrow", hwm=3)
    sent = 0
    while intake.send(near, [b"%d" % sent, b"", b"end"]):
        sent += 1
    assert sent == 6
    assert [far.recv_multipart(zmq.NOBLOCK) for _ in range(sent)] == [[b"%d" % n, b"", b"end"] for n in range(sent)]
    assert far.poll(0) == 0


def test_frames_to_send_are_any_buffers(intake: Transport, pair: tuple[Socket, Socket]) -> None:
    near, far = pair
    assert intake.send(near, [b"a", bytearray(b"b"), memoryview(b"xcx")[1:2]])
    assert far.recv_multipart(zmq.NOBLOCK) == [b"a", b"b", b"c"]


def test_a_message_without_frames_is_refused(intake: Transport, pair: tuple[Socket, Socket]) -> None:
    with pytest.raises(zmq.ZMQError) as caught:
        intake.send(pair[0], [])
    assert caught.value.errno == zmq.EINVAL


def test_a_signed_message_is_sent_as_the_message_signs_itself(intake: Transport, pair: tuple[Socket, Socket]) -> None:
    near, far = pair
    signer, message = _core.Signer(b"key", "hmac-sha256"), client_message()
    assert intake.sign_and_send(signer, message, near)
    frames = far.recv_multipart(zmq.NOBLOCK)
    assert frames == message.signed(signer)
    assert frames == [b"<IDS|MSG>", sign(signer, message.parts), *message.parts]


# --- sockets that end -------------------------------------------------------------------------------------------------


def test_a_closed_socket_is_refused_by_every_call(intake: Transport, pair: tuple[Socket, Socket]) -> None:
    pair[0].close()
    for call in each_call(intake, pair[0]):
        with pytest.raises(zmq.ZMQError) as caught:
            call()
        assert caught.value.errno == zmq.ENOTSOCK


def test_a_terminated_context_is_an_error_and_not_a_hang(intake: Transport, sockets: Sockets) -> None:
    near, _ = sockets.pair("inproc://x")
    ending = threading.Thread(target=sockets.terminate, daemon=True)
    ending.start()
    try:
        with pytest.raises(zmq.ContextTerminated):
            near.poll(PATIENCE)
        for call in each_call(intake, near):
            with pytest.raises(zmq.ContextTerminated):
                call()
    finally:
        sockets.close_sockets()
        ending.join(PATIENCE / 1000)
    assert not ending.is_alive()


def test_a_socket_that_cannot_receive_or_send_says_so(intake: Transport, sockets: Sockets) -> None:
    with pytest.raises(zmq.ZMQError) as receiving:
        intake.receive(sockets.open(zmq.PUSH), 1, 1)
    with pytest.raises(zmq.ZMQError) as sending:
        intake.send(sockets.open(zmq.PULL), [b"x"])
    assert {receiving.value.errno, sending.value.errno} == {zmq.ENOTSUP}
