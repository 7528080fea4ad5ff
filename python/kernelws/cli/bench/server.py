"""A real Jupyter server for one class, alone in its directories and on its core.

What it does: starts `jupyter_server` with the stock class or with kernelws, starts and ends kernels
over REST, and always ends the server with everything it started.
What it must not do: differ between the classes in anything but the class.
Strategy: own JUPYTER_* directories in a temporary folder, so nothing of the user's is read or written;
`child` starts and ends the process.
Cost: about two seconds a start.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO, Any, ClassVar, Self

from ..child import Address, Child
from .machine import cores, cpu_seconds, on_core, wait_quiet

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


class Server:
    """A running server; a context manager that leaves no process behind. Subclasses choose the application."""

    module: ClassVar[str] = "jupyter_server"
    limits: ClassVar[tuple[str, ...]] = LIMITS
    pinned: ClassVar[bool] = True
    """Whether the server and its kernels share one core, so that whoever measures has the other."""

    def __init__(self, name: str, extra: tuple[str, ...] = ()) -> None:
        self.name = name
        self._extra = extra
        self._folder = tempfile.TemporaryDirectory(prefix=f"bench-{name}-", ignore_cleanup_errors=True)
        self.home = Path(self._folder.name)
        self._token = secrets.token_hex(16)
        # Not on the command line, which all users of a machine can read.
        (self.home / "config.json").write_text(json.dumps({"IdentityProvider": {"token": self._token}}))
        self._write_kernelspecs()
        self._child = Child(f"{name} server", self.home / "server.log", self._launch)
        self.address = Address(0, self._token)

    def __enter__(self) -> Self:
        try:
            self.address = self._child.start(self._token)
            if bool(self.active()) != (self.name == KERNELWS):
                raise RuntimeError(f"this server was to run the {self.name} class")
        except RuntimeError as error:
            log = self.log_text()
            self.stop()
            raise RuntimeError(f"{error}; its log:\n{log}") from error
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """The server's process id."""
        if self._child.process is None:
            raise RuntimeError(f"the {self.name} server was not started")
        return self._child.process.pid

    def extensions(self) -> dict[str, bool]:
        """Which server extensions are on."""
        return {**dict.fromkeys(OTHER_EXTENSIONS, False), "kernelws": self.name == KERNELWS}

    def _launch(self, port: int, log: IO[bytes]) -> subprocess.Popen[bytes]:
        command = [
            *(sys.executable, "-m", self.module, "--allow-root", f"--config={self.home / 'config.json'}"),
            *("--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}"),
            *("--ServerApp.port_retries=0", "--ServerApp.open_browser=False"),
            f"--ServerApp.root_dir={self.home}",
            f"--ServerApp.jpserver_extensions={self.extensions()}",
            *self.limits,
            *self._extra,
        ]
        with on_core(cores()[0]) if self.pinned else contextlib.nullcontext():
            # A session of its own: ctrl-C reaches the benchmark, which then ends the server.
            return subprocess.Popen(
                command,
                env=self._environment(),
                cwd=self.home,
                stdout=log,
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
        self._write_spec("bench", "kernelws.cli.bench.kernel", {})

    def _write_spec(self, name: str, module: str, environment: dict[str, str]) -> None:
        """A kernelspec that runs `module` on the core that is not the server's."""
        folder = self.home / "data" / "kernels" / name
        folder.mkdir(parents=True)
        spec = {
            "argv": [sys.executable, "-m", module, "-f", "{connection_file}"],
            "display_name": name,
            "language": "text",
            "env": {"BENCH_CORE": str(cores()[1]), **environment},
        }
        (folder / "kernel.json").write_text(json.dumps(spec))

    def active(self) -> str:
        """What the extension says of itself when kernelws is in use; nothing otherwise."""
        found = re.search(r"kernelws \S+ is active.*", self.log_text())
        return found.group() if found else ""

    def log_text(self) -> str:
        """What the server logged so far, without tokens."""
        return self._child.log_text()

    def request(self, method: str, path: str, body: Any = None) -> Any:
        """One REST request; returns the parsed JSON, None where there is none."""
        return self.address.request(method, path, body)

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
        self._child.stop()
        self._folder.cleanup()
