"""A real Jupyter server with the limits that users have, and the processes of its kernels.

What it does: starts bench's server with every trait at its default except those it is given, and finds a kernel's process.
What it must not do: differ between stock and kernelws in anything but the class and the traits that only kernelws has.
Strategy: `bench.server.Server` does all; bench raises the rate limits, and this does not.
Cost: two seconds a start.
"""

from __future__ import annotations

import time
from pathlib import Path

from kernelws.cli.bench.server import Server

ROOT = Path(__file__).resolve().parents[2]
APPEAR_SECONDS = 60.0


class PlainServer(Server):
    """A server whose command line holds no limits; subclasses choose the application."""

    limits = ()

    def set_config(self, text: str) -> None:
        """Python code for the server's start. Must be called before it is entered."""
        folder = self.home / "config"
        folder.mkdir(exist_ok=True)
        # The base name of Jupyter's configuration: it is read beside the file of the command line.
        (folder / "jupyter_config.py").write_text(text)


class ChaosServer(PlainServer):
    """A server that also knows the kernelspec `chaos`."""

    def _write_kernelspecs(self) -> None:
        super()._write_kernelspecs()
        self._write_spec("chaos", "tools.chaos.kernel", {"PYTHONPATH": str(ROOT)})


def kernel_process(kernel_id: str, other_than: int = 0) -> int:
    """The process id of a kernel, by its connection file; waits for a new incarnation when told the old one."""
    deadline = time.monotonic() + APPEAR_SECONDS
    while time.monotonic() < deadline:
        for pid in _running(f"kernel-{kernel_id}.json"):
            if pid != other_than:
                return pid
        time.sleep(0.05)
    raise TimeoutError(f"no process of kernel {kernel_id}")


def _running(needle: str) -> list[int]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if needle.encode() in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
        except OSError:
            continue  # it ended meanwhile
    return found
