"""The kernel manager's offline buffer: the channels that a session lends to it, and messages that other code has put there."""

from typing import Any

import pytest

from tests.contract.test_outbox import leave
from tests.support.fake_kernel import FakeKernel
from tests.support.outbox import sessions_of
from tests.support.server import Server
from tests.support.wait import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_what_an_outside_caller_has_buffered_for_a_session_is_delivered_first(
    server: Server, fake: tuple[str, FakeKernel]
) -> None:
    """Contract: ``start_buffering(kernel_id, session_key, channels)`` of the manager, with streams of its own."""
    kernel_id, kernel = fake
    streams = {"iopub": server.kernels.get_kernel(kernel_id).connect_iopub()}
    await kernel.changes.until(lambda: kernel.subscriptions == 2, what="the outside caller's subscription")
    server.kernels.start_buffering(kernel_id, f"{kernel_id}:theirs", streams)
    for n in range(3):
        kernel.publish("display_data", {"n": n})
    buffer = server.kernels._kernel_buffers[kernel_id]["buffer"]
    await eventually(lambda: len([1 for _, frames in buffer if b"display_data" in b"".join(frames)]) == 3, "their buffer")
    client = await server.connect(kernel_id, session_id="theirs")
    kernel.publish("display_data", {"n": 3})
    await client.until(lambda message: message.content.get("n") == 3)
    assert [m.content["n"] for m in client.messages if m.msg_type == "display_data"] == [0, 1, 2, 3]


async def test_channels_whose_callbacks_other_code_has_set_are_the_sessions_again_after_a_reconnect(
    server: Server, fake: tuple[str, FakeKernel], protocol: str
) -> None:
    kernel_id, kernel = fake
    client = await server.live(kernel_id, protocol)
    channels = server.connection(kernel_id, client).channels
    for name in ("iopub", "shell"):
        channels[name].on_recv(lambda _: None)
    await leave(server, kernel_id, client)
    again = await server.connect(kernel_id, protocol, client.session_id)
    request = await again.execute("1")
    kernel.reply(await kernel.until("execute_request"), {"status": "ok"})
    kernel.publish("display_data", {"n": 1})
    await again.until("display_data")
    await again.until(lambda message: message.parent_id == request["header"]["msg_id"] and message.channel == "shell")


async def test_what_the_manager_does_to_its_buffer_opens_no_socket(server: Server, fake: tuple[str, FakeKernel]) -> None:
    """``stop_buffering`` reads ``socket.closed`` of each channel. That must not open stdin and control, which were never used."""
    kernel_id, _ = fake
    client = await server.connect(kernel_id)
    (client_session,) = await eventually(lambda: sessions_of(kernel_id), "the session")
    await leave(server, kernel_id, client)
    assert kernel_id in server.kernels._kernel_buffers
    server.kernels.stop_buffering(kernel_id)
    assert client_session.channels["stdin"]._reader is client_session.channels["control"]._reader is None
    assert not client_session.channels["shell"].closed()


async def test_the_last_one_hands_its_channels_to_the_manager(server: Server, fake: tuple[str, FakeKernel]) -> None:
    """When the last client disconnects, the manager's ``start_buffering`` gets a stand-in for each channel."""
    kernel_id, _ = fake
    calls: list[tuple[Any, ...]] = []
    original = server.kernels.start_buffering

    def start_buffering(*arguments: Any) -> None:
        calls.append(arguments)
        original(*arguments)

    server.kernels.start_buffering = start_buffering
    try:
        first, second = await server.live(kernel_id), await server.live(kernel_id)
        channels = server.connection(kernel_id, second).channels
        await leave(server, kernel_id, first)
        assert calls == []
        await leave(server, kernel_id, second)
    finally:
        del server.kernels.start_buffering
    ((kernel, key, lent),) = calls
    assert (kernel, key) == (kernel_id, f"{kernel_id}:{second.session_id}")
    assert set(lent) == set(channels) == {"iopub", "shell", "control", "stdin"}
    for name, channel in lent.items():
        assert (channel.channel, channel.socket.closed, channel.flush()) == (name, False, 0)
        channel.on_recv_stream(print)
        channel.stop_on_recv()
        channel.close()
    assert not channels["shell"].closed(), "they are the session's"
