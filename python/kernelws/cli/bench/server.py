"""A Jupyter server with one of the two classes, on its own core and with its own directories.

Starts the server with `child`, starts and ends kernels over REST, and ends all of it. The servers must differ in nothing but the
class. JUPYTER_* directories are in a temporary folder, so that the user's files are neither read nor written.
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

# Extensions that an environment may enable. They are turned off, so that both servers do the same work
OTHER_EXTENSIONS = (
    "jupyterlab",
    "jupyter_lsp",
    "jupyter_server_terminals",
    "notebook",
    "notebook_shim",
    "jupyter_server_documents",
    "nextgen_kernels_api",
)
# The rate limits stay on, because counting costs time, but no message exceeds them
LIMITS = (
    "--ZMQChannelsWebsocketConnection.iopub_msg_rate_limit=1e9",
    "--ZMQChannelsWebsocketConnection.iopub_data_rate_limit=1e12",
)
STOCK, KERNELWS = "stock", "kernelws"


class Server:
    """A context manager that runs a server and ends all its processes. Subclasses choose the application."""

    module: ClassVar[str] = "jupyter_server"
    limits: ClassVar[tuple[str, ...]] = LIMITS
    pinned: ClassVar[bool] = True
    """Whether the server is pinned to a core. Its kernels inherit the core, unless they choose another."""

    python: ClassVar[str] = sys.executable
    """The interpreter that runs the server: that of another environment serves its application."""

    def __init__(self, name: str, extra: tuple[str, ...] = ()) -> None:
        self.name = name
        self._extra = extra
        self._folder = tempfile.TemporaryDirectory(prefix=f"bench-{name}-", ignore_cleanup_errors=True)
        self.home = Path(self._folder.name)
        self._token = secrets.token_hex(16)
        # Not on the command line, which all users of the machine can read
        (self.home / "config.json").write_text(json.dumps({"IdentityProvider": {"token": self._token}}))
        self._write_kernelspecs()
        self._child = Child(f"{name} server", self.home / "server.log", self._launch)
        self.address = Address(0, self._token)

    def __enter__(self) -> Self:
        try:
            self.address = self._child.start(self._token)
            self.check()
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

    def check(self) -> None:
        """Raises RuntimeError if the server runs the other class."""
        if bool(self.active()) != (self.name == KERNELWS):
            raise RuntimeError(f"this server does not run the {self.name} class")

    def extensions(self) -> dict[str, bool]:
        """Which server extensions are on."""
        return {**dict.fromkeys(OTHER_EXTENSIONS, False), "kernelws": self.name == KERNELWS}

    def _launch(self, port: int, log: IO[bytes]) -> subprocess.Popen[bytes]:
        command = [
            *(self.python, "-m", self.module, "--allow-root", f"--config={self.home / 'config.json'}"),
            *("--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}"),
            *("--ServerApp.port_retries=0", "--ServerApp.open_browser=False"),
            f"--ServerApp.root_dir={self.home}",
            f"--ServerApp.jpserver_extensions={self.extensions()}",
            *self.limits,
            *self._extra,
        ]
        with on_core(cores()[0]) if self.pinned else contextlib.nullcontext():
            # In a new session ctrl-C does not reach the server; the benchmark ends it
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
        """Writes a kernelspec that runs `module` on the kernels' core."""
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
        """The log line that says that kernelws is active; empty if it is not."""
        found = re.search(r"kernelws \S+ is active.*", self.log_text())
        return found.group() if found else ""

    def log_text(self) -> str:
        """The server's log so far, without tokens."""
        return self._child.log_text()

    def request(self, method: str, path: str, body: Any = None) -> Any:
        """As `Address.request`."""
        return self.address.request(method, path, body)

    def start_kernel(self, name: str = "bench") -> str:
        """Starts a kernel of this kernelspec; returns its id."""
        return str(self.request("POST", "/api/kernels", {"name": name})["id"])

    def kernels(self) -> list[str]:
        """The ids of all running kernels."""
        return [str(model["id"]) for model in self.request("GET", "/api/kernels")]

    def end_kernel(self, kernel_id: str) -> None:
        """Shuts a kernel down."""
        self.request("DELETE", f"/api/kernels/{kernel_id}")

    def connection(self, kernel_id: str) -> dict[str, Any]:
        """The contents of the kernel's connection file."""
        text = (self.home / "runtime" / f"kernel-{kernel_id}.json").read_text()
        connection: dict[str, Any] = json.loads(text)
        return connection

    def cpu(self) -> float:
        """CPU seconds of the server process so far."""
        return cpu_seconds(self.pid)

    def quiet(self) -> None:
        """Waits until the server has no work left."""
        wait_quiet(self.pid)

    def stop(self) -> None:
        """Ends the server and its kernels, and deletes its directories."""
        self._child.stop()
        self._folder.cleanup()
