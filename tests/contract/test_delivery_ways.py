"""All write paths deliver the same messages in the same order.

Several clients of one kernel get the same messages and differ only in how these are written: one write per batch, one
``write_message`` per message (compression, an overridden ``write_message``), or one hook call per message.
"""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jupyter_client.jsonutil import json_default
from jupyter_server.services.kernels.websocket import KernelWebsocketHandler
from tornado.websocket import WebSocketProtocol13

import kernelws
from tests.support.client import Client, Message
from tests.support.fake_kernel import FakeKernel
from tests.support.server import Server
from tests.support.vectors import kernel_faults, kernel_messages

pytestmark = pytest.mark.asyncio(loop_scope="module")


BYTE_EXACT = {"stream_merge_window": 0.0, "limit_rate": False}


class Handler(KernelWebsocketHandler):
    """Overrides ``write_message`` without changing anything."""

    def write_message(self, message: Any, binary: bool = False) -> Any:
        return super().write_message(message, binary=binary)


class ByHand(kernelws.ZMQChannelsWebsocketConnection):
    """Overrides a hook without changing anything."""

    def handle_outgoing_message(self, stream: Any, outgoing_msg: list[Any]) -> Any:
        return super().handle_outgoing_message(stream, outgoing_msg)


async def clients_of_all_ways(server: Server, kernel_id: str, protocol: str) -> dict[str, Client]:
    server.route("/written", Handler)
    with server.configured(ZMQChannelsWebsocketConnection=BYTE_EXACT):
        return await _clients_of_all_ways(server, kernel_id, protocol)


async def _clients_of_all_ways(server: Server, kernel_id: str, protocol: str) -> dict[str, Client]:
    compressed = server.app.web_app.settings
    clients = {
        "batches": await server.live(kernel_id, protocol),
        "write_message": await server.live(kernel_id, protocol, prefix="/written"),
    }
    with server.connection_class(ByHand):
        clients["hooks"] = await server.live(kernel_id, protocol)
    compressed["websocket_compression_options"] = {}
    try:
        clients["compressed"] = await server.live(kernel_id, protocol, compression_options={})
    finally:
        del compressed["websocket_compression_options"]
    return clients


def ways(server: Server, kernel_id: str, clients: dict[str, Client]) -> dict[str, tuple[bool, bool]]:
    """For each client: whether its messages go through hooks, and whether they are written in batches."""
    deliveries = {name: server.connection(kernel_id, client).link.writer for name, client in clients.items()}
    return {name: (delivery.per_message, delivery._direct) for name, delivery in deliveries.items()}


async def check_same(kernel: FakeKernel, clients: dict[str, Client], send: Callable[[], None]) -> list[Any]:
    """Checks that all clients get the same WebSocket messages after ``send``, and returns those messages."""
    for client in clients.values():
        client.messages.clear()
    send()
    end = kernel.status("idle")
    for client in clients.values():
        await client.until(lambda message: message.header["msg_id"] == end["header"]["msg_id"])
    got = {name: [message.raw for message in client.messages] for name, client in clients.items()}
    first = got.pop("batches")
    protocol = clients["batches"].protocol
    for name, raw in got.items():
        # legacy hooks get and return dictionaries, so their JSON is encoded again
        assert (read(raw, protocol) == read(first, protocol)) if name == "hooks" else (raw == first), name
    return first


def read(raw: list[str | bytes], protocol: str) -> list[str]:
    """What a client reads: the type of each message, its fields whatever their order and spelling, its buffers."""
    seen = [Message(message, protocol, json.loads) for message in raw]
    buffers = [[buffer.hex() for buffer in m.buffers] for m in seen]
    fields = [json.dumps(m.fields | {"buffers": []}, sort_keys=True, default=json_default) for m in seen]
    return [f"{type(m.raw)} {f} {b}" for m, f, b in zip(seen, fields, buffers, strict=True)]


