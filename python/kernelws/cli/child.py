"""A Jupyter server as a child process on loopback: started on a port of its own, asked over REST, and always ended.

What it does: picks a port, starts the process, waits until it answers to its token, and ends it with everything it started.
What it must not do: know what the server is for; the caller writes the command line. Tokens stand in no error it raises.
Strategy: a port is chosen below the range that the system gives to kernels, which come and go while a server starts; if
somebody takes it between the look and the server's own bind, the process ends and the next port is tried.
Cost: what the server's start costs.
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
PORT_TAKEN = re.compile(r"[Pp]ort \d+ is (already in use|not available)")
# Also what a URL that somebody's extension logs would hold.
SECRET = re.compile(r"(token[=\s:\"']+|[Aa]uthorization[=\s:\"']+(?:token\s+)?)[^\s&\"',})]+")


@dataclass(frozen=True)
class Address:
    """All that a client needs to know of a server."""

    port: int
    token: str

    def request(self, method: str, path: str, body: Any = None, timeout: float = 60.0) -> Any:
        """One REST request; returns the parsed JSON, None where there is none. Raises OSError."""
        text = self.fetch(method, path, body, timeout)
        return json.loads(text) if text else None

    def fetch(self, method: str, path: str, body: Any = None, timeout: float = 60.0) -> bytes:
        """As `request`, unparsed."""
        request = urllib.request.Request(
            f"http://{LOOPBACK}:{self.port}{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"token {self.token}", "Content-Type": "application/json"},
        )
        # A proxy that the environment names is for other hosts.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=timeout) as answer:
            text: bytes = answer.read()
        return text


class NotStartedError(RuntimeError):
    """The server ended by itself, or did not answer in time; the sentence says which, and where the log is."""


class Child:
    """One server process. `launch(port, log)` starts it, and is called again when the port turns out to be taken."""

    def __init__(self, title: str, log: Path, launch: Callable[[int, IO[bytes]], subprocess.Popen[bytes]]) -> None:
        self.title = title
        self.log = log
        self._launch = launch
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, token: str, seconds: float = START_SECONDS) -> Address:
        """Start and wait until it answers. Raises NotStartedError, after which `log_text` still tells why."""
        for _ in range(TRIES):
            address = Address(free_port(), token)
            with self.log.open("wb") as log:
                self.process = self._launch(address.port, log)
            if self._answers(self.process, address, time.monotonic() + seconds):
                return address
            if not self._lost_its_port(address.port):
                raise NotStartedError(f"the {self.title} ended by itself (exit code {self.process.returncode})")
        raise NotStartedError(f"the {self.title} found no free port in {TRIES} tries")

    def _answers(self, process: subprocess.Popen[bytes], address: Address, deadline: float) -> bool:
        """True once it answers to its token, which another server on that port would not; False when it has ended."""
        patience = 1.0
        while process.poll() is None:
            begun = time.monotonic()
            with contextlib.suppress(OSError, ValueError):
                address.request("GET", "/api/kernelspecs", timeout=patience)
                return True
            # Somebody else may listen there and say nothing; a slow server gets more time with each look.
            if time.monotonic() - begun >= patience:
                patience *= 2
            if time.monotonic() > deadline:
                self.stop()
                raise NotStartedError(f"the {self.title} did not answer in time")
            time.sleep(LOOK_SECONDS)
        return False

    def _lost_its_port(self, port: int) -> bool:
        """The log says so, in English, or the port is still taken."""
        return bool(PORT_TAKEN.search(self.log_text())) or not _is_free(port)

    def log_text(self) -> str:
        """What the server has logged so far, without tokens."""
        try:
            return SECRET.sub(r"\1...", self.log.read_text(errors="replace"))
        except OSError:
            return ""

    def stop(self) -> None:
        """End the server, which ends its kernels; kill what does not end in time, and kernels that it has forgotten."""
        process = self.process
        if process is None or process.poll() is not None:
            return
        kernels = children(process.pid)
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for pid, begun in kernels.items():
            # The same process, and no later one of that number
            if begun and _begun(pid) == begun:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


def children(pid: int) -> dict[int, str]:
    """The processes that `pid` has started, and when; none where there is no /proc."""
    with contextlib.suppress(OSError):
        files = Path(f"/proc/{pid}/task").glob("*/children")
        children = [int(child) for file in files for child in file.read_text().split()]
        return {child: _begun(child) for child in children}
    return {}


def _begun(pid: int) -> str:
    """When a process began, in clock ticks since the machine did; nothing where it has ended (proc(5), field 22)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] == "Z" else fields[19]


def free_port() -> int:
    """A port of `PORTS` that nobody listens on at this moment."""
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
