"""An empty virtual environment with Jupyter directories of its own, and a Jupyter server that runs in it.

For what is checked as a user has it: scripts/check_wheel.py and scripts/check_sdist.py. It must not let anything of the
checkout or of this user's Jupyter in, and leaves no process behind. Cost: what pip costs.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
CLIENT = Path(__file__).with_name("one_plus_one.py")
LIMIT_SECONDS = 60


class Environment:
    """A virtual environment in ``folder``, which is empty."""

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
        """With pip, other packages as locked, and checks that all of them fit."""
        locked = ["--constraint", str(ROOT / "requirements" / "lock.txt")]
        self._pip("install", *locked, *map(str, what))
        self._pip("check")

    def uninstall(self, package: str) -> None:
        """With pip."""
        self._pip("uninstall", "--yes", package)

    def _pip(self, *words: str) -> None:
        # with this user's own HOME: pip's configuration and cache are found there, and rustup
        home = {name: os.environ[name] for name in ("HOME",) if name in os.environ}
        pip = [str(self.python), "-m", "pip", "--quiet"]
        subprocess.run([*pip, *words], check=True, env=self.variables | home, cwd=self.folder)

    def run(self, *words: str) -> str:
        """Output of ``python words...`` in the environment, away from the checkout."""
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
        """A running Jupyter server (``application`` is a module: ``jupyter_server``); stopped, with its kernels, at the end."""
        port, token, log = _free_port(), secrets.token_hex(16), self.folder / "server.log"
        options = ["--no-browser", "--allow-root", f"--port={port}", "--ServerApp.port_retries=0"]
        secret = [f"--IdentityProvider.token={token}", f"--ServerApp.root_dir={self.folder}"]
        with log.open("wb") as out:
            process = subprocess.Popen(
                [str(self.python), "-m", application, *options, *secret],
                env=self.variables,
                cwd=self.folder,
                stdout=out,
                stderr=subprocess.STDOUT,
            )
        server = Server(self, f"http://127.0.0.1:{port}", token, log)
        try:
            server.wait_until_up()
            yield server
        except BaseException:
            print(server.log(), flush=True)
            raise
        finally:
            process.terminate()
            try:
                process.wait(LIMIT_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                raise


class Server:
    """A running server of an environment: its address, its token, its log."""

    def __init__(self, environment: Environment, address: str, token: str, log: Path) -> None:
        self._environment = environment
        self.address = address
        self._token = token
        self._log = log

    def get(self, path: str, method: str = "GET") -> bytes:
        """The body of one request."""
        request = urllib.request.Request(  # noqa: S310 - the address is our own server's
            f"{self.address}{path}", method=method, headers={"Authorization": f"token {self._token}"}
        )
        with urllib.request.urlopen(request, timeout=LIMIT_SECONDS) as answer:  # noqa: S310 - as above
            body: bytes = answer.read()
            return body

    def rest(self, path: str, method: str = "GET") -> Any:
        """One REST call's JSON."""
        return json.loads(self.get(path, method) or b"null")

    def wait_until_up(self) -> None:
        """Return once the server answers; raise SystemExit when it does not in time."""
        deadline = time.monotonic() + LIMIT_SECONDS
        while time.monotonic() < deadline:
            try:
                self.rest("/api/status")
            except (urllib.error.URLError, ConnectionError):
                time.sleep(0.2)
            else:
                return
        raise SystemExit("the server did not answer")

    def one_plus_one(self) -> str:
        """A new kernel's answer over both subprotocols; the kernel is shut down."""
        kernel = self.rest("/api/kernels", "POST")["id"]
        answer = self._environment.run(str(CLIENT), self.address, self._token, kernel)
        self.rest(f"/api/kernels/{kernel}", "DELETE")
        return answer

    def log(self) -> str:
        """What it has logged so far."""
        return self._log.read_text(errors="replace")

    def said(self, *words: str) -> list[str]:
        """The lines of the log that hold all the words."""
        return [line for line in self.log().splitlines() if all(word in line for word in words)]


def _free_port() -> int:
    """A port nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
