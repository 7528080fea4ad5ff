"""After an interrupt the first and the last waiting text is sent at once, with everything that is not text.

With the rate limits of these tests all of the text would take minutes.
"""

import re

import pytest

from tests.contract.test_outbox import BRIDGE, texts
from tests.support.client import Client
from tests.support.fake_kernel import FakeKernel, Received
from tests.support.outbox import waiting
from tests.support.server import Server
from tests.support.wait import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

SLOW = {"iopub_data_rate_limit": 1000.0, "rate_limit_window": 1.0, "interrupt_backlog_limit": 2000}
LINE = "x" * 99 + "\n"
LINES = 2000


async def running(server: Server, kernel_id: str, kernel: FakeKernel, client: Client) -> Received:
    """A cell that has printed much text, with a display in the middle."""
    await client.execute("while True: print('x' * 99)")
    request = await kernel.until("execute_request")
    kernel.status("busy", request)
    for n in range(LINES):
        kernel.stream(LINE, request)
        if n == LINES // 2:
            kernel.publish("display_data", {"n": n}, request)
    await eventually(lambda: waiting(kernel_id) > LINES // 2, "the text at the server")
    return request


def end(kernel: FakeKernel, request: Received) -> None:
    """The last messages of the interrupted cell: text that was already on its way, the error, and idle."""
    for _ in range(LINES):
        kernel.stream(LINE, request)
    kernel.publish("error", {"ename": "KeyboardInterrupt", "evalue": "", "traceback": []}, request)
    kernel.status("idle", request)


@pytest.mark.parametrize("way", ["rest", "control"])
async def test_an_interrupted_cell_ends_at_once_and_says_what_was_left_out(
    server: Server, fake: tuple[str, FakeKernel], protocol: str, way: str
) -> None:
    kernel_id, kernel = fake
    with server.configured(**{BRIDGE: SLOW}):
        client = await server.live(kernel_id, protocol)
    request = await running(server, kernel_id, kernel, client)
    if way == "rest":
        await server.rest(f"kernels/{kernel_id}/interrupt", "POST")
    else:
        await client.send("interrupt_request", channel="control")
        await kernel.until("interrupt_request")
    end(kernel, request)
    await client.until(lambda message: message.state == "idle" and message.parent_id == request.message["header"]["msg_id"])
    shown = texts(client)
    left_out = [(int(messages), int(size)) for messages, size in re.findall(r"(\d+) messages with (\d+) bytes", shown)]
    assert "interrupt_backlog_limit" in shown
    assert sum(messages for messages, _ in left_out) + shown.count(LINE) == 2 * LINES
    assert sum(size for _, size in left_out) == sum(messages for messages, _ in left_out) * (len(LINE) + 1)
    assert {"display_data", "error"} <= {message.msg_type for message in client.messages}


async def test_the_old_way_is_a_trait_away(server: Server, fake: tuple[str, FakeKernel]) -> None:
    kernel_id, kernel = fake
    limits = {"iopub_data_rate_limit": 1e6, "rate_limit_window": 0.05, "interrupt_backlog_limit": 0}
    with server.configured(**{BRIDGE: limits}):
        client = await server.live(kernel_id)
    request = await running(server, kernel_id, kernel, client)
    await server.rest(f"kernels/{kernel_id}/interrupt", "POST")
    end(kernel, request)
    await client.until(lambda message: message.state == "idle" and message.parent_id == request.message["header"]["msg_id"])
    assert texts(client) == 2 * LINES * LINE
