"""Executions that a page has taken over, when something rare happens. The kernel is in the test's process and does as it is told.

Must not repeat ``test_executions_attach.py``, which has what happens with an ordinary kernel.
"""

from typing import Any

import pytest

from kernelws.kernel.kernel import kernel_of
from kernelws.session.registry import registry_of
from tests.support.client import Client
from tests.support.executions import Executions, attach, journal_of
from tests.support.fake_kernel import FakeKernel, Plan, Received
from tests.support.page import shown
from tests.support.server import Server
from tests.support.wait import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture
def api(server: Server, fake: tuple[str, FakeKernel]) -> Executions:
    return Executions(server, fake[0])


async def begun(api: Executions, kernel: FakeKernel, text: str = "on\n") -> tuple[str, Received]:
    """An execution that runs and has printed."""
    execution_id = await api.run("1")
    request = await kernel.until(lambda request: request.message["header"]["msg_id"] == execution_id)
    kernel.status("busy", request)
    kernel.publish("execute_input", {"code": "1", "execution_count": 3}, request)
    kernel.stream(text, request)
    await api.until(execution_id, lambda found: found["outputs"])
    return execution_id, request


async def taken_over(api: Executions, kernel: FakeKernel, page: Client) -> tuple[str, Received]:
    """An execution that runs and has printed, which the page shows."""
    execution_id, request = await begun(api, kernel)
    await attach(api, page, execution_id)
    await shown(page, execution_id, lambda cell: cell.text() == "on\n")
    return execution_id, request


def end(kernel: FakeKernel, request: Received) -> None:
    """The kernel's reply, and the idle."""
    kernel.reply(request, {"status": "ok", "execution_count": 3})
    kernel.status("idle", request)


async def replied(server: Server, kernel_id: str, execution_id: str) -> None:
    """The server has the kernel's reply."""
    core = journal_of(server, kernel_id).core
    number = core.number(execution_id)
    assert number is not None
    await eventually(lambda: not core.awaits_reply(number), "the reply")


@pytest.mark.parametrize("size", [0, 100_000])
async def test_a_reply_that_was_there_before_the_page(
    server: Server, fake: tuple[str, FakeKernel], api: Executions, protocol: str, size: int
) -> None:
    """The kernel replies before it publishes the idle, and IOPub may be far behind. Large replies are not kept."""
    kernel_id, kernel = fake
    one, request = await begun(api, kernel)
    content = {"status": "ok", "execution_count": 3, "payload": [], "user_expressions": {"x": "x" * size}}
    kernel.reply(request, content)
    await replied(server, kernel_id, one)
    page = await server.live(kernel_id, protocol)
    await attach(api, page, one)
    await shown(page, one, lambda cell: cell.text() == "on\n")
    kernel.stream("off\n", request)
    kernel.status("idle", request)
    now = await shown(page, one, lambda cell: cell.over)
    assert now.text() == "on\noff\n"
    assert now.reply is not None
    assert (now.reply.content["status"], now.reply.content["execution_count"]) == ("ok", 3)


@pytest.mark.parametrize("how", ["delete", "hide"])
async def test_a_page_is_not_left_waiting_for_what_is_forgotten(
    server: Server, fake: tuple[str, FakeKernel], api: Executions, protocol: str, how: str
) -> None:
    """Nothing brings it the kernel's reply any more, so it gets one at once; its cell ends with the idle."""
    kernel_id, kernel = fake
    page = await server.live(kernel_id, protocol)
    one, request = await taken_over(api, kernel, page)
    if how == "delete":
        await api.json(f"/{one}", "DELETE")
    else:
        managed = server.kernels.get_kernel(kernel_id)
        vars(server.kernels)["_kernelws_journals"].hide(kernel_of(managed))
    end(kernel, request)
    assert (await shown(page, one, lambda cell: cell.over)).text() == "on\n"


async def test_a_reply_that_no_socket_can_get_after_the_idle(
    server: Server, fake: tuple[str, FakeKernel], api: Executions, protocol: str
) -> None:
    """The session that asked ends between the idle and the reply, and none of its sockets is kept."""
    kernel_id, kernel = fake
    with server.configured(ZMQChannelsWebsocketConnection={"max_detached_sessions": 0}):
        first, page = [await server.live(kernel_id, protocol) for _ in range(2)]
    await first.send("execute_request", {"code": "1", "silent": False}, msg_id="one")
    request = await kernel.until("execute_request")
    kernel.status("busy", request)
    kernel.publish("execute_input", {"code": "1", "execution_count": 3}, request)
    await first.until("execute_input")
    await attach(api, page, "one")
    kernel.status("idle", request)
    await api.done("one")
    await first.close()
    now = await shown(page, "one", lambda cell: cell.over)
    assert now.reply is not None
    assert now.reply.content["status"] == "ok"


async def test_a_replay_by_way_of_the_disk(server: Server, fake: tuple[str, FakeKernel], api: Executions, protocol: str) -> None:
    """The page's session has less memory than the replay needs."""
    kernel_id, kernel = fake
    one, request = await begun(api, kernel)
    for n in range(15):
        kernel.publish("display_data", {"data": {"text/plain": chr(65 + n) * 1_000_000}, "metadata": {}}, request)
    end(kernel, request)
    await api.done(one)
    with server.configured(ZMQChannelsWebsocketConnection={"session_memory_limit": 4_000_000}):
        page = await server.live(kernel_id, protocol)
        await attach(api, page, one)
        now = await shown(page, one, lambda cell: cell.over)
    assert now.text("stderr") == ""
    assert now.text() == "on\n"
    assert [output["data"]["text/plain"][:1] for output in now.outputs[1:]] == [chr(65 + n) for n in range(15)]


