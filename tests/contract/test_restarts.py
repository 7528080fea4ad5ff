"""What clients get when a kernel dies: ``restarting`` or ``dead``, after all its messages, with the kernel's session.

On ``restarting`` JupyterLab clears its futures and reconnects, and it takes ``header.session`` for the kernel's identity. In
stock status messages carry the client's session.
"""

import time

import pytest

import kernelws
from tests.support.fake_kernel import FakeKernel, Plan
from tests.support.offline import Offline
from tests.support.server import Server
from tests.support.wait import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_kernel_that_dies_is_announced_and_works_again(
    server: Server, fake: tuple[str, FakeKernel], protocol: str
) -> None:
    """Every client gets ``restarting`` once: after the old process's last message and before the new process's first."""
    kernel_id, kernel = fake
    clients = [await server.live(kernel_id, protocol) for _ in range(2)]
    for n in range(10):
        kernel.publish("execute_result", {"n": n})
    kernel.die()
    for client in clients:
        restarting = await client.until(lambda message: message.state == "restarting")
        assert restarting.channel == "iopub"
        assert restarting.parent == {}
        assert restarting.header["session"] == kernel.session.session
        before = [m.content["n"] for m in client.messages if m.msg_type == "execute_result"]
        assert before == list(range(10))
    await eventually(lambda: server.fake(kernel_id) is not kernel, "the new kernel")
    new = server.fake(kernel_id)
    await new.changes.until(lambda: new.subscriptions)
    new.status("idle")
    for client in clients:
        await client.until(lambda message: message.header["session"] == new.session.session)
        assert len([message for message in client.messages if message.state == "restarting"]) == 1
        request = await client.send("hello")
        new.reply(await new.until(lambda m, request=request: m.message["header"]["msg_id"] == request["header"]["msg_id"]))  # type: ignore[misc]
        await client.until(lambda message, request=request: message.parent_id == request["header"]["msg_id"])  # type: ignore[misc]


async def test_a_kernel_that_cannot_be_restarted_is_announced_dead(server: Server, protocol: str) -> None:
    """Upstream's ``on_restart_failed``."""
    kernel_id, kernel = await server.start_fake()
    server.kernels.get_kernel(kernel_id)._restarter.restart_limit = 0
    client = await server.live(kernel_id, protocol)
    with server.logged() as lines:
        kernel.die()
        dead = await client.until(lambda message: message.state == "dead")
    assert dead.header["session"] == kernel.session.session
    assert any(f"kernel {kernel_id} restarted failed!" in line for line in lines)
    await eventually(lambda: kernel_id not in server.kernels, "the end of the kernel")
    await client.close()


async def test_iopub_is_flushed_before_a_status(server: Server, fake: tuple[str, FakeKernel], protocol: str) -> None:
    """``_send_status_message``: what the kernel has published before comes first."""
    kernel_id, kernel = fake
    client = await server.live(kernel_id, protocol)
    connection = server.connection(kernel_id, client)
    for n in range(20):
        kernel.publish("execute_result", {"n": n})
    time.sleep(0.1)  # noqa: ASYNC251 - the loop is blocked on purpose: the messages are in the socket, and unread
    connection._send_status_message("restarting")
    restarting = await client.until(lambda message: message.state == "restarting")
    before = client.messages[: client.messages.index(restarting)]
    assert [message.content["n"] for message in before if message.msg_type == "execute_result"] == list(range(20))


async def test_before_the_kernel_was_heard_a_notice_has_the_connections_session(server: Server, protocol: str) -> None:
    """After the kernel's first message the notice has the kernel's session, even if this connection did not get that message."""
    kernel_id, kernel = await server.start_fake(Plan(welcome=False))
    offline = Offline(server, kernel_id, protocol)
    offline.connection.on_kernel_restarted()
    kernel.status("idle")
    manager = server.kernels.get_kernel(kernel_id)
    await eventually(lambda: manager.execution_state == "idle", "a message of the kernel")
    offline.connection.on_kernel_restarted()
    before, after = offline.messages
    assert before.state == after.state == "restarting"
    assert before.header["session"] == offline.connection.session.session
    assert after.header["session"] == kernel.session.session
    await server.kernels.shutdown_kernel(kernel_id, now=True)


async def test_write_stderr_and_statuses_are_plain_messages(server: Server, fake: tuple[str, FakeKernel], protocol: str) -> None:
    """The handler's ``write_message`` may be a mock, whose result cannot be awaited."""
    kernel_id, _ = fake
    offline = Offline(server, kernel_id, protocol)
    parent = offline.connection.session.msg_header("execute_request")
    offline.connection.write_stderr("text", parent)
    offline.connection.on_restart_failed()
    stream, dead = offline.messages
    assert stream.content == {"text": "text\n", "name": "stderr"}
    assert stream.parent["msg_id"] == parent["msg_id"]
    assert dead.state == "dead"
    assert all(isinstance(raw, bytes) == (protocol == "v1") for raw in offline.written)
    assert isinstance(offline.connection, kernelws.ZMQChannelsWebsocketConnection)
