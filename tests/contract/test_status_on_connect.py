"""A client that connects gets the kernel's last status once more, as the kernel sent it, or nothing.

Otherwise JupyterLab would show "unknown" until the running cell ends, because the kernel publishes no status before that.
"""

import asyncio
from typing import Any

import pytest

from kernelws.kernel.kernel import kernel_of
from kernelws.kernel.status import STATUS_KEPT
from tests.contract.test_outbox import leave
from tests.support.client import Client, Message
from tests.support.fake_kernel import FakeKernel, Plan
from tests.support.server import Server
from tests.support.wait import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

ASKED = {"msg_id": "somebodys", "msg_type": "execute_request", "session": "somebody", "username": "", "version": "5.4"}
"""The header of a request, with no date that an old protocol would lack."""


async def first(server: Server, client: Client, kernel_id: str) -> list[Message]:
    """The messages that a client got by connecting: all before ``after``, which is published now."""
    server.fake(kernel_id).publish("after")
    await client.until("after")
    return [message for message in client.messages if message.msg_type not in ("after", "marker")]


async def heard(server: Server, kernel_id: str, message: dict[str, Any]) -> None:
    """Waits until the server has read a message of the kernel."""
    feed = kernel_of(server.kernels.get_kernel(kernel_id))
    msg_id = message["header"]["msg_id"].encode()
    await eventually(lambda: feed.last_status and any(msg_id in frame for frame in feed.last_status), "the status")


@pytest.mark.parametrize("state", ["busy", "idle"])
async def test_the_kernels_last_status_is_repeated_with_its_own_parent(
    server: Server, fake: tuple[str, FakeKernel], protocol: str, state: str
) -> None:
    """The bytes are the kernel's: header, ``msg_id`` and parent are unchanged."""
    kernel_id, kernel = fake
    other = await server.live(kernel_id, protocol)
    request = await other.execute("")
    received = await kernel.until("execute_request")
    status = kernel.status(state, received)
    await other.until(lambda message: message.parent_id == request["header"]["msg_id"])
    client = await server.connect(kernel_id, protocol)
    (repeated,) = await first(server, client, kernel_id)
    assert (repeated.channel, repeated.state) == ("iopub", state)
    assert repeated.header["msg_id"] == status["header"]["msg_id"]
    assert repeated.header["session"] == kernel.session.session
    assert repeated.parent["msg_id"] == request["header"]["msg_id"]
    (original,) = [message for message in other.messages if message.parent_id == request["header"]["msg_id"]]
    assert repeated.raw == original.raw


async def test_nothing_is_sent_where_no_status_was_heard(server: Server, protocol: str) -> None:
    """The status messages of the server's own probes are not repeated."""
    kernel_id, _ = await server.start_fake()
    client = await server.connect(kernel_id, protocol)
    assert await first(server, client, kernel_id) == []
    await server.close_clients()
    await server.kernels.shutdown_kernel(kernel_id, now=True)


async def test_a_status_that_answers_nobody_is_not_repeated(server: Server, fake: tuple[str, FakeKernel], protocol: str) -> None:
    """For example ipykernel's ``starting``. Clients read ``parent_header["msg_id"]``, and its parent is empty."""
    kernel_id, kernel = fake
    live = await server.live(kernel_id)
    kernel.status("starting")
    await live.until(lambda message: message.state == "starting")
    client = await server.connect(kernel_id, protocol)
    assert await first(server, client, kernel_id) == []


async def test_a_status_that_is_too_large_is_not_kept(server: Server, fake: tuple[str, FakeKernel], protocol: str) -> None:
    """The status before it is not repeated either, because it is no longer the last one."""
    kernel_id, kernel = fake
    live = await server.live(kernel_id)
    await heard(server, kernel_id, kernel.status("busy", ASKED))
    kernel.publish("status", {"execution_state": "idle", "more": "x" * STATUS_KEPT}, ASKED)
    await live.until(lambda message: message.state == "idle")
    client = await server.connect(kernel_id, protocol)
    assert await first(server, client, kernel_id) == []


async def test_a_status_of_the_process_before_is_not_repeated(server: Server, fake: tuple[str, FakeKernel]) -> None:
    kernel_id, kernel = fake
    await heard(server, kernel_id, kernel.status("busy", ASKED))
    await server.rest(f"kernels/{kernel_id}/restart", "POST")
    again = server.fake(kernel_id)
    await again.changes.until(lambda: again.subscriptions, what="the server's subscription")
    client = await server.connect(kernel_id)
    assert not [message for message in await first(server, client, kernel_id) if message.state == "busy"]


async def test_a_resumed_session_gets_it_behind_what_it_has_missed(
    server: Server, fake: tuple[str, FakeKernel], protocol: str
) -> None:
    """If idle came before the missed output, JupyterLab would end the cell too early."""
    kernel_id, kernel = fake
    client = await server.live(kernel_id, protocol)
    request = await client.execute("")
    received = await kernel.until("execute_request")
    await leave(server, kernel_id, client)
    kernel.status("busy", received)
    kernel.publish("display_data", {"n": 1}, received)
    await heard(server, kernel_id, kernel.status("idle", received))
    again = await server.connect(kernel_id, protocol, client.session_id)
    replayed = await first(server, again, kernel_id)
    assert [message.state or message.msg_type for message in replayed] == ["busy", "display_data", "idle", "idle"]
    assert {message.parent_id for message in replayed} == {request["header"]["msg_id"]}
    assert replayed[-1].header["msg_id"] == replayed[-2].header["msg_id"]


async def test_a_session_that_has_missed_nothing_gets_it_too(server: Server, fake: tuple[str, FakeKernel]) -> None:
    """JupyterLab forgets the state while it is not connected."""
    kernel_id, kernel = fake
    client = await server.live(kernel_id)
    busy = kernel.status("busy", client.message("execute_request")["header"])
    await client.until(lambda message: message.state == "busy")
    connection = server.connection(kernel_id, client)
    await eventually(lambda: not connection.link.session.outbox.unacknowledged(), "its acknowledgement")
    await client.close()
    await asyncio.wrap_future(connection._close_future)
    again = await server.connect(kernel_id, session_id=client.session_id)
    (repeated,) = await first(server, again, kernel_id)
    assert repeated.header["msg_id"] == busy["header"]["msg_id"]


@pytest.mark.parametrize("version", ["4.1", "5.3"])
async def test_it_takes_the_way_of_any_message_of_the_kernel(server: Server, protocol: str, version: str) -> None:
    """Adapted, packed as the client reads it, and verified."""
    kernel_id, kernel = await server.start_fake(Plan(protocol_version=version))
    live = await server.live(kernel_id, protocol)
    kernel.status("busy", ASKED)
    original = await live.until(lambda message: message.state == "busy")
    client = await server.connect(kernel_id, protocol)
    (repeated,) = await first(server, client, kernel_id)
    assert repeated.fields == original.fields
    await server.close_clients()
    await server.kernels.shutdown_kernel(kernel_id, now=True)
