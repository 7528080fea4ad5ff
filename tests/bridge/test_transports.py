"""Kernels on other transports (CURVE, ipc), and a server on a Unix socket.

The connection always gets its sockets from the kernel manager, so every transport of the manager works.
"""

import socket
from pathlib import Path
from typing import Any

import pytest
from tornado.netutil import Resolver

from tests.support.client import Client
from tests.support.server import TOKEN, Server

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def works(client: Client) -> None:
    """A cell with output, an error and a reply; control too."""
    messages = await client.run("print('over here'); 1 / 0")
    states = [message.state or message.msg_type for message in messages]
    assert sorted(states) == ["busy", "error", "execute_input", "execute_reply", "idle", "stream"]
    info = await client.send("kernel_info_request", channel="control")
    await client.until(lambda m: m.parent_id == info["header"]["msg_id"] and m.channel == "control")


async def test_curve(server: Server, protocol: str) -> None:
    """``MappingKernelManager.transport_encryption = "required"``: all four sockets are encrypted, feed and probes too."""
    if not hasattr(server.kernels, "transport_encryption"):
        pytest.skip("this jupyter_server has no MappingKernelManager.transport_encryption (it came with 2.20)")
    with server.kernels_with(transport_encryption="required"):
        kernel_id = await server.start_kernel()
    manager = server.kernels.get_kernel(kernel_id)
    assert manager.curve_publickey
    client = await server.connect(kernel_id, protocol)
    await works(client)
    await server.rest(f"kernels/{kernel_id}/restart", "POST")
    await works(client)
    await client.close()
    await server.kernels.shutdown_kernel(kernel_id, now=True)


async def test_ipc(server: Server, protocol: str, tmp_path: Path) -> None:
    """Kernels on ipc sockets."""
    config = server.kernels.config.KernelManager
    before = dict(config)
    config.update({"transport": "ipc", "ip": str(tmp_path / "k")})
    try:
        kernel_id = await server.start_kernel()
    finally:
        config.clear()
        config.update(before)
    assert server.kernels.get_kernel(kernel_id).transport == "ipc"
    client = await server.connect(kernel_id, protocol)
    await works(client)
    await client.close()
    await server.kernels.shutdown_kernel(kernel_id, now=True)


class ToSocketFile(Resolver):
    """Resolves every name to one Unix socket, as tornado's own client has no address for those."""

    path = ""

    def initialize(self) -> None:
        """Nothing to set up."""

    async def resolve(self, host: str, port: int, family: Any = socket.AF_UNSPEC) -> list[tuple[int, Any]]:
        return [(socket.AF_UNIX, self.path)]


async def test_a_server_on_a_unix_socket(server: Server, kernel_id: str, protocol: str, tmp_path: Path) -> None:
    """There is no TCP_NODELAY on a Unix socket, and nobody misses it."""
    path = str(tmp_path / "s")
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(path)
    listening.listen()
    listening.setblocking(False)
    server._http.add_sockets([listening])
    resolver = ToSocketFile()
    resolver.path = path
    url = f"ws://localhost/api/kernels/{kernel_id}/channels?token={TOKEN}"
    client = await Client.open(url, protocol, resolver=resolver)
    server._clients.append(client)
    await works(client)
    assert client.tcp.socket.family == socket.AF_UNIX
