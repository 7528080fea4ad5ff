"""A server in a process of its own, with a real kernel and open connections, ends cleanly and in time.

It exits on SIGTERM, on SIGINT, and by REST, and leaves neither a traceback nor a kernel behind. Without a terminal SIGINT raises
KeyboardInterrupt anywhere in the event loop.
"""

import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from kernelws.cli.child import free_port
from tests.support.process import is_alive
from tests.support.process_server import ProcessServer
from tests.support.server import TOKEN
from tests.support.wait import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def process(jupyter_environment: dict[str, str], jupyter_folder: Path) -> AsyncIterator[ProcessServer]:
    server = await ProcessServer.start(jupyter_folder / "root", jupyter_environment, port=free_port())
    yield server
    await server.stop()


@pytest.mark.parametrize("way", ["SIGTERM", "SIGINT", "rest"])
async def test_a_server_with_open_connections_ends_cleanly(process: ProcessServer, way: str) -> None:
    """``close_all()``: the server waits for it, and nothing hangs or raises."""
    kernel_id = str((await process.rest("kernels", "POST"))["id"])
    clients = [await process.connect(kernel_id, protocol) for protocol in ("v1", "legacy")]
    assert "is active on kernel connections" in process.output
    # what the kernel itself says when it is killed is not the server's
    await clients[0].run("import os; os.dup2(os.open(os.devnull, os.O_WRONLY), 2)")
    for client in clients:
        await client.run("print('x' * 1000)")
    messages = await clients[0].run("import os; os.getpid()")
    pid = next(int(m.content["data"]["text/plain"]) for m in messages if m.msg_type == "execute_result")
    busy = await clients[0].execute("import time\nwhile True: print('flood', flush=True)")
    await clients[0].until(lambda m: m.msg_type == "stream" and m.parent_id == busy["header"]["msg_id"])
    if way == "rest":
        await process.rest("shutdown", "POST")
        code = await process.wait()
    else:
        code = await process.end(getattr(signal, way))
    for client in clients:
        await client.until_closed()
    assert code == 0, process.output
    assert "Traceback" not in process.output, process.output
    assert "Uncaught" not in process.output, process.output
    assert TOKEN not in process.output.split("Shutting down")[-1]
    await eventually(lambda: not is_alive(pid), "the end of the kernel")
    assert os.getpid() != pid
