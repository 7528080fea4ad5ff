"""A real Jupyter server with the limits that users have, and the processes of its kernels.

What it does: starts bench's server with every trait at its default except those it is given, and finds a kernel's process.
What it must not do: differ between stock and kernelws in anything but the class and the traits that only kernelws has.
Strategy: `bench.server.Server` does all but the command line, where bench raises the rate limits and this does not.
Cost: two seconds a start.
"""

from __future__ import annotations

import contextlib
import dataclasses
import secrets
import socket
import subprocess
import sys
import time
from pathlib import Path

from bench.machine import cores, on_core
from bench.server import KERNELWS, OTHER_EXTENSIONS, ROOT, Server

APPEAR_SECONDS = 60.0


class PlainServer(Server):
    """A server whose command line holds no limits; subclasses choose the application."""

    module = "jupyter_server"
    pinned = True
    """Whether the server and its kernels share one core, so that whoever measures has the other."""

    def extensions(self) -> dict[str, bool]:
        """Which server extensions are on."""
        return {**dict.fromkeys(OTHER_EXTENSIONS, False), "kernelws": self.name == KERNELWS}

    def _start(self, extra: tuple[str, ...]) -> subprocess.Popen[bytes]:
        self.address = dataclasses.replace(self.address, port=_port_for_itself())
        command = [
            *(sys.executable, "-m", self.module, "--allow-root"),
            *("--ServerApp.ip=127.0.0.1", f"--ServerApp.port={self.address.port}"),
            *("--ServerApp.port_retries=0", "--ServerApp.open_browser=False"),
            *(f"--IdentityProvider.token={self.address.token}", f"--ServerApp.root_dir={self.home}"),
            f"--ServerApp.jpserver_extensions={self.extensions()}",
            *extra,
        ]
        with on_core(cores()[0]) if self.pinned else contextlib.nullcontext():
            # A session of its own: ctrl-C reaches this program, which then ends the server.
            return subprocess.Popen(
                command,
                env=self._environment(),
                cwd=self.home,
                stdout=self._log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )


def _port_for_itself() -> int:
    """A free port below those that the system gives to kernels, which come and go while a server starts."""
    while True:
        port = 20_000 + secrets.randbelow(10_000)
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


class ChaosServer(PlainServer):
    """A server that also knows the kernelspec `chaos`."""

    def _write_kernelspecs(self) -> None:
        super()._write_kernelspecs()
        self._write_spec("chaos", "chaos.kernel", {"BENCH_CORE": str(cores()[1]), "PYTHONPATH": str(ROOT)})


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
