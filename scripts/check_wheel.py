"""Installs a built wheel into an empty environment and sees a kernel answer through it.

It must not use anything of the checkout but the wheel and the lock, and must leave no process behind.
Strategy: a throwaway folder holds the environment and every JUPYTER_* directory; the extension has to be enabled by
the wheel's own file alone; the server is a real one, its kernel is started over REST and computes 1 + 1 over a
WebSocket in both subprotocols; the server's log must say that kernelws is active, and `jupyter kernelws doctor` agree.
Cost: under a minute, most of it pip.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import secrets
import socket
import subprocess
import sys
import tempfile
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
    """An empty virtual environment with the wheel in it, and Jupyter directories of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.python = folder / "venv" / "bin" / "python"
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("JUPYTER", "PYTHON"))}
        directories = {f"JUPYTER_{name}_DIR": str(folder / name.lower()) for name in ("CONFIG", "DATA", "RUNTIME")}
        self.variables = kept | directories | {"HOME": str(folder), "IPYTHONDIR": str(folder / "ipython")}

    def install(self, wheel: Path) -> None:
        """The wheel and a Python kernel, other packages as locked."""
        subprocess.run([sys.executable, "-m", "venv", str(self.folder / "venv")], check=True)
        locked = ["--constraint", str(ROOT / "requirements" / "lock.txt")]
        pip = [str(self.python), "-m", "pip", "--quiet"]
        # with this user's own HOME: pip's configuration and cache are found there
        subprocess.run([*pip, "install", *locked, str(wheel), "ipykernel"], check=True)

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
def server(environment: Environment) -> Iterator[tuple[str, str, Path]]:
    """A running Jupyter server: its address, its token, its log. Stopped, with its kernels, at the end."""
    port, token, log = free_port(), secrets.token_hex(16), environment.folder / "server.log"
    options = ["--no-browser", "--allow-root", f"--port={port}", "--ServerApp.port_retries=0"]
    secret = [f"--IdentityProvider.token={token}", f"--ServerApp.root_dir={environment.folder}"]
    with log.open("wb") as out:
        process = subprocess.Popen(
            [str(environment.python), "-m", "jupyter_server", *options, *secret],
            env=environment.variables,
            cwd=environment.folder,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    try:
        yield f"http://127.0.0.1:{port}", token, log
    finally:
        process.terminate()
        try:
            process.wait(LIMIT_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            raise


def free_port() -> int:
    """A port nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def rest(address: str, token: str, path: str, method: str = "GET") -> Any:
    """One REST call's JSON."""
    request = urllib.request.Request(  # noqa: S310 - the address is our own server's
        f"{address}{path}", method=method, headers={"Authorization": f"token {token}"}
    )
    with urllib.request.urlopen(request, timeout=LIMIT_SECONDS) as answer:  # noqa: S310 - as above
        return json.loads(answer.read() or b"null")


def wait_until_up(address: str, token: str) -> None:
    """Return once the server answers; raise SystemExit when it does not in time."""
    deadline = time.monotonic() + LIMIT_SECONDS
    while time.monotonic() < deadline:
        try:
            rest(address, token, "/api/status")
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.2)
        else:
            return
    raise SystemExit("the server did not answer")


def check_enabled(environment: Environment) -> None:
    """The wheel's own file enables the extension, and the extension can be imported."""
    listing = environment.run("-m", "jupyter_server.extension.serverextension", "list")
    lines = [line for line in listing.splitlines() if "kernelws" in line]
    if not any("enabled" in line for line in lines) or any("X" in line.split() for line in lines):
        raise SystemExit(f"the wheel does not enable the extension:\n{listing}")
    print("\n".join(lines), flush=True)


def check_kernel(environment: Environment) -> None:
    """A kernel answers over both subprotocols, and the log says through what."""
    with server(environment) as (address, token, log):
        try:
            wait_until_up(address, token)
            kernel = rest(address, token, "/api/kernels", "POST")["id"]
            print(environment.run(str(CLIENT), address, token, kernel), end="", flush=True)
            rest(address, token, f"/api/kernels/{kernel}", "DELETE")
        except BaseException:
            print(log.read_text(errors="replace"), flush=True)
            raise
    said = [line for line in log.read_text(errors="replace").splitlines() if "kernelws" in line and "is active" in line]
    if not said:
        raise SystemExit(f"no log line says that kernelws is active:\n{log.read_text(errors='replace')}")
    print(said[0])


def check_doctor(environment: Environment) -> None:
    """The script that `jupyter kernelws` runs is there, and finds nothing that fails."""
    script = environment.folder / "venv" / "bin" / "jupyter-kernelws"
    lines = environment.run(str(script), "doctor").splitlines()
    print("doctor:", *(line for line in lines if line.startswith(("OK: ", "WARN: "))), flush=True)


def main() -> int:
    """Check the wheel named on the command line."""
    parser = argparse.ArgumentParser(description="a wheel, an empty environment, a kernel that answers")
    parser.add_argument("wheel", type=Path)
    wheel = parser.parse_args().wheel.resolve(strict=True)
    with tempfile.TemporaryDirectory(prefix="check-wheel-") as folder:
        environment = Environment(Path(folder))
        environment.install(wheel)
        check_enabled(environment)
        check_kernel(environment)
        check_doctor(environment)
    print(f"{wheel.name}: enabled by its own file, 1 + 1 is 2 in both subprotocols")
    return 0


if __name__ == "__main__":
    sys.exit(main())
