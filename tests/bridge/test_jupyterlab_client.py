"""JupyterLab's own kernel client (@jupyterlab/services, under Node) through kernelws.

JupyterLab cancels queued messages when ``header.session`` changes. So a notice between two ``comm_msg``, or before ``idle``,
must carry the kernel's session. Stock's notices carry the client's session, and the second comm_msg is lost. The packages of
``tests/js/package-lock.json`` are installed once, into ``.cache/node``.
"""

import json
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.support.client import Client
from tests.support.fake_kernel import FakeKernel, Received
from tests.support.node import NodeClient, available, packages
from tests.support.server import TOKEN, Server
from tests.support.wait import TIMEOUT

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(not available(), reason="needs node (20 or newer) and npm: JupyterLab's client"),
]

PAUSE = 500
"""Milliseconds that JupyterLab needs for a comm message, in which the notice behind the next one arrives."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def node_folder() -> Path:
    """The folder with the client's packages, as the lock says."""
    return await packages()


async def started(folder: Path, server: Server, kernel_id: str, code: str) -> NodeClient:
    model = json.dumps({"id": kernel_id, "name": "test"})
    return await NodeClient.start(folder, "client.js", server.url + "/", TOKEN, model, code)


@pytest.mark.parametrize("kernel_ws_protocol", [None, ""], ids=["v1", "legacy"])
async def test_a_cell_of_a_real_kernel(server: Server, kernel_id: str, node_folder: Path, kernel_ws_protocol: str | None) -> None:
    """Output, result and reply are handed to JupyterLab's future."""
    with server.configured(ZMQChannelsWebsocketConnection={"kernel_ws_protocol": kernel_ws_protocol}):
        client = await started(node_folder, server, kernel_id, "print('é'); 6 * 7")
        events = await client.finished()
    shown = [event["type"] for event in events if event["event"] == "iopub"]
    assert shown == ["status", "execute_input", "stream", "execute_result", "status"]
    assert events[-1] == {"event": "done", "status": "ok"}


@pytest.mark.parametrize("kernel_ws_protocol", [None, ""], ids=["v1", "legacy"])
async def test_a_cell_is_taken_over(server: Server, kernel_id: str, node_folder: Path, kernel_ws_protocol: str | None) -> None:
    """JupyterLab connects while the kernel is busy, so its own requests wait; the cell's prompt is answered all the same."""
    first = await server.connect(kernel_id)
    code = "print('before', flush=True)\nprint('got', input('name? '))\n6 * 7"
    one = (await first.execute(code, allow_stdin=True))["header"]["msg_id"]
    await first.until("input_request")
    await first.close()
    with server.configured(ZMQChannelsWebsocketConnection={"kernel_ws_protocol": kernel_ws_protocol}):
        model = json.dumps({"id": kernel_id, "name": "test"})
        client = await NodeClient.start(node_folder, "attach.js", server.url + "/", TOKEN, model, one, "ada")
        events = await client.finished()
    assert {"event": "attached", "code": 200, "body": {"attached": [one]}} in events
    # Without a subprotocol JupyterLab connects a second time, and gets the kernel's status of before again
    shown = [event for event in events if event["event"] == "iopub" and event["type"] != "status"]
    assert len({event["id"] for event in shown}) == len(shown)
    outputs = [event["content"] for event in shown if event["type"] in ("stream", "execute_result")]
    assert "".join(output["text"] for output in outputs[:-1]) == "before\ngot ada\n"
    assert outputs[-1]["data"] == {"text/plain": "42"}
    assert [event["content"]["prompt"] for event in events if event["event"] == "prompt"] == ["name? "]
    assert [event["reply"]["status"] for event in events if event["event"] == "done"] == ["ok"]


@pytest.mark.parametrize("kernel_ws_protocol", [None, ""], ids=["v1", "legacy"])
async def test_notices_cancel_nothing(
    server: Server, fake: tuple[str, FakeKernel], node_folder: Path, kernel_ws_protocol: str | None
) -> None:
    """A notice of the server's own between two comm_msg, and before idle, while JupyterLab still handles the first one."""
    kernel_id, kernel = fake
    with server.configured(ZMQChannelsWebsocketConnection={"kernel_ws_protocol": kernel_ws_protocol}):
        client = await started(node_folder, server, kernel_id, "a cell")
        request = await kernel.until("execute_request", 2 * TIMEOUT)
    try:
        observer = await server.live(kernel_id)
        session = request.message["header"]["session"]
        connection = type(server.connection(kernel_id, observer))._open_sessions[f"{kernel_id}:{session}"].connection
        kernel.status("busy", request)
        kernel.publish("comm_open", {"comm_id": "c", "target_name": "test", "data": {}}, request)
        for n in (0, 2):
            comm_msg(kernel, request, n, pause=PAUSE)
            await shown_to(observer, comm_msg(kernel, request, n + 1, pause=0))
            connection.write_stderr("a notice", request.message["header"])
            await client.until(event="comm_msg", n=n + 1)
        comm_msg(kernel, request, 4, pause=PAUSE)
        kernel.reply(request, {"status": "ok", "execution_count": 1})
        await shown_to(observer, kernel.status("idle", request))
        connection.write_stderr("a notice", request.message["header"])
        events = await client.finished()
    finally:
        client.kill()
    assert [event["n"] for event in events if event["event"] == "comm_msg"] == [0, 1, 2, 3, 4]
    assert events[-1] == {"event": "done", "status": "ok"}


def comm_msg(kernel: FakeKernel, request: Received, n: int, pause: int) -> dict[str, Any]:
    return kernel.publish("comm_msg", {"comm_id": "c", "data": {"n": n, "pause": pause}}, request)


async def shown_to(observer: Client, message: dict[str, Any]) -> None:
    """Waits until the observer has a message. All clients of a kernel are sent it in the same turn, so the others have it too."""
    await observer.until(lambda seen: seen.header["msg_id"] == message["header"]["msg_id"])
