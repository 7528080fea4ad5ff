"""Jupyter Kernel Gateway with the class by configuration, and a server in front of it: docs/deploy/kernel-gateway.md.

The gateway has its own, stock kernel manager and no extensions.
"""

import contextlib
import os
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from tornado.websocket import WebSocketClosedError

from kernelws.cli.child import free_port
from tests.deploy.conftest import Keep
from tests.deploy.flood import Flood, arrived, assert_complete
from tests.deploy.pages import block
from tests.support.cells import COMM, WAIT
from tests.support.client import results
from tests.support.process import listening
from tests.support.process_server import ProcessServer
from tools.chaos.proxy import Proxy

pytestmark = pytest.mark.asyncio(loop_scope="module")

ACTIVE = "is active on kernel connections (kernelws.connection.ZMQChannelsWebsocketConnection)"
STOCK_MANAGER = "kernel manager kernel_gateway.services.kernels.manager.SeedingMappingKernelManager"
ITS_TOKEN = "a token of your own"
LARGEST = 1_000_000


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(tmp_path_factory: pytest.TempPathFactory, installation: dict[str, str], keep: Keep) -> ProcessServer:
    """The gateway, from the page's own configuration."""
    port, folder = free_port(), tmp_path_factory.mktemp("gateway")
    config = folder / "jupyter_kernel_gateway_config.py"
    text = block("kernel-gateway.md", "python", {"8889": str(port)})
    config.write_text(f"{text}\nc.ZMQChannelsWebsocketConnection.max_message_size = {LARGEST}\n")
    options = ("--KernelGatewayApp.port_retries=0",)
    gateway = await ProcessServer.run(
        *(sys.executable, "-m", "kernel_gateway", f"--config={config}", *options), env=os.environ | installation, cwd=folder
    )
    keep(gateway)
    gateway.url, gateway.token = f"http://127.0.0.1:{port}", ITS_TOKEN
    await gateway.until("is available at")
    await listening(port)
    return gateway


@pytest.fixture(scope="module")
def between(gateway: ProcessServer) -> Iterator[Proxy]:
    """The network between the server in front and the gateway."""
    with Proxy(int(gateway.url.rpartition(":")[2])) as proxy:
        yield proxy


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def front(between: Proxy, installation: dict[str, str], root: Path) -> AsyncIterator[ProcessServer]:
    """A JupyterLab with ``--gateway-url``; it ends while there still is a network to the gateway."""
    options = (f"--gateway-url=http://127.0.0.1:{between.port}", f"--GatewayClient.auth_token={ITS_TOKEN}")
    port = free_port()
    server = await ProcessServer.start(root, installation, *options, port=port, module="jupyterlab", extensions="")
    yield server
    await server.finish()


async def test_a_client_of_the_gateway(gateway: ProcessServer) -> None:
    """Everything a notebook does, in v1, on the stock manager of the gateway; the log says what is active."""
    kernel_id = (await gateway.rest("kernels", "POST"))["id"]
    client = await gateway.connect(kernel_id)
    assert ACTIVE in gateway.output
    assert STOCK_MANAGER in gateway.output
    assert results(await client.run("6 * 7")) == ["42"]
    assert any(m.buffers == [bytes(range(256)), b""] for m in await client.run(COMM) if m.msg_type == "comm_open")
    request = await client.execute("print(input('name? ') + '!')", allow_stdin=True)
    await client.until("input_request")
    await client.send("input_reply", {"value": "é"}, "stdin")
    await client.idle(request)
    assert client.text(request) == "é!\n"
    busy = await client.execute(WAIT)
    await client.until(lambda m: m.msg_type == "stream" and m.parent_id == busy["header"]["msg_id"])
    await gateway.rest(f"kernels/{kernel_id}/interrupt", "POST")
    assert any(m.msg_type == "error" and m.content["ename"] == "KeyboardInterrupt" for m in await client.idle(busy))
    await client.run("before = 1")
    await gateway.rest(f"kernels/{kernel_id}/restart", "POST")
    assert results(await client.run("'before' in globals()")) == ["False"]
    await client.close()
    await gateway.rest(f"kernels/{kernel_id}", "DELETE")


async def test_traits_are_the_gateways_configuration(gateway: ProcessServer) -> None:
    """Under the name of the class, as in a Jupyter server."""
    kernel_id = (await gateway.rest("kernels", "POST"))["id"]
    client = await gateway.connect(kernel_id)
    with contextlib.suppress(WebSocketClosedError):  # the reason may arrive before all is sent
        await client.execute("x" * LARGEST)
    code, reason = await client.until_closed()
    assert code == 1009
    assert reason is not None
    assert "max_message_size" in reason
    await gateway.rest(f"kernels/{kernel_id}", "DELETE")


async def test_a_client_of_the_gateway_resumes(gateway: ProcessServer, tmp_path: Path) -> None:
    """A flood, a client that goes without a word, the same session again."""
    kernel_id = (await gateway.rest("kernels", "POST"))["id"]
    client = await gateway.connect(kernel_id)
    flood = Flood(tmp_path)
    request = await flood.begin(client)
    await flood.cut(client)
    flood.enough()
    again = await gateway.connect(kernel_id, session_id=client.session_id)
    await again.idle(request, 60)
    assert_complete(arrived(request, client, again))
    await again.close()
    await gateway.rest(f"kernels/{kernel_id}", "DELETE")


async def test_a_server_in_front_of_the_gateway(
    gateway: ProcessServer, front: ProcessServer, between: Proxy, tmp_path: Path
) -> None:
    """kernelws is inactive in that server. The network to the gateway is cut in a flood; after a reconnect no line is missing."""
    assert "is not active: this server is in gateway mode" in front.output
    kernel_id = (await front.rest("kernels", "POST"))["id"]
    client = await front.connect(kernel_id, "legacy")
    assert results(await client.run("6 * 7")) == ["42"]
    flood = Flood(tmp_path)
    request = await flood.begin(client)
    between.stall(True)
    await flood.go_on()
    between.reset()
    await front.until("Attempting to re-establish the connection to Gateway")
    flood.enough()
    await client.idle(request, 60)
    assert_complete(arrived(request, client))
    await client.close()
    await front.rest(f"kernels/{kernel_id}", "DELETE")


async def test_a_client_of_the_server_in_front_comes_back(front: ProcessServer, tmp_path: Path) -> None:
    """The gateway's session has the client's session id: output waits at the gateway while the client is disconnected."""
    kernel_id = (await front.rest("kernels", "POST"))["id"]
    client = await front.connect(kernel_id, "legacy")
    await client.run("1")
    go = tmp_path / "go"
    wait = f"while not pathlib.Path({str(go)!r}).exists(): time.sleep(0.01)"
    request = await client.execute(f"import pathlib, time\n{wait}\nprint('late')")
    await client.until(lambda m: m.msg_type == "execute_input" and m.parent_id == request["header"]["msg_id"])
    await client.close()
    go.touch()
    again = await front.connect(kernel_id, "legacy", client.session_id)
    await again.idle(request)
    assert again.text(request) == "late\n"
    await again.close()
    await front.rest(f"kernels/{kernel_id}", "DELETE")
