"""Jupyter servers with default rate limits, and the processes of their kernels.

`PlainServer` is bench's `Server` without its raised rate limits. Servers of the two classes must differ only in the class and in
traits that only kernelws has. Cost: two seconds a start.
"""

from __future__ import annotations

import time
from pathlib import Path

from kernelws.cli.bench.server import Server

ROOT = Path(__file__).resolve().parents[2]
APPEAR_SECONDS = 60.0


class PlainServer(Server):
    """A server whose command line sets no limits; subclasses choose the application."""

    limits = ()

    def set_config(self, text: str) -> None:
        """Sets Python code that the server runs when it starts. Must be called before entering the context."""
        folder = self.home / "config"
        folder.mkdir(exist_ok=True)
        # A file of this name is read in addition to the one on the command line
        (folder / "jupyter_config.py").write_text(text)


class ChaosServer(PlainServer):
    """A server that also knows the kernelspec `chaos`."""

    def _write_kernelspecs(self) -> None:
        super()._write_kernelspecs()
        self._write_spec("chaos", "tools.chaos.kernel", {"PYTHONPATH": str(ROOT)})


def kernel_process(kernel_id: str, other_than: int = 0) -> int:
    """The process id of a kernel. With `other_than`, waits for a new process. Raises TimeoutError."""
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
            continue  # the process has ended
    return found
