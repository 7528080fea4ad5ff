"""A real Jupyter server in the test's own process and event loop, with every log line kept.

Started once per module. A test changes the connection class or traits with the context managers here; a change applies to
connections that are opened within it. Must not touch the user's Jupyter files: ``environment`` sets all paths to a folder of the
test run. Cost: half a second a start.
"""

import contextlib
import copy
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jupyter_server.gateway.gateway_client import GatewayClient
from jupyter_server.serverapp import ServerApp
from tornado.httpclient import HTTPResponse
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from traitlets.config import Config

from tests.support import provisioner
from tests.support.client import Client
from tests.support.fake_kernel import FakeKernel, Plan
from tests.support.provisioner import FakeProvisioner
from tests.support.rest import fetch, rest
from tests.support.wait import TIMEOUT

MARKERS = 40
TOKEN = "a-token-that-must-not-be-logged"
QUICK: dict[str, Any] = {
    "ServerApp": {"jpserver_extensions": {"kernelws": True, "jupyter_server_terminals": False}, "allow_root": True},
    "IdentityProvider": {"token": TOKEN},
    # the server notices at once that a fake kernel has died
    "KernelRestarter": {"time_to_dead": 0.05, "random_ports_until_alive": False},
    "KernelManager": {"shutdown_wait_time": 5.0},
}


def environment(folder: Path) -> dict[str, str]:
    """Environment variables with which Jupyter programs see none of the user's files."""
    provisioner.install(folder / "data")
    return {
        "HOME": str(folder),
        "JUPYTER_NO_CONFIG": "1",
        "JUPYTER_PATH": str(folder / "data"),
        "JUPYTER_DATA_DIR": str(folder / "data"),
        "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
        "JUPYTER_PLATFORM_DIRS": "0",
        "IPYTHONDIR": str(folder / "ipython"),
    }


