"""Fixtures of the tests beside other products, which are collected only when ``make others`` asks for them.

Each test starts the server that it needs. The only server extensions there are kernelws and those that the test names. Must
not leave a program behind. Cost: two to four seconds a server.
"""

import json
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from kernelws.cli.child import free_port
from tests.support.client import Client
from tests.support.process import Process
from tests.support.process_server import ProcessServer

if "KERNELWS_OTHERS" not in os.environ:
    collect_ignore_glob = ["test_*.py"]

ACTIVE = "is active on kernel connections (kernelws.connection.ZMQChannelsWebsocketConnection)"

Start = Callable[..., Awaitable[ProcessServer]]


@pytest.fixture
def installation(jupyter_environment: dict[str, str], jupyter_folder: Path) -> dict[str, str]:
    """The environment of programs: scripts of this Python first, kernelspecs of its prefix too, and no file of the user's."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return jupyter_environment | {"PATH": path, "MPLCONFIGDIR": str(jupyter_folder / "matplotlib")}


@pytest.fixture
def root(jupyter_folder: Path) -> Path:
    """The folder that servers show."""
    return jupyter_folder / "root"


@pytest_asyncio.fixture
async def keep() -> AsyncIterator[Callable[[Process], None]]:
    """Takes programs that are ended after the test, the last one first."""
    kept: list[Process] = []
    yield kept.append
    for process in reversed(kept):
        await process.finish()


@pytest_asyncio.fixture
async def beside(installation: dict[str, str], root: Path, keep: Callable[[Process], None]) -> Start:
    """Starts a server with kernelws and these extensions; ``module`` and ``arguments`` are those of ``ProcessServer``."""

    async def start(*extensions: str, module: str = "jupyter_server", arguments: tuple[str, ...] = ()) -> ProcessServer:
        enabled = {name: name in ("kernelws", *extensions) for name in (*KNOWN, "kernelws", *extensions)}
        only = f"--ServerApp.jpserver_extensions={json.dumps(enabled).replace('true', 'True').replace('false', 'False')}"
        server = await ProcessServer.start(root, installation, *arguments, port=free_port(), module=module, extensions=only)
        keep(server)
        return server

    return start


async def new_client(server: ProcessServer, kernel: str = "python3", protocol: str = "v1") -> Client:
    """A client of a new kernel."""
    kernel_id = (await server.rest("kernels", "POST", {"name": kernel}))["id"]
    return await server.connect(kernel_id, protocol)


KNOWN = (
    "jupyter_lsp",
    "jupyter_resource_usage",
    "jupyter_server_documents",
    "jupyter_server_fileid",
    "jupyter_server_nbmodel",
    "jupyter_server_terminals",
    "jupyter_server_ydoc",
    "jupyterlab",
    "nbclassic",
    "notebook_shim",
    "panel.io.jupyter_server_extension",
    "voila.server_extension",
)
"""What the products enable when they are installed."""
