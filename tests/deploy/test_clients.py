"""JupyterLab 4 and Notebook 7 as they are installed, and the client libraries that programs use: docs/deploy/jupyterlab.md.

Each library does everything that a notebook does. Its connection is cut during a flood, and it reconnects as it always does.
"""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from kernelws.cli.child import free_port
from tests.deploy.conftest import Keep
from tests.deploy.everything import STEPS, assert_everything, with_kernel_client
from tests.deploy.flood import Flood
from tests.support.node import NodeClient
from tests.support.process_server import ProcessServer
from tests.support.server import TOKEN
from tools.chaos.proxy import Proxy

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["jupyterlab", "notebook"])
async def application(request: pytest.FixtureRequest, installation: dict[str, str], root: Path, keep: Keep) -> ProcessServer:
    """The application, started as a person does, with what the wheel has enabled."""
    server = await ProcessServer.start(root, installation, port=free_port(), module=request.param, extensions="")
    keep(server)
    return server


@pytest.fixture
def proxy(application: ProcessServer) -> Iterator[Proxy]:
    """The network between a client and the server."""
    with Proxy(int(application.url.rpartition(":")[2])) as proxy:
        yield proxy


async def test_the_installed_extension_is_active(application: ProcessServer) -> None:
    """Nothing but the installation has enabled it, and its pages are served beside it."""
    assert "is active on kernel connections (kernelws.connection.ZMQChannelsWebsocketConnection)" in application.output
    assert "kernel_websocket_connection_class" not in application.output
    status = await application.rest("status")
    assert status["kernels"] == 0


async def test_jupyter_kernel_client(application: ProcessServer, proxy: Proxy, tmp_path: Path) -> None:
    """Its channels go on after a cut: ``reconnect_interval`` lets it connect again, with the session id it had.

    It speaks the legacy subprotocol unless told otherwise; in its v1 a KeyError of its own meets every message (1.0.2).
    """
    kernel_id = (await application.rest("kernels", "POST"))["id"]
    flood, flooding = Flood(tmp_path), asyncio.Event()
    loop = asyncio.get_running_loop()

    def on_flooding() -> None:
        loop.call_soon_threadsafe(flooding.set)

    url = f"http://127.0.0.1:{proxy.port}"
    work = asyncio.ensure_future(asyncio.to_thread(with_kernel_client, url, TOKEN, kernel_id, flood.code, on_flooding))
    begun = asyncio.ensure_future(flooding.wait())
    await asyncio.wait({work, begun}, return_when=asyncio.FIRST_COMPLETED)
    begun.cancel()
    proxy.stall(True)
    await flood.go_on()
    proxy.reset()
    flood.enough()
    assert_everything(await work)
    await application.rest(f"kernels/{kernel_id}", "DELETE")


async def test_jupyterlab_services(application: ProcessServer, proxy: Proxy, node_folder: Path, tmp_path: Path) -> None:
    """JupyterLab's own client."""
    kernel_id = (await application.rest("kernels", "POST"))["id"]
    flood = Flood(tmp_path)
    steps = json.dumps({**STEPS, "flood": flood.code})
    client = await NodeClient.start(node_folder, "everything.js", f"http://127.0.0.1:{proxy.port}/", TOKEN, kernel_id, steps)
    try:
        await client.until(event="flooding")
        proxy.stall(True)
        await flood.go_on()
        proxy.reset()
        flood.enough()
        events = await client.finished()
    finally:
        client.kill()
    assert_everything({event.pop("event"): event for event in events if event["event"] != "connection"})
    await application.rest(f"kernels/{kernel_id}", "DELETE")
