"""JupyterLab's own kernel client (@jupyterlab/services, under Node) through kernelws.

CONTRACT: JupyterLab cancels queued messages when ``header.session`` changes. Issue 1: a notice between two ``comm_msg`` and
before ``idle`` cancels nothing. With stock, whose notices carry the client's session, the second comm_msg is lost.
The packages of ``tests/js/package-lock.json`` are installed once, into ``.cache/node``.
"""

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.support.fake_kernel import FakeKernel, Received
from tests.support.server import TOKEN, Server
from tests.support.wait import TIMEOUT

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(
        not (shutil.which("node") and shutil.which("npm")), reason="needs node (20 or newer) and npm: JupyterLab's client"
    ),
]

SOURCE = Path(__file__).parent.parent / "js"
CACHE = SOURCE.parent.parent / ".cache" / "node"
INSTALLING = 180.0
"""Seconds that npm may take."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def node_folder() -> Path:
    """The folder with the client's packages, as the lock says."""
    CACHE.mkdir(parents=True, exist_ok=True)
    lock = (SOURCE / "package-lock.json").read_text()
    stamp = CACHE / "installed"
    if not stamp.exists() or stamp.read_text() != lock:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(SOURCE / name, CACHE / name)
        npm = await asyncio.create_subprocess_exec("npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts", cwd=CACHE)
        async with asyncio.timeout(INSTALLING):
            assert await npm.wait() == 0, "npm could not install the packages of tests/js/package-lock.json"
        stamp.write_text(lock)
    return CACHE


class JupyterLab:
    """A running client.js; ``events`` is what it has printed."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.events: list[dict[str, Any]] = []

    @classmethod
    async def start(cls, folder: Path, server: Server, kernel_id: str, code: str) -> "JupyterLab":
        model = json.dumps({"id": kernel_id, "name": "test"})
        script = folder / "client.js"
        shutil.copy(SOURCE / "client.js", script)
        arguments = [str(script), server.url + "/", TOKEN, model, code]
        process = await asyncio.create_subprocess_exec("node", *arguments, stdout=asyncio.subprocess.PIPE)
        return cls(process)

    async def finished(self) -> list[dict[str, Any]]:
        """All that it has printed, once it has ended."""
        async with asyncio.timeout(2 * TIMEOUT):
            assert self.process.stdout is not None
            async for line in self.process.stdout:
                self.events.append(json.loads(line))
            await self.process.wait()
        return self.events


@pytest.mark.parametrize("kernel_ws_protocol", [None, ""], ids=["v1", "legacy"])
async def test_a_cell_of_a_real_kernel(server: Server, kernel_id: str, node_folder: Path, kernel_ws_protocol: str | None) -> None:
    """Output, result and reply are handed to JupyterLab's future."""
    with server.configured(ZMQChannelsWebsocketConnection={"kernel_ws_protocol": kernel_ws_protocol}):
        client = await JupyterLab.start(node_folder, server, kernel_id, "print('é'); 6 * 7")
        events = await client.finished()
    shown = [event["type"] for event in events if event["event"] == "iopub"]
    assert shown == ["status", "execute_input", "stream", "execute_result", "status"]
    assert events[-1] == {"event": "done", "status": "ok"}


@pytest.mark.parametrize("kernel_ws_protocol", [None, ""], ids=["v1", "legacy"])
async def test_notices_cancel_nothing(
    server: Server, fake: tuple[str, FakeKernel], node_folder: Path, kernel_ws_protocol: str | None
) -> None:
    """A notice of the server's own between two comm_msg, and before idle: everything around it is handled."""
    kernel_id, kernel = fake
    with server.configured(ZMQChannelsWebsocketConnection={"kernel_ws_protocol": kernel_ws_protocol}):
        client = await JupyterLab.start(node_folder, server, kernel_id, "a cell")
        request = await kernel.until("execute_request", 2 * TIMEOUT)
    observer = await server.live(kernel_id)
    session = request.message["header"]["session"]
    connection = type(server.connection(kernel_id, observer))._open_sessions[f"{kernel_id}:{session}"].connection
    await cell_with_notices(kernel, request, connection, observer)
    events = await client.finished()
    assert [event["n"] for event in events if event["event"] == "comm_msg"] == [0, 1, 2, 3]
    assert events[-1] == {"event": "done", "status": "ok"}
    notices = [event for event in events if event["event"] == "iopub" and event["type"] == "stream"]
    assert [notice["content"]["text"] for notice in notices] == ["a notice\n"] * 4


async def cell_with_notices(kernel: FakeKernel, request: Received, connection: Any, observer: Any) -> None:
    """busy, a comm, four messages of it with a notice after each, reply, idle; the first makes the client stand still."""
    parent = request.message["header"]
    kernel.status("busy", request)
    kernel.publish("comm_open", {"comm_id": "c", "target_name": "test", "data": {}}, request)
    for n in range(4):
        sent = kernel.publish("comm_msg", {"comm_id": "c", "data": {"n": n, "pause": 0 if n else 700}}, request)
        # what another client has seen, this one was sent: batches go to all of them in one turn
        await observer.until(lambda message, sent=sent: message.header["msg_id"] == sent["header"]["msg_id"])
        connection.write_stderr("a notice", parent)
    kernel.reply(request, {"status": "ok", "execution_count": 1})
    kernel.status("idle", request)