class Recorder(logging.Handler):
    """Keeps log records."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        record.message = self.format(record)
        self.records.append(record)


class Server:
    """See the head of the file."""

    def __init__(self, app: ServerApp, http: HTTPServer, url: str) -> None:
        self.app = app
        self.url = url
        self.log = Recorder()
        self._http = http
        self._clients: list[Client] = []

    @classmethod
    async def start(cls, root: Path, config: dict[str, Any] | None = None, socket: Any = None) -> "Server":
        """Starts a server as ``QUICK`` and ``config`` say, on a free port or a listening socket."""
        ServerApp.clear_instance()
        GatewayClient.clear_instance()
        merged = Config(copy.deepcopy(QUICK))
        merged.merge(Config(copy.deepcopy(config or {})))
        app = ServerApp.instance(config=merged, log_level="DEBUG", open_browser=False, root_dir=str(root))
        app.init_signal = lambda: None  # type: ignore[method-assign]
        app.log.handlers[:] = []
        recorder = Recorder()
        app.log.addHandler(recorder)
        app.initialize(argv=[], new_httpserver=False)
        app.log.handlers[:] = [recorder]
        app.log.propagate = False
        app.start_app()
        http = HTTPServer(app.web_app)
        sockets = [socket] if socket else bind_sockets(0, "127.0.0.1")
        http.add_sockets(sockets)
        port = "localhost" if socket else f"127.0.0.1:{sockets[0].getsockname()[1]}"
        server = cls(app, http, f"http://{port}")
        server.log = recorder
        logging.getLogger("asyncio").addHandler(recorder)
        return server

    async def stop(self) -> None:
        """Stops the server as it stops itself, and closes everything."""
        await self.close_clients()
        await self.app._cleanup()
        self._http.stop()
        await self._http.close_all_connections()
        self.app.kernel_manager.context.destroy()
        logging.getLogger("asyncio").removeHandler(self.log)
        ServerApp.clear_instance()
        GatewayClient.clear_instance()

    # what it is asked

    @property
    def kernels(self) -> Any:
        """The multi kernel manager."""
        return self.app.kernel_manager

    @property
    def connection_class_in_use(self) -> Any:
        return self.app.web_app.settings["kernel_websocket_connection_class"]

    async def rest(self, path: str, method: str = "GET", body: Any = None) -> Any:
        """One call of the REST API; returns what it answers, as Python."""
        return await rest(f"{self.url}/api/{path}", method, body, token=TOKEN)

    async def fetch(self, path: str, method: str = "GET", body: Any = None) -> HTTPResponse:
        return await fetch(f"{self.url}/api/{path}", method, body, token=TOKEN)

    async def start_kernel(self, name: str = "python3", **options: Any) -> str:
        """Starts a kernel and returns its id."""
        kernel_id: str = await self.kernels.start_kernel(kernel_name=name, **options)
        return kernel_id

    async def start_fake(self, plan: Plan | None = None, **options: Any) -> tuple[str, FakeKernel]:
        """Starts a fake kernel; returns its id and the kernel's end of the sockets, the server having subscribed."""
        FakeProvisioner.plan = plan or Plan()
        kernel_id = await self.start_kernel(provisioner.NAME, **options)
        kernel = self.fake(kernel_id)
        await kernel.changes.until(lambda: kernel.subscriptions, what="the server's subscription")
        return kernel_id, kernel

    def fake(self, kernel_id: str) -> FakeKernel:
        """The present incarnation of a fake kernel."""
        return FakeProvisioner.started[kernel_id].incarnations[-1]

    def channels_url(self, kernel_id: str, prefix: str = "") -> str:
        return f"{self.url.replace('http', 'ws', 1)}{prefix}/api/kernels/{kernel_id}/channels?token={TOKEN}"

    def route(self, prefix: str, handler: type) -> None:
        """Kernel WebSockets under this prefix have a handler of another class, as Voila's have."""
        self.app.web_app.add_handlers(".*$", [(rf"{prefix}/api/kernels/([\w-]+)/channels", handler)])

    async def connect(
        self, kernel_id: str, protocol: str = "v1", session_id: str | None = None, prefix: str = "", **options: Any
    ) -> Client:
        """A client of a kernel; it is closed after the test."""
        client = await Client.open(self.channels_url(kernel_id, prefix), protocol, session_id, **options)
        self._clients.append(client)
        return client

    def connection(self, kernel_id: str, client: Client) -> Any:
        """The server's end of a client's WebSocket."""
        sessions = self.connection_class_in_use._open_sessions
        return sessions[f"{kernel_id}:{client.session_id}"].connection

    async def live(self, kernel_id: str, protocol: str = "v1", session_id: str | None = None, **options: Any) -> Client:
        """A client whose messages flow both ways already: a marker came through, and all sockets reached the kernel."""
        client = await self.connect(kernel_id, protocol, session_id, **options)
        await self._greet(kernel_id, client)
        for _ in range(MARKERS):  # the stock class loses the first ones
            self.fake(kernel_id).publish("marker")
            with contextlib.suppress(TimeoutError):
                await client.until("marker", TIMEOUT / MARKERS)
                return client
        raise TimeoutError("no message of the kernel reaches the client")

    async def _greet(self, kernel_id: str, client: Client) -> None:
        """Waits until the kernel has a message from each socket: before that its ROUTER would drop messages to the client."""
        kernel = self.fake(kernel_id)
        hello = [await client.send("hello", channel=channel) for channel in ("shell", "control", "stdin")]
        ids = {message["header"]["msg_id"] for message in hello}

        def heard() -> bool:
            return ids <= {request.message["header"]["msg_id"] for request in kernel.received}

        await kernel.changes.until(heard, what="hello on three channels at the kernel")
        kernel.received[:] = [request for request in kernel.received if request.message["header"]["msg_id"] not in ids]

    # what a test sets for a while

    @contextmanager
    def connection_class(self, cls: type) -> Iterator[None]:
        """New connections are of this class."""
        settings = self.app.web_app.settings
        before = settings["kernel_websocket_connection_class"]
        settings["kernel_websocket_connection_class"] = cls
        try:
            yield
        finally:
            settings["kernel_websocket_connection_class"] = before

    @contextmanager
    def configured(self, **sections: dict[str, Any]) -> Iterator[None]:
        """New connections see these configuration sections too."""
        settings = self.app.web_app.settings
        before = settings["config"]
        settings["config"] = merged = copy.deepcopy(before)
        merged.merge(Config(sections))
        try:
            yield
        finally:
            settings["config"] = before

    @contextmanager
    def kernels_with(self, **traits: Any) -> Iterator[None]:
        """Traits of the multi kernel manager."""
        before = {name: getattr(self.kernels, name) for name in traits}
        for name, value in traits.items():
            setattr(self.kernels, name, value)
        try:
            yield
        finally:
            for name, value in before.items():
                setattr(self.kernels, name, value)

    async def close_clients(self) -> None:
        """Closes what tests have left open."""
        clients, self._clients = self._clients, []
        for client in clients:
            if not client.closed:
                await client.close()

    # what it has logged

    @contextmanager
    def logged(self) -> Iterator[list[str]]:
        """The lines that are logged inside, in full with tracebacks, as a list that is filled on leaving."""
        start, lines = len(self.log.records), list[str]()
        yield lines
        lines.extend(record.message for record in self.log.records[start:])

    def complaints(self, since: int = 0) -> list[logging.LogRecord]:
        """Records at warning and above, without asyncio's own about slow callbacks."""
        return [
            record
            for record in self.log.records[since:]
            if record.levelno >= logging.WARNING and not record.message.startswith("Executing ")
        ]


def descriptors() -> int:
    """Open descriptors of this process."""
    return len(list(Path("/proc/self/fd").iterdir()))
