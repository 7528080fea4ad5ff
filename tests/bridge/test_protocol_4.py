"""A kernel of protocol 4.1: both directions are adapted as upstream does, through ``jupyter_client.adapter``.

The fake kernel says ``protocol_version`` 4.1 in its kernel_info reply and speaks it: ``pyout`` instead of ``execute_result``,
``pyin``, ``pyerr``, ``data`` in streams.
"""

import json
from typing import Any

import pytest

import kernelws
from tests.support.fake_kernel import FakeKernel, Plan, Received
from tests.support.server import Server

pytestmark = pytest.mark.asyncio(loop_scope="module")


class ByHand(kernelws.ZMQChannelsWebsocketConnection):
    """Overrides a hook, so that every message takes the per-message way."""

    def _on_zmq_reply(self, stream: Any, msg_list: Any) -> None:
        super()._on_zmq_reply(stream, msg_list)


def old(kernel: FakeKernel, msg_type: str, content: dict[str, Any], parent: Received) -> list[bytes]:
    """A message as a kernel of protocol 4 sends it: no version in its header."""
    message = kernel.message(msg_type, content, parent)
    for field in ("version", "date"):
        message["header"].pop(field)
    return kernel.frames(message)


@pytest.mark.parametrize("cls", [kernelws.ZMQChannelsWebsocketConnection, ByHand], ids=["batches", "per_message"])
async def test_a_kernel_of_protocol_4(server: Server, protocol: str, cls: type) -> None:
    """What the client gets is protocol 5; what the kernel gets is protocol 4."""
    kernel_id, kernel = await server.start_fake(Plan(protocol_version="4.1", welcome=False))
    with server.logged() as lines, server.connection_class(cls):
        client = await server.connect(kernel_id, protocol)
    assert any("Adapting from protocol version 4.1" in line for line in lines)
    request = await client.send("inspect_request", {"code": "print", "cursor_pos": 5, "detail_level": 1})
    received = await kernel.until("inspect_request")  # the fake kernel's Session adapts what it reads
    if protocol == "legacy":  # v1 passes a client's parts as they are, in stock too
        header, content = json.loads(received.parts[0]), json.loads(received.parts[3])
        assert header["msg_type"] == "object_info_request"
        assert content["oname"] == "print"
    kernel.send("iopub", old(kernel, "pyin", {"code": "1", "execution_count": 1}, received))
    kernel.send("iopub", old(kernel, "stream", {"name": "stdout", "data": "text"}, received))
    kernel.send("iopub", old(kernel, "pyout", {"data": {"text/plain": "1"}, "metadata": {}}, received))
    kernel.send("iopub", old(kernel, "pyerr", {"ename": "E", "evalue": "v", "traceback": []}, received))
    kernel.send("iopub", old(kernel, "status", {"execution_state": "idle"}, received))
    await client.until(lambda message: message.state == "idle" and message.parent_id == request["header"]["msg_id"])
    seen = [message.msg_type for message in client.of(request)]
    assert seen == ["execute_input", "stream", "execute_result", "error", "status"]
    assert client.text(request) == "text"
    assert client.of(request, "execute_result")[0].content["data"] == {"text/plain": "1"}
    assert all(message.header["version"].startswith("5") for message in client.of(request))
    await client.close()
    await server.kernels.shutdown_kernel(kernel_id, now=True)


async def test_a_second_connection_adapts_too(server: Server, protocol: str) -> None:
    """It takes the first one's kernel_info, and adapts by it."""
    kernel_id, kernel = await server.start_fake(Plan(protocol_version="4.1", welcome=False))
    clients = [await server.connect(kernel_id, protocol) for _ in range(2)]
    request = await clients[1].send("hello")
    received = await kernel.until("hello")
    kernel.send("iopub", old(kernel, "stream", {"name": "stdout", "data": "for both"}, received))
    for client in clients:
        await client.until("stream")
        assert client.text(request) == "for both"
    await server.close_clients()
    await server.kernels.shutdown_kernel(kernel_id, now=True)


async def test_a_newer_kernel_is_not_adapted_down(server: Server, protocol: str) -> None:
    """A kernel of protocol 5.9 passes unchanged."""
    kernel_id, kernel = await server.start_fake(Plan(protocol_version="5.9"))
    client = await server.live(kernel_id, protocol)
    kernel.publish("execute_result", {"data": {"text/plain": "1"}, "new": "field"})
    assert (await client.until("execute_result")).content["new"] == "field"
    await client.close()
    await server.kernels.shutdown_kernel(kernel_id, now=True)
