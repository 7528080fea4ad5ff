"""An empty virtual environment with its own Jupyter directories, and a Jupyter server that runs in it.

scripts/check_wheel.py and scripts/check_sdist.py use it to test a package as users install it. Must keep the checkout and this
user's Jupyter files out of the environment, and leave no process behind. The client that connects to the server comes from the
checkout. Cost: that of pip.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import subprocess
import sys
from pathlib import Path
from typing import IO, TYPE_CHECKING

from kernelws.cli.child import Child
from kernelws.cli.client import Client
from kernelws.cli.selftest import PROTOCOLS, read

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kernelws.cli.child import Address

ROOT = Path(__file__).resolve().parent.parent


class Environment:
    """A virtual environment in the empty folder ``folder``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.python = folder / "venv" / "bin" / "python"
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("JUPYTER", "PYTHON", "PYO3", "VIRTUAL"))
        }
        directories = {f"JUPYTER_{name}_DIR": str(folder / name.lower()) for name in ("CONFIG", "DATA", "RUNTIME")}
        self.variables = kept | directories | {"HOME": str(folder), "IPYTHONDIR": str(folder / "ipython")}
        subprocess.run([sys.executable, "-m", "venv", str(folder / "venv")], check=True)

    def install(self, *what: str | Path) -> None:
        """Installs with pip; dependencies as locked. Checks that all packages are compatible."""
        locked = ["--constraint", str(ROOT / "requirements" / "lock.txt")]
        self._pip("install", *locked, *map(str, what))
        self._pip("check")

    def uninstall(self, package: str) -> None:
        """Uninstalls with pip."""
        self._pip("uninstall", "--yes", package)

    def _pip(self, *words: str) -> None:
        # With this user's HOME, which has pip's configuration and cache, and rustup
        home = {name: os.environ[name] for name in ("HOME",) if name in os.environ}
        pip = [str(self.python), "-m", "pip", "--quiet"]
        subprocess.run([*pip, *words], check=True, env=self.variables | home, cwd=self.folder)

    def run(self, *words: str) -> str:
        """Runs ``python words...`` in the environment, outside the checkout; returns its output. Exits if it fails."""
        done = subprocess.run(
            [str(self.python), *words],
            env=self.variables,
            cwd=self.folder,
            check=False,
            capture_output=True,
            text=True,
        )
        output = done.stdout + done.stderr
        if done.returncode:
            raise SystemExit(f"{' '.join(words)} ended with {done.returncode}:\n{output}")
        return output

    @contextlib.contextmanager
    def server(self, application: str) -> Iterator[Server]:
        """A running Jupyter server, stopped with its kernels at the end. ``application`` is a module: ``jupyter_server``."""
        token = secrets.token_hex(16)

        def launch(port: int, out: IO[bytes]) -> subprocess.Popen[bytes]:
            options = ["--no-browser", "--allow-root", f"--port={port}", "--ServerApp.port_retries=0"]
            secret = [f"--IdentityProvider.token={token}", f"--ServerApp.root_dir={self.folder}"]
            command = [str(self.python), "-m", application, *options, *secret]
            return subprocess.Popen(command, env=self.variables, cwd=self.folder, stdout=out, stderr=subprocess.STDOUT)

        child = Child(f"{application} server", self.folder / "server.log", launch)
        try:
            yield Server(child, child.start(token))
        except BaseException:
            print(child.log_text(), flush=True)
            raise
        finally:
            child.stop()
        if child.process is None or child.process.returncode == -signal.SIGKILL:
            raise SystemExit("the server did not end after SIGTERM")


class Server:
    """A running server of an environment."""

    def __init__(self, child: Child, address: Address) -> None:
        self.address = address
        self.log = child.log_text

    def one_plus_one(self) -> str:
        """Starts a kernel, computes 1 + 1 in both subprotocols, and shuts the kernel down; returns the results as text."""
        kernel = str(self.address.request("POST", "/api/kernels", {})["id"])
        lines = [f"{name}: 1 + 1 is {self._answer(kernel, name)}\n" for name in PROTOCOLS]
        self.address.request("DELETE", f"/api/kernels/{kernel}")
        return "".join(lines)

    def _answer(self, kernel: str, protocol: str) -> str:
        with contextlib.closing(Client(self.address, kernel, PROTOCOLS[protocol])) as client:
            asked = client.send("shell", "execute_request", {"code": "1 + 1"})
            answer = str(read(client.wait_for(asked, b'"execute_result"'), protocol)["content"]["data"]["text/plain"])
        if answer != "2":
            raise SystemExit(f"1 + 1 is {answer}")
        return answer

    def log_lines(self, *words: str) -> list[str]:
        """The lines of the log that contain all the words."""
        return [line for line in self.log().splitlines() if all(word in line for word in words)]
