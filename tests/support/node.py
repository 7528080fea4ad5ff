"""Programs of ``tests/js`` under Node, with the packages of its lock, which are installed once into ``.cache/node``.

Must not look into what a program prints: each line is an event in JSON, and a test knows what it waits for.
Cost: half a minute for the packages the first time; half a second a program.
"""

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any

from tests.support.wait import TIMEOUT, Changes

SOURCE = Path(__file__).parent.parent / "js"
CACHE = SOURCE.parent.parent / ".cache" / "node"
INSTALLING = 180.0
"""Seconds that npm may take."""


def available() -> bool:
    """Whether this machine has node and npm."""
    return bool(shutil.which("node") and shutil.which("npm"))


async def packages() -> Path:
    """The folder in which the packages of the lock are installed."""
    CACHE.mkdir(parents=True, exist_ok=True)
    lock = (SOURCE / "package-lock.json").read_text()
    stamp = CACHE / "installed"
    if not stamp.exists() or stamp.read_text() != lock:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(SOURCE / name, CACHE / name)
        npm = await asyncio.create_subprocess_exec("npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts", cwd=CACHE)
        async with asyncio.timeout(INSTALLING):
            assert await npm.wait() == 0, "npm could not install the packages of tests/js/package-lock.json"
        stamp.write_text(lock)
    return CACHE


class NodeClient:
    """A running program; ``events`` is what it has printed."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.events: list[dict[str, Any]] = []
        self.changes = Changes()
        self.reading = asyncio.ensure_future(self._read())

    @classmethod
    async def start(cls, folder: Path, script: str, *arguments: str) -> "NodeClient":
        """Runs a script of ``tests/js`` where its packages are."""
        for program in SOURCE.glob("*.js"):
            shutil.copy(program, folder / program.name)
        process = await asyncio.create_subprocess_exec(
            "node", str(folder / script), *arguments, stdout=asyncio.subprocess.PIPE, limit=1 << 24
        )
        return cls(process)

    async def _read(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            self.events.append(json.loads(line))
            self.changes.notify()
        self.changes.notify()

    async def until(self, **event: Any) -> dict[str, Any]:
        """The first event with these fields. Raises RuntimeError if the program ends without."""

        def seen() -> dict[str, Any] | None:
            for one in self.events:
                if event.items() <= one.items():
                    return one
            if self.reading.done():
                raise RuntimeError(f"no {event}, and the program ended; there are {self.events}")
            return None

        return await self.changes.until(seen, 2 * TIMEOUT, what=f"{event}; there are {self.events}")

    async def finished(self) -> list[dict[str, Any]]:
        """All that it has printed, once it has ended."""
        async with asyncio.timeout(3 * TIMEOUT):
            await self.reading
            await self.process.wait()
        return self.events

    def kill(self) -> None:
        if self.process.returncode is None:
            self.process.kill()
