"""nginx with TLS before a server on a port and one on a Unix socket: docs/deploy/nginx.md, docs/deploy/unix-socket.md.

nginx is Debian's, with the configuration of the pages. To keep the tests short, the idle time-out is 3 s instead of 60, and
pings are sent every second instead of every 30. One nginx server has a time-out shorter than that second, and must cut idle
connections.
"""

import getpass
import shlex
import shutil
import signal
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from kernelws.cli.child import free_port
from tests.deploy.conftest import Keep
from tests.deploy.flood import Flood, arrived, assert_complete
from tests.deploy.pages import block
from tests.support.client import Client
from tests.support.process import Process, listening
from tests.support.process_server import ProcessServer
from tests.support.rest import rest
from tests.support.server import TOKEN
from tests.support.wait import Changes

pytestmark = pytest.mark.asyncio(loop_scope="module")

NGINX = shutil.which("nginx", path="/usr/sbin:/usr/bin")
TO_PORT = "proxy_pass http://127.0.0.1:8888;"
ENDED = "exited with code 0"
PINGS = 6
"""As many, a second apart, outlast the time-out of 3 s twice."""
MAIN = """
user {user};
worker_processes 1;
daemon off;
pid {folder}/nginx.pid;
error_log stderr notice;
worker_shutdown_timeout 1s;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    proxy_read_timeout 3s;
    {entrances}
}}
"""


class Entrance:
    """One way to a server through nginx: an address with TLS."""

    def __init__(self, certificate: Path, patience: str = "") -> None:
        self.port, self.certificate, self.patience = free_port(), certificate, patience
        self.to = ""

    def configuration(self) -> str:
        """The page's block for it, with the map of the first one only."""
        replaced = {
            "listen 443 ssl;": f"listen 127.0.0.1:{self.port} ssl; {self.patience}",
            "jupyter.example.org": "localhost",
            "/etc/nginx": str(self.certificate.parent),
            TO_PORT: self.to,
        }
        return block("nginx.md", "nginx", replaced)

    @property
    def options(self) -> dict[str, Any]:
        """tornado's, for the certificate."""
        return {"ca_certs": str(self.certificate)}

    async def start_kernel(self) -> str:
        url = f"https://localhost:{self.port}/api/kernels"
        return str((await rest(url, "POST", token=TOKEN, **self.options))["id"])

    async def connect(self, kernel_id: str, session_id: str | None = None) -> Client:
        url = f"wss://localhost:{self.port}/api/kernels/{kernel_id}/channels?token={TOKEN}"
        return await Client.open(url, "v1", session_id, http=self.options)


class Ways:
    """nginx, and its three entrances."""

    def __init__(self, certificate: Path) -> None:
        self.port = Entrance(certificate)
        self.impatient = Entrance(certificate, "proxy_read_timeout 700ms;")
        self.unix = Entrance(certificate)
        self.nginx: Process

    async def start(self, folder: Path) -> None:
        first, *others = (entrance.configuration() for entrance in (self.port, self.impatient, self.unix))
        entrances = first + "".join(text[text.index("server {") :] for text in others)
        (folder / "nginx.conf").write_text(MAIN.format(user=getpass.getuser(), folder=folder, entrances=entrances))
        assert NGINX is not None, "needs nginx (Debian: nginx)"
        self.nginx = await Process.run(NGINX, "-p", folder, "-c", folder / "nginx.conf")
        await listening(self.unix.port)

    async def reload(self) -> None:
        """What ``nginx -s reload`` does; returns when the old worker has ended, and its connections with it."""
        ended = self.nginx.output.count(ENDED)
        self.nginx.process.send_signal(signal.SIGHUP)
        await self.nginx.until(ENDED, ended + 1)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ways(
    tmp_path_factory: pytest.TempPathFactory, installation: dict[str, str], root: Path, keep: Keep
) -> AsyncIterator[Ways]:
    """The servers behind, nginx before them."""
    folder = tmp_path_factory.mktemp("nginx")
    command = block("nginx.md", "sh", {"sudo ": "", "jupyter.example.org": "localhost", "/etc/nginx": str(folder)})
    made = await Process.run(*shlex.split(command))
    assert await made.wait() == 0, made.output
    ways = Ways(folder / "jupyter.crt")
    config, port, sock = folder / "jupyter_server_config.py", free_port(), folder / "jupyter.sock"
    config.write_text(block("nginx.md", "python", {"8888": str(port)}) + "c.ServerApp.websocket_ping_interval = 1\n")
    start = partial(ProcessServer.start, root, installation, module="jupyterlab", extensions="")
    keep(await start(f"--config={config}", port=port))
    keep(await start(f"--ServerApp.sock={sock}", "--ServerApp.sock_mode=0600"))
    ways.port.to = ways.impatient.to = TO_PORT.replace("8888", str(port))
    ways.unix.to = block("unix-socket.md", "nginx", {"/run/user/1000/jupyter.sock": str(sock)})
    await ways.start(folder)
    yield ways
    await ways.nginx.finish()


async def test_an_idle_connection_outlives_the_time_out(ways: Ways) -> None:
    """Nothing but pings passes for twice the time-out, and the same WebSocket works."""
    client = await ways.port.connect(await ways.port.start_kernel())
    await client.run("1")
    await pings(client, PINGS)
    assert not client.closed
    assert await client.run("2")
    await client.close()


async def test_a_proxy_less_patient_than_the_pings_cuts(ways: Ways) -> None:
    """So that the test above means something; the session survives that too."""
    kernel_id = await ways.port.start_kernel()
    first = await ways.port.connect(kernel_id)
    await first.run("1")  # a kernel that has just been started would keep the handshake waiting
    client = await ways.impatient.connect(kernel_id)
    assert await client.until_closed() == (None, None)  # no close frame: it was cut
    again = await ways.port.connect(kernel_id, client.session_id)
    assert await again.run("1")
    await again.close()
    await first.close()


@pytest.mark.parametrize("way", ["port", "unix"])
async def test_a_reload_in_a_flood(ways: Ways, way: str, tmp_path: Path) -> None:
    """The old worker's connections end; the session that comes back through the new one misses nothing."""
    entrance: Entrance = getattr(ways, way)
    kernel_id = await entrance.start_kernel()
    client = await entrance.connect(kernel_id)
    flood = Flood(tmp_path)
    request = await flood.begin(client)
    await flood.unread(client)
    await ways.reload()
    await client.hang_up()
    flood.enough()
    again = await entrance.connect(kernel_id, client.session_id)
    await again.idle(request, 60)
    assert not [m for m in client.of(request) if m.state == "idle"], "the reload came after the flood"
    assert_complete(arrived(request, client, again))
    await again.close()


async def pings(client: Client, count: int) -> None:
    """So many pings have come from now on."""
    changes, seen = Changes(), list[bytes]()

    def on_ping(data: bytes) -> None:
        seen.append(data)
        changes.notify()

    assert client.websocket is not None
    client.websocket.on_ping = on_ping  # type: ignore[method-assign]
    await changes.until(lambda: len(seen) >= count, what=f"{count} pings")
