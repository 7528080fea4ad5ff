"""Suspected losses with a real ipykernel, which numbers its messages: none in ordinary use, otherwise exactly the missing ones.

Ordinary use includes numbers that no session of this server receives: those of messages to a client that is connected directly
to the kernel, and to a session that ended before its reply. It also includes two sessions at once, prompts, interrupts and
restarts.
"""

import time
from types import SimpleNamespace
from typing import Any

import pytest

from kernelws.kernel.kernel import Kernel, kernel_of
from kernelws.record import losses
from tests.support.client import Client
from tests.support.server import Server
from tests.support.wait import TIMEOUT, eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

SWALLOW = """
from IPython import get_ipython
for _ in range({count}):
    get_ipython().kernel.session.msg("stream", {{"name": "stdout", "text": "lost"}})
print("after")"""
FLOOD = "for n in range(5000): print(n, flush=n % 7 == 0)"


def found(kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> int:
    """The losses of a kernel when a minute has passed."""
    with monkeypatch.context() as patch:
        patch.setattr(losses, "time", SimpleNamespace(monotonic=lambda: time.monotonic() + 60))
        kernel.losses.look()
    return kernel.losses.total


async def alone(server: Server, kernel_id: str) -> None:
    """Acts as a console that is connected directly to the kernel: no session of this server gets its replies."""
    manager = server.kernels.get_kernel(kernel_id)
    client = manager.client()
    client.start_channels()
    try:
        await client.wait_for_ready(timeout=TIMEOUT)
        for code in ("print('theirs')", "1 / 0", "x = 1"):
            await client.execute_interactive(code, timeout=TIMEOUT, output_hook=lambda _: None)
        await client.complete("prin", reply=True, timeout=TIMEOUT)
    finally:
        client.stop_channels()


async def test_ordinary_use_loses_nothing(server: Server, protocol: str, monkeypatch: pytest.MonkeyPatch) -> None:
    kernel_id = await server.start_kernel()
    kernel = kernel_of(server.kernels.get_kernel(kernel_id))
    first, second = await server.connect(kernel_id, protocol), await server.connect(kernel_id, protocol)
    for client, code in ((first, FLOOD), (second, "1 / 0"), (first, "display({'text/plain': 'x'}, raw=True)")):
        await client.run(code)
    request = await first.execute("name = input('who? ')", allow_stdin=True)
    await first.until("input_request")
    await first.send("input_reply", {"value": "me"}, channel="stdin")
    await first.idle(request)
    await alone(server, kernel_id)
    unnamed = await server.connect(kernel_id, protocol, session_id="")
    await unnamed.execute("import time; time.sleep(0.2)")
    await unnamed.close()
    await second.run("'after the session that has ended'")
    request = await second.execute("print('go', flush=True); time.sleep(100)")
    await second.until(lambda message: message.msg_type == "stream" and message.content["text"].startswith("go"))
    await server.rest(f"kernels/{kernel_id}/interrupt", "POST")
    await second.idle(request)
    assert found(kernel, monkeypatch) == 0
    await server.rest(f"kernels/{kernel_id}/restart", "POST")
    again = await server.connect(kernel_id, protocol)
    await again.run("print('another process')")
    assert (found(kernel, monkeypatch), kernel.proof.restarts) == (0, 1)


async def debug(client: Client, command: str, **arguments: Any) -> dict[str, Any]:
    """One request of a debugger, as JupyterLab's; returns what answers it."""
    content = {"type": "request", "seq": len(client.messages), "command": command, "arguments": arguments}
    request = await client.send("debug_request", content, channel="control")
    await client.idle(request)
    (answer,) = client.of(request, "debug_reply")
    return dict(answer.content)


async def test_the_debugger_loses_nothing(server: Server, protocol: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """ipykernel starts its debugger by a request to itself. Its number is used up, but the request is on no channel."""
    kernel_id = await server.start_kernel()
    kernel = kernel_of(server.kernels.get_kernel(kernel_id))
    client = await server.connect(kernel_id, protocol)
    await client.run("print(1)")
    cell = "def f():\n    y = 2\n    return y\nf()\n"
    options = {"adapterID": "", "pathFormat": "path", "linesStartAt1": True, "columnsStartAt1": True}
    for command, arguments in (("debugInfo", {}), ("initialize", {"clientID": "test", **options}), ("attach", {})):
        assert (await debug(client, command, **arguments))["success"]
    source = (await debug(client, "dumpCell", code=cell))["body"]["sourcePath"]
    await debug(client, "setBreakpoints", source={"path": source}, breakpoints=[{"line": 2}], sourceModified=False)
    await debug(client, "configurationDone")
    request = await client.execute(cell)
    stopped = await client.until(lambda message: message.content.get("event") == "stopped")
    await debug(client, "stackTrace", threadId=stopped.content["body"]["threadId"])
    await debug(client, "continue", threadId=stopped.content["body"]["threadId"])
    await client.idle(request)
    await debug(client, "disconnect", restart=False, terminateDebuggee=False)
    await client.run("print(2)")
    assert found(kernel, monkeypatch) == 0


@pytest.mark.parametrize("count", [1, 7])
async def test_what_a_kernel_numbers_and_never_sends_is_counted(
    server: Server, kernel_id: str, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To the server such a message looks like one that libzmq dropped in the kernel."""
    kernel = kernel_of(server.kernels.get_kernel(kernel_id))
    before = found(kernel, monkeypatch)
    client = await server.connect(kernel_id)
    messages = await client.run(SWALLOW.format(count=count))
    assert any(message.msg_type == "stream" for message in messages)
    assert found(kernel, monkeypatch) - before == count
    assert kernel.faults.last_fault.kind == "suspected_loss"
    warned: Any = [record for record in server.complaints() if "probably lost" in record.message]
    await eventually(lambda: warned, "a line in the log")
