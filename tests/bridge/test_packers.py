"""Sessions with packers other than plain JSON, also with kernels of protocol 4.

The server's Session and the fake kernel use the same packer. v1 passes the packed parts unchanged. A legacy client reads JSON,
whatever the kernel packs, and what it sends reaches the kernel packed.
"""

import json
import pickle
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import msgpack  # type: ignore[import-untyped]
import orjson
import pytest
import pytest_asyncio

from tests.support.client import Client
from tests.support.fake_kernel import FakeKernel, Plan
from tests.support.server import Server

pytestmark = pytest.mark.asyncio(loop_scope="module")

UNPACK: dict[str, Callable[[Any], Any]] = {
    "json": json.loads,
    "orjson": orjson.loads,
    "msgpack": msgpack.unpackb,
    "pickle": pickle.loads,
}


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=list(UNPACK))
async def packed(
    request: pytest.FixtureRequest, jupyter_environment: dict[str, str], jupyter_folder: Path
) -> AsyncIterator[tuple[Server, str]]:
    """A server whose Session packs with that packer."""
    packer = str(request.param)
    config: dict[str, Any] = {"Session": {"packer": packer, "unpacker": packer}}
    server = await Server.start(jupyter_folder / "root", config)
    yield server, packer
    await server.stop()


async def connected(packed: tuple[Server, str], protocol: str, **plan: Any) -> tuple[Server, str, FakeKernel, Client]:
    """A fake kernel of that packer, and a client: v1 sends and reads packed parts, legacy JSON."""
    server, packer = packed
    kernel_id, kernel = await server.start_fake(Plan(packer=packer, unpacker=packer, **plan))
    unpack = UNPACK[packer] if protocol == "v1" else json.loads
    client = await server.connect(kernel_id, protocol, unpack=unpack)
    if protocol == "v1":
        client.session.pack = kernel.session.pack
    return server, kernel_id, kernel, client


async def test_messages_pass_both_ways(packed: tuple[Server, str], protocol: str) -> None:
    """Requests, replies, output, buffers; a failing one in between hurts nothing."""
    server, kernel_id, kernel, client = await connected(packed, protocol)
    request = await client.send("execute_request", {"code": "é"}, buffers=[b"\x00\xff"])
    received = await kernel.until("execute_request")
    assert received.message["content"] == {"code": "é"}
    assert [bytes(buffer) for buffer in received.message["buffers"]] == [b"\x00\xff"]
    kernel.status("busy", received)
    if protocol == "legacy" or "json" in packed[1]:  # v1 passes the parts of another packer unread
        kernel.send("iopub", kernel.signed(b"\xc1", b"\xc1", b"\xc1", b"\xc1"))  # neither JSON nor msgpack
    kernel.publish("display_data", {"data": {"text/plain": "ü"}}, received, buffers=[b"\x01", b""])
    kernel.reply(received, {"status": "ok", "n": 2**60})
    kernel.status("idle", received)
    messages = await client.idle(request)
    shown = next(message for message in messages if message.msg_type == "display_data")
    assert shown.content == {"data": {"text/plain": "ü"}}
    assert shown.buffers == [b"\x01", b""]
    assert next(m for m in messages if m.msg_type == "execute_reply").content == {"status": "ok", "n": 2**60}
    assert (await server.rest(f"kernels/{kernel_id}"))["execution_state"] == "idle"
    await client.close()
    await server.kernels.shutdown_kernel(kernel_id, now=True)


async def test_rules_hold_for_every_packer(packed: tuple[Server, str], protocol: str) -> None:
    """Allow-list, hidden tracebacks, notices."""
    server, kernel_id, kernel, client = await connected(packed, protocol)
    with server.kernels_with(allowed_message_types=["fine_request"], allow_tracebacks=False):
        await client.send("evil_request")
        await client.send("fine_request")
        received = await kernel.until("fine_request")
        assert [request.msg_type for request in kernel.received] == ["fine_request"]
        kernel.publish("error", {"ename": "E", "evalue": "secret", "traceback": ["secret"]}, received)
        assert (await client.until("error")).content["evalue"] == "Execution error"
        server.connection(kernel_id, client).on_kernel_restarted()
        restarting = await client.until(lambda message: message.state == "restarting")
        assert restarting.header["session"] == kernel.session.session
    await client.close()
    await server.kernels.shutdown_kernel(kernel_id, now=True)


async def test_what_is_missed_is_replayed(packed: tuple[Server, str], protocol: str) -> None:
    """The offline buffer holds packed messages."""
    server, kernel_id, kernel, client = await connected(packed, protocol)
    await client.send("hello")
    received = await kernel.until("hello")
    connection = server.connection(kernel_id, client)
    connection.disconnect()
    kernel.publish("display_data", {"n": 1}, received)
    again = await server.connect(kernel_id, protocol, client.session_id, unpack=client.unpack)
    assert (await again.until("display_data")).content == {"n": 1}
    await server.close_clients()
    await server.kernels.shutdown_kernel(kernel_id, now=True)
