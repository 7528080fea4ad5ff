"""Clients of a real kernel that connect, disconnect and reconnect, and kernels that end.

Covers a kernel that is busy when a client connects, one session id used twice, replay after a disconnect, interrupt, restart,
and a killed kernel.
"""

import asyncio
import os
import signal
from typing import Any

import pytest

from tests.support.cells import WAIT
from tests.support.client import Client
from tests.support.server import Server
from tests.support.wait import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def leave(server: Server, kernel_id: str, client: Client) -> None:
    connection = server.connection(kernel_id, client)
    await client.close()
    await asyncio.wrap_future(connection._close_future)


async def busy(client: Client) -> dict[str, Any]:
    """A cell that runs until it is interrupted; an interrupt before it runs would end it without a reply."""
    request = await client.execute(WAIT)
    await client.until(lambda m: m.msg_type == "stream" and m.parent_id == request["header"]["msg_id"])
    return request


async def test_connecting_to_a_busy_kernel(server: Server, kernel_id: str, protocol: str) -> None:
    """Connecting does not wait for the running cell, and control requests are answered meanwhile. With stock it takes 60 s."""
    first = await server.connect(kernel_id, protocol)
    request = await busy(first)
    second = await server.connect(kernel_id, protocol)
    info = await second.send("kernel_info_request", channel="control")
    await second.until(lambda m: m.parent_id == info["header"]["msg_id"] and m.channel == "control")
    assert not [m for m in first.of(request) if m.msg_type == "execute_reply"]
    await server.rest(f"kernels/{kernel_id}/interrupt", "POST")
    await first.idle(request)
    # For a moment after an interrupt ipykernel aborts each request to execute, but not this one
    info = await second.send("kernel_info_request")
    await second.idle(info)
    found = await second.run("print('after')")
    assert any(m.content.get("text") == "after\n" for m in found), [(m.msg_type, m.content) for m in found]


@pytest.mark.parametrize("managed", [True, False], ids=["by_rest", "before_any_client"])
async def test_a_first_connection_to_a_busy_kernel(server: Server, protocol: str, managed: bool) -> None:
    """The first connection ever to a kernel that is busy does not wait for its cell."""
    kernel_id = await server.start_kernel()
    kernel_client = server.kernels.get_kernel(kernel_id).client()
    kernel_client.start_channels()
    try:
        await kernel_client.wait_for_ready(timeout=30)
        kernel_client.execute(WAIT if managed else "print('x', flush=True)\n" + WAIT)
        manager = server.kernels.get_kernel(kernel_id)
        await eventually(lambda: manager.execution_state == "busy", "busy")
        client = await server.connect(kernel_id, protocol)
        info = await client.send("kernel_info_request", channel="control")
        await client.until(lambda m: m.parent_id == info["header"]["msg_id"] and m.channel == "control")
        assert manager.execution_state == "busy"
        await client.close()
    finally:
        kernel_client.stop_channels()
        await server.kernels.shutdown_kernel(kernel_id, now=True)


async def test_interrupt(server: Server, kernel_id: str, protocol: str) -> None:
    """POST interrupt ends a running cell with KeyboardInterrupt."""
    client = await server.connect(kernel_id, protocol)
    request = await busy(client)
    await server.rest(f"kernels/{kernel_id}/interrupt", "POST")
    messages = await client.idle(request)
    assert [m.content["ename"] for m in messages if m.msg_type == "error"] == ["KeyboardInterrupt"]
    assert (await server.rest(f"kernels/{kernel_id}"))["execution_state"] == "idle"


async def test_output_of_a_time_without_a_client_is_replayed(server: Server, kernel_id: str, protocol: str) -> None:
    """After a reconnect the reply and all lines are there, in order. A resent message has the same ``msg_id``."""
    client = await server.connect(kernel_id, protocol)
    code = "import time\nfor i in range(100): print(i, flush=True); time.sleep(0.002)"
    request = await client.execute(code)
    await client.until(lambda m: m.msg_type == "stream" and m.parent_id == request["header"]["msg_id"])
    await leave(server, kernel_id, client)
    manager = server.kernels.get_kernel(kernel_id)
    await eventually(lambda: manager.execution_state == "idle", "the end of the cell, while nobody is connected")
    again = await server.connect(kernel_id, protocol, client.session_id)
    await again.idle(request)
    texts = {m.header["msg_id"]: m.content["text"] for m in client.of(request, "stream") + again.of(request, "stream")}
    assert "".join(texts.values()).split() == [str(n) for n in range(100)]


async def test_the_same_session_twice(server: Server, kernel_id: str, protocol: str) -> None:
    """A client reconnects before the server has noticed that its old connection is dead. It gets the replies too."""
    old = await server.connect(kernel_id, protocol)
    request = await busy(old)
    new = await server.connect(kernel_id, protocol, old.session_id)
    await old.until_closed()
    await server.rest(f"kernels/{kernel_id}/interrupt", "POST")
    reply = await new.until(lambda m: m.msg_type == "execute_reply")
    assert reply.parent_id == request["header"]["msg_id"]
    assert (await server.rest(f"kernels/{kernel_id}"))["connections"] == 1


async def test_a_restart_by_rest(server: Server, kernel_id: str, protocol: str) -> None:
    """After a restart by REST, open connections and new ones work."""
    client = await server.connect(kernel_id, protocol)
    await client.run("before = 1")
    await server.rest(f"kernels/{kernel_id}/restart", "POST")
    messages = await client.run("'before' in globals()")
    assert [m.content["data"]["text/plain"] for m in messages if m.msg_type == "execute_result"] == ["False"]
    another = await server.connect(kernel_id, protocol)
    assert await another.run("1")


@pytest.mark.parametrize("way", ["killed", "exits"])
async def test_a_kernel_that_dies_is_restarted_and_works(server: Server, kernel_id: str, protocol: str, way: str) -> None:
    """``restarting`` is announced, and the same session works with the new process."""
    client = await server.connect(kernel_id, protocol)
    await client.run("0")
    manager = server.kernels.get_kernel(kernel_id)
    pid = manager.provisioner.pid
    if way == "killed":
        os.kill(pid, signal.SIGKILL)
    else:
        await client.execute("import os; os._exit(3)")
    await client.until(lambda m: m.state == "restarting")
    await eventually(lambda: manager.provisioner.pid not in {None, pid}, "another process")
    again = await server.connect(kernel_id, protocol, client.session_id)  # as JupyterLab does when it hears this
    messages = await again.run("'alive'")
    assert [m.content["data"]["text/plain"] for m in messages if m.msg_type == "execute_result"] == ["'alive'"]


async def test_a_kernel_that_is_shut_down_by_a_client(server: Server, protocol: str) -> None:
    """shutdown_request on control is answered; DELETE removes the kernel, and its clients live until they leave."""
    kernel_id = await server.start_kernel()
    client = await server.connect(kernel_id, protocol)
    await client.run("1")
    await server.rest(f"kernels/{kernel_id}", "DELETE")
    assert kernel_id not in server.kernels
    await client.send("kernel_info_request")  # is dropped, without an error
    await client.close()