async def test_a_session_that_a_replay_ends(server: Server, fake: tuple[str, FakeKernel], api: Executions, protocol: str) -> None:
    """The replay of many executions exceeds the limits of the page's session. An ended session gets no more of them."""
    kernel_id, kernel = fake
    ids = []
    for _ in range(4):
        one, request = await begun(api, kernel)
        kernel.publish("execute_result", {"data": {"text/plain": "x" * 300_000}, "metadata": {}, "execution_count": 3}, request)
        end(kernel, request)
        await api.done(one)
        ids.append(one)
    limits = {"session_memory_limit": 200_000, "session_disk_limit": 0, "stream_backlog_limit": 0}
    with server.configured(ZMQChannelsWebsocketConnection=limits):
        page = await server.live(kernel_id, protocol)
        session = registry_of(server.kernels).get(f"{kernel_id}:{page.session_id}")
        assert session is not None
        body = {"session_id": page.session_id, "msg_ids": ids}
        assert await api.status("/attach", "POST", body) == (404, "no such session")
    assert session.closed
    assert session.outbox.memory() == 0


async def test_a_kernel_of_an_old_protocol(server: Server, protocol: str) -> None:
    """A page that has taken an execution over gets members of the present protocol."""
    kernel_id, kernel = await server.start_fake(Plan(protocol_version="4.1"))
    api = Executions(server, kernel_id)
    first, page = [await server.live(kernel_id, protocol) for _ in range(2)]
    await first.send("execute_request", {"code": "1", "silent": False}, msg_id="one")
    request = await kernel.until("execute_request")

    def old(msg_type: str, content: dict[str, Any], channel: str = "iopub") -> None:
        message = kernel.message(msg_type, content, request)
        del message["header"]["version"]
        kernel.send(channel, kernel.frames(message), identity=b"kernel" if channel == "iopub" else request.identities[0])

    old("status", {"execution_state": "busy"})
    old("pyin", {"code": "1", "execution_count": 3})
    old("pyout", {"data": {"text/plain": "7"}, "metadata": {}, "execution_count": 3})
    await first.until("execute_result")
    await attach(api, page, "one")
    await shown(page, "one", lambda cell: [output["type"] for output in cell.outputs] == ["execute_result"])
    old("input_request", {"prompt": "? "}, "stdin")
    for client in (first, page):
        asked = await client.until("input_request")
        assert asked.content == {"prompt": "? ", "password": False}
        assert asked.header["version"]


@pytest.mark.parametrize("route", ["/attach", "/saved"])
async def test_ids_that_are_no_unicode(server: Server, fake: tuple[str, FakeKernel], api: Executions, route: str) -> None:
    page = await server.connect(fake[0])
    body = {"session_id": page.session_id, "msg_ids": ["\ud800"]} if route == "/attach" else {"ids": ["\ud800"]}
    code, _ = await api.status(route, "POST", body)
    assert code == (404 if route == "/attach" else 204)


async def test_ids_with_odd_characters_and_buffers(
    server: Server, fake: tuple[str, FakeKernel], api: Executions, protocol: str
) -> None:
    """VS Code's ids are not UUIDs. A replay has the buffers of its messages, and all that JupyterLab checks."""
    kernel_id, kernel = fake
    first = await server.live(kernel_id, protocol)
    odd = 'a"b\\c/d e\u2028\U0001f600%2F'
    await first.send("execute_request", {"code": "1", "silent": False}, msg_id=odd)
    request = await kernel.until("execute_request")
    kernel.status("busy", request)
    content = {"data": {"text/plain": "x"}, "metadata": {}, "transient": {"display_id": 'd"'}}
    kernel.publish("display_data", content, request, buffers=[b"\0\1\2", b""])
    await first.until("display_data")
    second = await server.live(kernel_id, protocol)
    await attach(api, second, odd)
    now = await shown(second, odd, lambda cell: cell.outputs)
    assert now.outputs[0]["transient"] == {"display_id": 'd"'}
    display = next(message for message in second.messages if message.msg_type == "display_data")
    assert [bytes(buffer) for buffer in display.buffers] == [b"\0\1\2", b""]
    kernel.reply(request, {"status": "ok", "execution_count": 1})
    kernel.status("idle", request)
    await shown(second, odd, lambda cell: cell.over)
    for message in second.messages:
        assert all(isinstance(message.header[name], str) for name in ("username", "version", "session", "msg_id", "msg_type"))


async def test_a_follower_that_reconnects_gets_the_rest_once(
    server: Server, fake: tuple[str, FakeKernel], api: Executions, protocol: str
) -> None:
    """The reply comes while its connection is cut."""
    kernel_id, kernel = fake
    page = await server.live(kernel_id, protocol)
    one, request = await taken_over(api, kernel, page)
    await page.hang_up()
    session = registry_of(server.kernels).get(f"{kernel_id}:{page.session_id}")
    assert session is not None
    await eventually(lambda: session.client is None, "the cut")
    kernel.stream("off\n", request)
    end(kernel, request)
    await api.done(one)
    again = await server.connect(kernel_id, protocol, page.session_id)
    await again.until("execute_reply")
    await again.until(lambda message: message.state == "idle" and message.parent_id == one)
    replies = [message for message in again.messages if message.msg_type == "execute_reply"]
    assert len(replies) == 1
    assert not journal_of(server, kernel_id).followed