async def test_every_way_gives_the_same(server: Server, fake: tuple[str, FakeKernel], protocol: str) -> None:
    """Order and bytes are the same on all ways, malformed messages in between."""
    kernel_id, kernel = fake
    clients = await clients_of_all_ways(server, kernel_id, protocol)
    assert ways(server, kernel_id, clients) == {
        "batches": (False, True),
        "write_message": (False, False),
        "hooks": (True, False),
        "compressed": (False, False),
    }

    def send() -> None:
        for n, fault in enumerate(kernel_faults()):
            kernel.publish("display_data", {"n": n, "é": "\u2028"}, buffers=[b"x" * n, b""][: n % 3])
            for frames in kernel_messages(fault, kernel.session.sign):
                kernel.send("iopub", frames)
            kernel.stream("x" * 10_000 * n)

    assert len(await check_same(kernel, clients, send)) == 2 * len(kernel_faults()) + 2  # idle, and the good one of "replayed"


FLOATS = st.floats(allow_nan=False, allow_infinity=False)
PARTS = st.dictionaries(st.text(max_size=5), st.recursive(st.none() | FLOATS | st.text(), st.lists, max_leaves=5))
MESSAGES = st.lists(
    st.tuples(
        st.sampled_from(["stream", "status", "error", "comm_msg", "odd"]),
        PARTS,
        st.lists(st.binary(max_size=20), max_size=3),
        st.sampled_from(["good", "good", "good", "wrong_signature", "no_delimiter", "cut"]),
    ),
    max_size=12,
)


async def test_any_messages_are_the_same_on_every_way(server: Server, fake: tuple[str, FakeKernel], protocol: str) -> None:
    """Parity of the batch path with the per-message path, damaged messages included."""
    kernel_id, kernel = fake
    clients = await clients_of_all_ways(server, kernel_id, protocol)
    examples: list[Any] = []

    @settings(max_examples=40, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(MESSAGES)
    def collect(messages: list[Any]) -> None:
        examples.append(messages)

    collect()
    for messages in examples:

        def send(messages: list[Any] = messages) -> None:
            for msg_type, content, buffers, damage in messages:
                kernel.send("iopub", damaged(kernel.frames(kernel.message(msg_type, content), buffers), damage))

        await check_same(kernel, clients, send)


def damaged(frames: list[bytes], damage: str) -> list[bytes]:
    if damage == "wrong_signature":
        return [frames[0], b"0" * 64, *frames[2:]]
    if damage == "no_delimiter":
        return frames[1:]
    return frames[:4] if damage == "cut" else frames


async def test_a_batch_is_one_socket_write(server: Server, fake: tuple[str, FakeKernel], protocol: str) -> None:
    """One ``IOStream.write`` per client and batch."""
    kernel_id, kernel = fake
    client = await server.live(kernel_id, protocol)
    websocket = server.connection(kernel_id, client).websocket_handler.ws_connection
    assert type(websocket) is WebSocketProtocol13
    writes: list[int] = []
    stream: Any = websocket.stream
    original = stream.write

    def write(frames: bytes) -> Any:
        writes.append(len(frames))
        return original(frames)

    stream.write = write
    for n in range(200):
        kernel.publish("display_data", {"n": n})
    await client.until(lambda message: message.content.get("n") == 199)
    assert len(writes) < 100
    assert [m.content["n"] for m in client.messages if m.msg_type == "display_data"] == list(range(200))


@pytest.mark.parametrize("length", [125, 126, 65_535, 65_536, 300_000])
async def test_frame_heads_of_every_length(server: Server, fake: tuple[str, FakeKernel], protocol: str, length: int) -> None:
    """RFC 6455, 5.2: 7-bit, 16-bit and 64-bit lengths, met exactly; another implementation reads them."""
    kernel_id, kernel = fake
    client = await server.live(kernel_id, protocol)
    for size in range(max(0, length - 330), length + 2, 1 if length < 1000 else 30):
        kernel.publish("display_data", {"text": "x" * size})
    end = kernel.status("idle")
    await client.until(lambda message: message.header["msg_id"] == end["header"]["msg_id"])
    sizes = [len(m.content["text"]) for m in client.messages if m.msg_type == "display_data"]
    assert sizes == list(range(max(0, length - 330), length + 2, 1 if length < 1000 else 30))
