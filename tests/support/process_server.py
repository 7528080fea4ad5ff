"""A Jupyter server as a process of its own, for what ends a process: signals, shutdown, a socket file.

Starts ``jupyter server`` with kernelws by configuration, waits until it says that it runs, and keeps all it prints.
Must not leave processes behind: ``stop`` kills what is left. Cost: two seconds a start.
"""

import asyncio
import os
import signal
import sys
from pathlib import Path

from tests.support.client import Client
from tests.support.server import TOKEN
from tests.support.wait import LOOK, TIMEOUT

RUNNING = "is running at"
EXTENSIONS = '{"kernelws": True, "jupyter_server_terminals": False, "jupyterlab": False}'


class ProcessServer:
    """``output`` is what the server has printed, both streams."""

    def __init__(self, process: asyncio.subprocess.Process, url: str) -> None:
        self.process = process
        self.url = url
        self.output = ""
        self._reading = asyncio.ensure_future(self._read())
        self._running: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @classmethod
    async def start(cls, folder: Path, environment: dict[str, str], *arguments: str, port: int = 0) -> "ProcessServer":
        """Starts a server on a port, or (port 0) where ``arguments`` say."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "jupyter_server",
            f"--ServerApp.jpserver_extensions={EXTENSIONS}",
            f"--IdentityProvider.token={TOKEN}",
            f"--ServerApp.root_dir={folder}",
            "--ServerApp.port_retries=0",
            "--no-browser",
            "--allow-root",
            *([f"--ServerApp.port={port}"] if port else []),
            *arguments,
            env=os.environ | environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        server = cls(process, f"http://127.0.0.1:{port}")
        async with asyncio.timeout(2 * TIMEOUT):
            await server._running
            while port and not await server._listens(port):  # noqa: ASYNC110 - it says so a moment before it does
                await asyncio.sleep(LOOK)
        return server

    async def _listens(self, port: int) -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except ConnectionRefusedError:
            return False
        writer.close()
        await writer.wait_closed()
        return True

    async def _read(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            self.output += line.decode(errors="replace")
            if RUNNING in self.output and not self._running.done():
                self._running.set_result(None)
        if not self._running.done():
            self._running.set_exception(RuntimeError(f"the server ended:\n{self.output}"))

    def channels_url(self, kernel_id: str) -> str:
        return f"{self.url.replace('http', 'ws', 1)}/api/kernels/{kernel_id}/channels?token={TOKEN}"

    async def connect(self, kernel_id: str, protocol: str) -> Client:
        return await Client.open(self.channels_url(kernel_id), protocol)

    async def end(self, signum: int) -> int:
        """Sends a signal and waits for the end; returns the exit code."""
        self.process.send_signal(signum)
        return await self.wait()

    async def wait(self) -> int:
        async with asyncio.timeout(2 * TIMEOUT):
            code = await self.process.wait()
            await self._reading
        return code

    async def stop(self) -> None:
        if self.process.returncode is None:
            await self.end(signal.SIGKILL)
