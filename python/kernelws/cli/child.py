"""Runs a Jupyter server as a child process on loopback: starts it on a free port, sends REST requests, and ends it.

Waits until the server answers to its token, and ends the server together with its kernels. Must not know what the server is
for: the caller makes the command line. Errors must not contain tokens.
Ports are chosen below the range from which the system gives ports to kernels. If another process takes the port before the
server binds it, the server ends, and the next port is tried. Cost: the server's start.
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
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

START_SECONDS = 60.0
STOP_SECONDS = 20.0
TRIES = 5
PORTS = (20_000, 32_000)
LOOK_SECONDS = 0.1
LOOPBACK = "127.0.0.1"
SIGTERM_KILLS = os.name == "nt"
"""On Windows SIGTERM ends a process at once, so that a server could not end its kernels."""
PORT_TAKEN = re.compile(r"[Pp]ort \d+ is (already in use|not available)")
# Tokens in log lines, also in URLs and headers that an extension may log
SECRET = re.compile(r"(token[=\s:\"']+|[Aa]uthorization[=\s:\"']+(?:token\s+)?)[^\s&\"',})]+")


@dataclass(frozen=True)
class Address:
    """The port and the token of a server on loopback."""

    port: int
    token: str

    def request(self, method: str, path: str, body: Any = None, timeout: float = 60.0) -> Any:
        """Sends a REST request; returns the parsed JSON, or None for an empty answer. Raises OSError."""
        text = self.fetch(method, path, body, timeout)
        return json.loads(text) if text else None

    def fetch(self, method: str, path: str, body: Any = None, timeout: float = 60.0) -> bytes:
        """As `request`, but returns the body as bytes."""
        request = urllib.request.Request(
            f"http://{LOOPBACK}:{self.port}{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"token {self.token}", "Content-Type": "application/json"},
        )
        # Ignores the environment's proxy, which is for other hosts
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=timeout) as answer:
            text: bytes = answer.read()
        return text


class NotStartedError(RuntimeError):
    """The server ended by itself, did not answer in time, or found no free port; the message says which."""


class Child:
    """One server process. `launch(port, log)` starts it, and is called again if the port was taken."""

    def __init__(self, title: str, log: Path, launch: Callable[[int, IO[bytes]], subprocess.Popen[bytes]]) -> None:
        self.title = title
        self.log = log
        self._launch = launch
        self._address: Address | None = None
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, token: str, seconds: float = START_SECONDS) -> Address:
        """Starts the server and waits until it answers. Raises NotStartedError; `log_text` then says why."""
        for _ in range(TRIES):
            address = self._address = Address(free_port(), token)
            with self.log.open("wb") as log:
                self.process = self._launch(address.port, log)
            if self._answers(self.process, address, time.monotonic() + seconds):
                return address
            if not self._lost_its_port(address.port):
                raise NotStartedError(f"the {self.title} ended by itself (exit code {self.process.returncode})")
        raise NotStartedError(f"the {self.title} found no free port in {TRIES} tries")

    def _answers(self, process: subprocess.Popen[bytes], address: Address, deadline: float) -> bool:
        """True once the server answers to its token; another server on that port would not. False if the process has ended."""
        patience = 1.0
        while process.poll() is None:
            begun = time.monotonic()
            with contextlib.suppress(OSError, ValueError):
                address.request("GET", "/api/kernelspecs", timeout=patience)
                return True
            # Another process may hold the port and not answer. A slow server gets more time with each attempt
            if time.monotonic() - begun >= patience:
                patience *= 2
            if time.monotonic() > deadline:
                self.stop()
                raise NotStartedError(f"the {self.title} did not answer in time")
            time.sleep(LOOK_SECONDS)
        return False

    def _lost_its_port(self, port: int) -> bool:
        """Whether another process has the port: the log says so (in English), or the port is still taken."""
        return bool(PORT_TAKEN.search(self.log_text())) or not _is_free(port)

    def log_text(self) -> str:
        """The server's log so far, without tokens."""
        try:
            return SECRET.sub(r"\1...", self.log.read_text(errors="replace"))
        except OSError:
            return ""

    def stop(self) -> None:
        """Ends the server, which ends its kernels. Kills the server if it does not end in time, and kernels that are left."""
        process = self.process
        if process is None or process.poll() is not None:
            return
        kernels = children(process.pid)
        if not (SIGTERM_KILLS and self._is_asked_to_end()):
            process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for pid, begun in kernels.items():
            # The start time tells the kernel from a later process with the same id
            if begun and _begun(pid) == begun:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    def _is_asked_to_end(self) -> bool:
        """Asks the server to end its kernels and itself. False if it does not answer, or has no such route, as Kernel Gateway."""
        with contextlib.suppress(OSError, ValueError):
            if self._address is not None:
                self._address.request("POST", "/api/shutdown", timeout=STOP_SECONDS)
                return True
        return False


def children(pid: int) -> dict[int, str]:
    """The child processes of `pid` with their start times; empty on systems without /proc."""
    with contextlib.suppress(OSError):
        files = Path(f"/proc/{pid}/task").glob("*/children")
        children = [int(child) for file in files for child in file.read_text().split()]
        return {child: _begun(child) for child in children}
    return {}


def _begun(pid: int) -> str:
    """The start time of a process, in clock ticks since boot (proc(5), field 22); empty if it has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] == "Z" else fields[19]


def free_port() -> int:
    """A port in the range `PORTS` that no process listens on at this moment."""
    while True:
        port = PORTS[0] + secrets.randbelow(PORTS[1] - PORTS[0])
        if _is_free(port):
            return port


def _is_free(port: int) -> bool:
    try:
        socket.create_server((LOOPBACK, port)).close()
    except OSError:
        return False
    return True
