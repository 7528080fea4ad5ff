"""A Jupyter server as a process of its own, with kernelws enabled on the command line or by the installed file.

Starts ``jupyter server`` or a similar application, waits until it prints that it is running, and keeps all that it prints. It is
not ``kernelws.cli.child``, which blocks: a test awaits what this server prints while its clients in the same event loop go on.
Must not leave processes behind: ``stop`` kills what is left. Cost: two seconds a start.
"""

import os
import sys
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

from tests.support.client import Client
from tests.support.process import Process, listening
from tests.support.rest import rest
from tests.support.server import TOKEN

RUNNING = "is running at"
EXTENSIONS = '--ServerApp.jpserver_extensions={"kernelws": True, "jupyter_server_terminals": False, "jupyterlab": False}'


class ProcessServer(Process):
    """``url`` is where it listens, on a port of loopback if it has one; ``token`` lets a client in."""

    url = ""
    token = TOKEN

    @classmethod
    async def start(
        cls,
        folder: Path,
        environment: dict[str, str],
        *arguments: str,
        port: int = 0,
        module: str = "jupyter_server",
        extensions: str = EXTENSIONS,
    ) -> Self:
        """Starts a server on a port, or (port 0) where ``arguments`` say. Without ``extensions`` the installed ones count."""
        server = await cls.run(
            sys.executable,
            "-m",
            module,
            *([extensions] if extensions else []),
            f"--IdentityProvider.token={TOKEN}",
            f"--ServerApp.root_dir={folder}",
            "--ServerApp.port_retries=0",
            "--no-browser",
            "--allow-root",
            *([f"--ServerApp.port={port}"] if port else []),
            *arguments,
            env=os.environ | environment,
        )
        server.url = f"http://127.0.0.1:{port}"
        await server.until(RUNNING)
        if port:
            await listening(port)
        return server

    async def rest(self, path: str, method: str = "GET", body: Any = None) -> Any:
        """One call of the REST API; returns what it answers, as Python."""
        return await rest(f"{self.url}/api/{path}", method, body, token=self.token)

    def channels_url(self, kernel_id: str) -> str:
        return f"{self.url.replace('http', 'ws', 1)}/api/kernels/{kernel_id}/channels?token={quote(self.token)}"

    async def connect(self, kernel_id: str, protocol: str = "v1", session_id: str | None = None) -> Client:
        return await Client.open(self.channels_url(kernel_id), protocol, session_id)
