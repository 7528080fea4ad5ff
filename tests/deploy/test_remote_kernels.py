"""Kernels on another host, 40 ms away over a link that loses one packet in a hundred: docs/deploy/remote-kernels.md.

The host is a network namespace; the kernel is reached through jupyter_client's provisioner API.
"""

import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

import kernelws
from tests.deploy import elsewhere
from tests.deploy.far import FAR, interrupt_and_restart
from tests.deploy.flood import Flood, arrived, assert_complete
from tests.deploy.link import THERE, Link, not_possible
from tests.support.cells import COMM
from tests.support.client import results
from tests.support.server import Server

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.skipif(bool(not_possible()), reason=not_possible())]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def link() -> AsyncIterator[Link]:
    """The link, which has lost packets when the module is done."""
    link = await Link.up()
    yield link
    carried, lost = await link.down()
    assert 0 < lost < carried


@pytest_asyncio.fixture(loop_scope="module")
async def far(server: Server, link: Link, jupyter_folder: Path) -> AsyncIterator[str]:
    """A kernel on the other host: its id."""
    elsewhere.install_kernelspec(jupyter_folder / "data", link.namespace)
    kernel_id = await server.start_kernel(elsewhere.NAME)
    assert server.connection_class_in_use is kernelws.ZMQChannelsWebsocketConnection
    assert server.kernels.get_kernel(kernel_id).ip == THERE
    yield kernel_id
    await server.close_clients()
    await server.kernels.shutdown_kernel(kernel_id, now=True)


async def test_a_cell_and_its_outputs(server: Server, far: str, protocol: str) -> None:
    """Text, a result, an error, a megabyte of display."""
    client = await server.connect(far, protocol)
    request = await client.execute("print('over there'); display({'text/plain': 'x' * 1_000_000}, raw=True); 1 / 0")
    messages = await client.idle(request, FAR)
    assert client.text(request) == "over there\n"
    (shown,) = [m for m in messages if m.msg_type == "display_data"]
    assert len(shown.content["data"]["text/plain"]) == 1_000_000
    (error,) = [m for m in messages if m.msg_type == "error"]
    assert error.content["ename"] == "ZeroDivisionError"


async def test_comms_and_prompts(server: Server, far: str, protocol: str) -> None:
    """Buffers both ways, and stdin."""
    client = await server.connect(far, protocol)
    (opened,) = [m for m in await client.idle(await client.execute(COMM), FAR) if m.msg_type == "comm_open"]
    assert opened.buffers == [bytes(range(256)), b""]
    content = {"comm_id": opened.content["comm_id"], "data": {"n": 1}}
    request = await client.send("comm_msg", content, buffers=[b"\x00\x01\x02", b"x" * 100_000])
    answer = await client.until(lambda m: m.msg_type == "comm_msg" and m.parent_id == request["header"]["msg_id"], FAR)
    assert answer.buffers == [b"\x02\x01\x00", b"x" * 100_000]
    request = await client.execute("print(input('name? ') + '!')", allow_stdin=True)
    await client.until("input_request", FAR)
    await client.send("input_reply", {"value": "é"}, "stdin")
    await client.idle(request, FAR)
    assert client.text(request) == "é!\n"


async def test_interrupt_and_restart(server: Server, far: str, protocol: str) -> None:
    """Both by REST; the interrupt crosses the link as a message."""
    client = await server.connect(far, protocol)
    await interrupt_and_restart(server, client, far)


async def test_a_flood_and_a_client_that_comes_back(server: Server, far: str, protocol: str, tmp_path: Path) -> None:
    """Everything arrives: 2,000 lines a second, the client's connection cut in the middle."""
    client = await server.connect(far, protocol)
    flood = Flood(tmp_path, chunk=20, rest=5000)
    request = await flood.begin(client)
    await flood.cut(client)
    flood.enough()
    again = await server.connect(far, protocol, client.session_id)
    await again.idle(request, FAR)
    assert_complete(arrived(request, client, again))


async def test_a_kernel_that_dies_over_there(server: Server, far: str, protocol: str) -> None:
    """It is announced, started again, and works for the same client."""
    client = await server.connect(far, protocol)
    await client.idle(await client.execute("0"), FAR)
    await server.kernels.get_kernel(far).provisioner.send_signal(signal.SIGKILL)
    await client.until(lambda m: m.state == "restarting", FAR)
    again = await server.connect(far, protocol, client.session_id)
    messages = await again.idle(await again.execute("'alive'"), FAR)
    assert results(messages) == ["'alive'"]
