"""Taking a socket from whatever a kernel manager returns, and keeping it: streams, bare sockets, asyncio's sockets."""

import asyncio
import gc
import weakref
from collections.abc import Iterator
from typing import Any

import pytest
import zmq
import zmq.asyncio
from tornado.ioloop import IOLoop
from zmq.eventloop.zmqstream import ZMQStream

from kernelws.sockets.poller import take_socket

pytestmark = pytest.mark.asyncio


@pytest.fixture
def contexts() -> Iterator[dict[str, Any]]:
    found: dict[str, Any] = {"bare": zmq.Context(), "stream": zmq.Context(), "asyncio": zmq.asyncio.Context()}
    yield found
    for context in found.values():
        context.destroy(linger=0)


def made(kind: str, context: Any) -> Any:
    socket = context.socket(zmq.PULL)
    return ZMQStream(socket, IOLoop.current()) if kind == "stream" else socket


@pytest.mark.parametrize("kind", ["bare", "stream", "asyncio"])
async def test_a_socket_outlives_what_it_was_taken_from(contexts: dict[str, Any], kind: str) -> None:
    """An asyncio socket closes itself when it is garbage-collected, and with it the socket that was taken from it."""
    socket = take_socket(made(kind, contexts[kind]))
    gc.collect()
    assert not socket.closed
    socket.bind("inproc://taken")
    peer = contexts[kind].socket(zmq.PUSH)
    peer.connect("inproc://taken")
    sent = peer.send(b"message")
    if kind == "asyncio":
        await sent
    assert socket.recv() == b"message"
    peer.close(linger=0)
    socket.close(linger=0)
    assert socket.closed


async def test_an_asyncio_socket_knows_at_once_that_it_was_closed(contexts: dict[str, Any]) -> None:
    """When it is collected later, it must not close another socket that now has its address in memory."""
    source = contexts["asyncio"].socket(zmq.PULL)
    socket = take_socket(source)
    socket.close(linger=0)
    others = [contexts["bare"].socket(zmq.PULL) for _ in range(50)]
    held = weakref.ref(source)
    assert source.closed
    del source, socket
    gc.collect()
    assert held() is None
    assert not any(other.closed for other in others)
    for other in others:
        other.close(linger=0)


async def test_an_asyncio_socket_that_was_awaited_leaves_the_loop(contexts: dict[str, Any]) -> None:
    """It and the ``SocketPoller`` would register the same descriptor with the loop."""
    source = contexts["asyncio"].socket(zmq.PULL)
    source.bind("inproc://awaited")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(source.recv(), 0.001)
    socket = take_socket(source)
    loop = IOLoop.current()
    loop.add_handler(socket, lambda *_: None, IOLoop.READ)
    loop.remove_handler(socket)
    socket.close(linger=0)
    assert source.closed
