"""A program that a test starts as a process of its own. All that it prints is kept, and it is ended for certain.

Must not know what the program is, or leave it running: ``stop`` kills it if it still runs, and if it leads a process group, also
the programs that it has started. Cost: that of the program.
"""

import asyncio
import contextlib
import os
import signal
import socket
from pathlib import Path
from typing import Self

from tests.support.wait import TIMEOUT, Changes, eventually


class Process:
    """``output`` is what the program has printed, both streams."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.output = ""
        self.changes = Changes()
        self._reading = asyncio.ensure_future(self._read())

    @classmethod
    async def run(cls, *command: str | Path, env: dict[str, str] | None = None, cwd: Path | None = None) -> Self:
        """Starts a program, in a process group of its own."""
        process = await asyncio.create_subprocess_exec(
            *command,
            env=env,
            cwd=cwd,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
            limit=1 << 24,  # the longest line, in bytes
        )
        return cls(process)

    async def _read(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            self.output += line.decode(errors="replace")
            self.changes.notify()
        self.changes.notify()

    async def until(self, text: str, times: int = 1) -> None:
        """Waits until the output has the text so many times. Raises RuntimeError if the program ends first, or TimeoutError."""

        def said() -> bool:
            if self.output.count(text) >= times:
                return True
            if self._reading.done():
                raise RuntimeError(f"{text!r} was never said, and the program ended:\n{self.output}")
            return False

        await self.changes.until(said, 3 * TIMEOUT, f"{text!r} in:\n{self.output}")

    async def end(self, signum: int = signal.SIGTERM) -> int:
        """Sends a signal and waits for the end; returns the exit code."""
        self.process.send_signal(signum)
        return await self.wait()

    async def wait(self) -> int:
        try:
            async with asyncio.timeout(2 * TIMEOUT):
                code = await self.process.wait()
                await self._reading
        except TimeoutError:
            raise TimeoutError(f"the program has not ended; its output:\n{self.output}") from None
        return code

    async def finish(self) -> None:
        """Sends SIGTERM to the program if it runs, waits, and kills what is left."""
        try:
            if self.process.returncode is None:
                await self.end()
        finally:
            await self.stop()

    async def stop(self) -> None:
        """Kills the program, and what it has started in its group, if they still run."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        await self.wait()


def is_alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def working_in(folder: Path) -> list[int]:
    """The processes whose working directory lies in a folder."""
    found = []
    for link in Path("/proc").glob("[0-9]*/cwd"):
        with contextlib.suppress(OSError):  # it ended meanwhile
            if link.readlink().is_relative_to(folder):
                found.append(int(link.parent.name))
    return found


async def listening(port: int) -> None:
    """Waits until a program listens on this port of loopback: programs print that a moment too early."""

    def listens() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    await eventually(listens, f"somebody who listens on port {port}", 3 * TIMEOUT)
