"""A real Jupyter server for one class, alone in its directories and on its core.

What it does: starts `jupyter_server` with the stock class or with kernelws, starts and ends kernels
over REST, and always ends the server with everything it started.
What it must not do: differ between the classes in anything but the class.
Strategy: own JUPYTER_* directories in a temporary folder, so nothing of the user's is read or written.
Cost: about two seconds a start.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from .machine import cores, cpu_seconds, on_core, wait_quiet

if TYPE_CHECKING:
    from types import TracebackType

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 60.0
STOP_SECONDS = 20.0
# Extensions that an environment may enable; they are off so that both servers do the same work.
OTHER_EXTENSIONS = (
    "jupyterlab",
    "jupyter_lsp",
    "jupyter_server_terminals",
    "notebook",
    "notebook_shim",
    "jupyter_server_documents",
    "nextgen_kernels_api",
)
# The limiter counts every message, and never limits.
LIMITS = (
    "--ZMQChannelsWebsocketConnection.iopub_msg_rate_limit=1e9",
    "--ZMQChannelsWebsocketConnection.iopub_data_rate_limit=1e12",
)
STOCK, KERNELWS = "stock", "kernelws"


@dataclass(frozen=True)
class Address:
    """All that a client needs to know of a server."""

    port: int
    token: str


class Server:
    """A running server; a context manager that leaves no process behind."""

    def __init__(self, name: str, extra: tuple[str, ...] = ()) -> None:
        self.name = name
        self._folder = tempfile.TemporaryDirectory(prefix=f"bench-{name}-", ignore_cleanup_errors=True)
        self.home = Path(self._folder.name)
        self.address = Address(_free_port(), secrets.token_hex(16))
        self._write_kernelspecs()
        self._log = (self.home / "server.log").open("wb")
        self.process = self._start(extra)
        self.pid = self.process.pid

    def __enter__(self) -> Self:
        try:
            self._wait_started()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _start(self, extra: tuple[str, ...]) -> subprocess.Popen[bytes]:
        extensions: dict[str, bool] = dict.fromkeys(OTHER_EXTENSIONS, False)
        extensions["kernelws"] = self.name == KERNELWS
        command = [
            *(sys.executable, "-m", "jupyter_server", "--allow-root"),
            *("--ServerApp.ip=127.0.0.1", f"--ServerApp.port={self.address.port}"),
            *("--ServerApp.port_retries=0", "--ServerApp.open_browser=False"),
            *(f"--IdentityProvider.token={self.address.token}", f"--ServerApp.root_dir={self.home}"),
            f"--ServerApp.jpserver_extensions={extensions}",
            *LIMITS,
            *extra,
        ]
        with on_core(cores()[0]):
            # A session of its own: ctrl-C reaches the benchmark, which then ends the server.
            return subprocess.Popen(
                command,
                env=self._environment(),
                cwd=self.home,
                stdout=self._log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _environment(self) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("JUPYTER", "JPY", "IPYTHON"))}
        kept.pop("PYTHONASYNCIODEBUG", None)
        for kind in ("config", "data", "runtime"):
            kept[f"JUPYTER_{kind.upper()}_DIR"] = str(self.home / kind)
        return {**kept, "IPYTHONDIR": str(self.home / "ipython"), "JUPYTER_PLATFORM_DIRS": "1"}

    def _write_kernelspecs(self) -> None:
        common = {"BENCH_CORE": str(cores()[1]), "PYTHONPATH": str(ROOT)}
        self._write_spec("bench", "bench.kernel", common)
        self._write_spec("ipython", "bench.real_kernel", common)
        self._write_spec("ipython-hwm0", "bench.real_kernel", {**common, "BENCH_SNDHWM": "0"})

    def _write_spec(self, name: str, module: str, environment: dict[str, str]) -> None:
        folder = self.home / "data" / "kernels" / name
        folder.mkdir(parents=True)
        spec = {
            "argv": [sys.executable, "-m", module, "-f", "{connection_file}"],
            "display_name": name,
            "language": "text",
            "env": environment,
        }
        (folder / "kernel.json").write_text(json.dumps(spec))

    def _wait_started(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while True:
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the {self.name} server did not start:\n{self.log_text()}")
            with contextlib.suppress(OSError):
                self.request("GET", "/api/status")
                break
            time.sleep(0.1)
        if bool(self.active()) != (self.name == KERNELWS):
            raise RuntimeError(f"this server was to run the {self.name} class:\n{self.log_text()}")

    def active(self) -> str:
        """What the extension says of itself when kernelws is in use; nothing otherwise."""
        found = re.search(r"kernelws \S+ is active.*", self.log_text())
        return found.group() if found else ""

    def log_text(self) -> str:
        """What the server logged so far."""
        return (self.home / "server.log").read_text(errors="replace")

    def request(self, method: str, path: str, body: Any = None) -> Any:
        """One REST request; returns the parsed JSON, None where there is none."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.address.port}{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"token {self.address.token}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - http to loopback
            text = answer.read()
        return json.loads(text) if text else None

    def start_kernel(self, name: str = "bench") -> str:
        """Start a kernel of this kernelspec and return its id."""
        return str(self.request("POST", "/api/kernels", {"name": name})["id"])

    def kernels(self) -> list[str]:
        """The ids of all running kernels."""
        return [str(model["id"]) for model in self.request("GET", "/api/kernels")]

    def end_kernel(self, kernel_id: str) -> None:
        """Shut one kernel down."""
        self.request("DELETE", f"/api/kernels/{kernel_id}")

    def connection(self, kernel_id: str) -> dict[str, Any]:
        """What the kernel's connection file says."""
        text = (self.home / "runtime" / f"kernel-{kernel_id}.json").read_text()
        connection: dict[str, Any] = json.loads(text)
        return connection

    def cpu(self) -> float:
        """CPU seconds of the server process so far."""
        return cpu_seconds(self.pid)

    def quiet(self) -> None:
        """Wait until nothing is left to do."""
        wait_quiet(self.pid)

    def stop(self) -> None:
        """End the server, which ends its kernels; kill what does not end in time."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
        self._log.close()
        self._folder.cleanup()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    return port
