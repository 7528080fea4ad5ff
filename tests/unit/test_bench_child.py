"""A server as a child process: its port, its log, its end. The child here is a few lines of Python."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest

from kernelws.cli import child as children
from kernelws.cli.child import Child, NotStartedError
from tests.support.process import is_alive
from tests.support.wait import eventually

ANSWERS = """
import http.server, os, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        good = self.headers["Authorization"] == "token right"
        self.send_response(200 if good else 403); self.end_headers(); self.wfile.write(b"{}")
http.server.HTTPServer.allow_reuse_address = False
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""
ENDS_WHEN_ASKED = ANSWERS.replace("\nhttp.", "\n    def do_POST(self): self.do_GET(); os._exit(7)\nhttp.", 1)
TAKEN = "import sys; sys.exit('ERROR: port %s is not available.' % sys.argv[1])"
GIVES_UP = "import sys; print('GET /lab?token=abcdef&x=1'); print('Authorization: token ghijkl'); sys.exit(3)"
STUBBORN = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
kernel = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
print("kernel", kernel.pid, flush=True)
time.sleep(600)
"""


class Launcher:
    """Starts programs one after the other, the last one again and again, and notes the ports."""

    def __init__(self, *programs: str) -> None:
        self.programs = list(programs)
        self.ports: list[int] = []

    def __call__(self, port: int, log: IO[bytes]) -> subprocess.Popen[bytes]:
        self.ports.append(port)
        program = self.programs.pop(0) if len(self.programs) > 1 else self.programs[0]
        command = [sys.executable, "-c", program, str(port)]
        return subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)  # noqa: S603 - one of the programs above


@pytest.fixture
def started(tmp_path: Path) -> Iterator[list[Child]]:
    made: list[Child] = []
    yield made
    for one in made:
        one.stop()


def make(started: list[Child], folder: Path, *programs: str) -> tuple[Child, Launcher]:
    launcher = Launcher(*programs)
    started.append(Child("test server", folder / "log", launcher))
    return started[-1], launcher


def test_it_answers_on_a_port_below_those_of_kernels(tmp_path: Path, started: list[Child]) -> None:
    child, launcher = make(started, tmp_path, ANSWERS)
    address = child.start("right")
    assert launcher.ports == [address.port]
    assert children.PORTS[0] <= address.port < children.PORTS[1]
    assert address.request("GET", "/anything") == {}
    child.stop()
    assert child.process is not None
    assert child.process.returncode is not None


@pytest.mark.parametrize(("program", "code"), [(ENDS_WHEN_ASKED, 7), (ANSWERS, -signal.SIGTERM)], ids=["asked", "not_found"])
def test_a_server_is_asked_to_end_where_sigterm_would_kill_it(
    program: str, code: int, tmp_path: Path, started: list[Child], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on Windows. A server without that route, such as Kernel Gateway, is killed."""
    monkeypatch.setattr(children, "SIGTERM_KILLS", True)
    child, _ = make(started, tmp_path, program)
    child.start("right")
    child.stop()
    assert child.process is not None
    assert child.process.returncode == code


def test_a_server_may_take_its_time(tmp_path: Path, started: list[Child], monkeypatch: pytest.MonkeyPatch) -> None:
    """The number of tries to connect is not limited, only their time."""
    monkeypatch.setattr(children, "LOOK_SECONDS", 0.0)
    child, _ = make(started, tmp_path, "import time; time.sleep(1)\n" + ANSWERS)
    assert child.start("right").request("GET", "/") == {}


def test_a_taken_port_is_tried_again(tmp_path: Path, started: list[Child]) -> None:
    """Another program has taken the port: the server reports that and ends, and the next port is tried."""
    child, launcher = make(started, tmp_path, TAKEN, ANSWERS)
    address = child.start("right")
    assert len(launcher.ports) == 2
    assert address.port == launcher.ports[-1]


def test_a_port_that_somebody_holds_is_tried_again(tmp_path: Path, started: list[Child], monkeypatch: pytest.MonkeyPatch) -> None:
    """It does not depend on what the server prints: another program holds the port."""
    with socket.create_server(("127.0.0.1", 0)) as held:
        free = children.free_port()
        ports = iter([held.getsockname()[1], free])
        monkeypatch.setattr(children, "free_port", lambda: next(ports))
        child, _ = make(started, tmp_path, ANSWERS)
        assert child.start("right").port == free


def test_it_does_not_try_for_ever(tmp_path: Path, started: list[Child]) -> None:
    child, launcher = make(started, tmp_path, TAKEN)
    with pytest.raises(NotStartedError, match="found no free port in 5 tries"):
        child.start("right")
    assert len(launcher.ports) == children.TRIES


def test_a_server_that_gives_up_is_told_with_its_code_and_without_tokens(tmp_path: Path, started: list[Child]) -> None:
    child, launcher = make(started, tmp_path, GIVES_UP)
    with pytest.raises(NotStartedError, match=r"ended by itself \(exit code 3\)"):
        child.start("right")
    assert len(launcher.ports) == 1
    assert child.log_text() == "GET /lab?token=...&x=1\nAuthorization: token ...\n"


def test_another_server_on_that_port_is_not_taken_for_it(tmp_path: Path, started: list[Child]) -> None:
    """A server that does not accept the token is not the one that was started."""
    child, _ = make(started, tmp_path, ANSWERS)
    with pytest.raises(NotStartedError, match="did not answer in time"):
        child.start("wrong", seconds=1.0)
    assert child.process is not None
    assert child.process.returncode is not None


async def test_what_does_not_end_is_killed_with_its_kernels(
    tmp_path: Path, started: list[Child], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each kernel is in its own process group, so killing the server's group would not kill them."""
    monkeypatch.setattr(children, "STOP_SECONDS", 0.2)
    child, launcher = make(started, tmp_path, STUBBORN)
    with (tmp_path / "log").open("wb") as log:
        child.process = launcher(1, log)
    await eventually(lambda: "kernel" in child.log_text(), "the kernel's process")
    kernel = int(child.log_text().split()[1])
    assert is_alive(kernel)
    child.stop()
    await eventually(lambda: not is_alive(kernel), "the end of the kernel")


def test_a_proxy_of_the_environment_is_not_asked(tmp_path: Path, started: list[Child], monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy is for other hosts than this one, and would see the token."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    child, _ = make(started, tmp_path, ANSWERS)
    assert child.start("right").request("GET", "/") == {}
    assert "http_proxy" in os.environ
