"""`jupyter kernelws run` as a user runs it: a real server below a base URL, a real kernel, pipes, a terminal, and signals.

Each command is a process with its own output; a test waits for what it writes. No command may write the token.
"""

import asyncio
import os
import pty
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import pytest_asyncio

from kernelws.cli.child import free_port
from tests.support.cells import STUBBORN
from tests.support.commands import JUPYTER
from tests.support.executions import Executions
from tests.support.process_server import ProcessServer
from tests.support.server import TOKEN, environment
from tests.support.wait import TIMEOUT, eventually
from tools.chaos.proxy import Proxy

pytestmark = pytest.mark.asyncio(loop_scope="module")

TEXT_LIMIT = 10_000
SLEEP = "import time\nprint('on', flush=True)\ntime.sleep(1000)"


class Command:
    """A `jupyter kernelws run` that is running. ``out`` and ``err`` are what it has written so far."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.out = self.err = ""

    async def until(self, text: str, *, err: bool = False) -> None:
        """It has written this."""
        stream = self.process.stderr if err else self.process.stdout
        assert stream is not None
        async with asyncio.timeout(3 * TIMEOUT):
            while text not in (self.err if err else self.out):
                more = (await stream.read(1 << 16)).decode()
                assert more, f"{text!r} was never written:\n{self.out}{self.err}"
                if err:
                    self.err += more
                else:
                    self.out += more

    async def end(self, typed: bytes | None = None) -> int:
        """Its exit code."""
        async with asyncio.timeout(3 * TIMEOUT):
            out, err = await self.process.communicate(typed)
        self.out += (out or b"").decode()
        self.err += (err or b"").decode()
        assert TOKEN not in self.out + self.err
        assert "kernelws/cli/" not in self.err, "no traceback of the command's own"
        assert self.process.returncode is not None
        return self.process.returncode


class Place:
    """A user's folder with its running servers, and the kernel of the first one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("runtime", "root"):
            (folder / name).mkdir()
        self.variables = environment(folder)
        self.kernel_id = ""
        self.server: ProcessServer
        self.api: Executions

    async def serve(self, *arguments: str) -> ProcessServer:
        return await ProcessServer.start(self.folder / "root", self.variables, *arguments, port=free_port())

    async def start(self, *arguments: str, stdin: int = asyncio.subprocess.DEVNULL, **streams: Any) -> Command:
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            JUPYTER,
            "kernelws",
            "run",
            *arguments,
            env=os.environ | self.variables,
            cwd=self.folder,
            stdin=stdin,
            **{"stdout": pipe, "stderr": pipe} | streams,
        )
        return Command(process)

    async def run(self, *arguments: str, typed: str | None = None) -> tuple[int, str, str]:
        """Exit code and output of a command that ends by itself."""
        command = await self.start(*arguments, stdin=asyncio.subprocess.DEVNULL if typed is None else asyncio.subprocess.PIPE)
        code = await command.end(None if typed is None else typed.encode())
        return code, command.out, command.err


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def place(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    """One server, and the kernel that the first command starts."""
    place = Place(tmp_path_factory.mktemp("place"))
    (place.folder / "ask.py").write_text("import getpass\nprint(input('name? '), len(getpass.getpass('word? ')))")
    server = await place.serve(
        "--ServerApp.base_url=/team/", f"--ZMQChannelsWebsocketConnection.executions_text_limit={TEXT_LIMIT}"
    )
    server.url += "/team"
    place.server = server
    code, out, err = await place.run("print('first'); 6 * 7")
    assert (code, out) == (0, "first\n42\n"), err
    (kernel,) = await server.rest("kernels")
    place.kernel_id = kernel["id"]
    assert err == f"kernelws: started the kernel {place.kernel_id} (python3), which goes on running\n"
    place.api = Executions(server, place.kernel_id)
    yield place
    await server.stop()


async def test_the_running_server_and_its_kernel_are_found(place: Place) -> None:
    assert await place.run("import sys; print('to err', file=sys.stderr); print('to out')") == (0, "to out\n", "to err\n")


async def test_an_error_is_1_with_a_traceback_without_colours(place: Place) -> None:
    code, out, err = await place.run("print('before')\n1/0")
    assert (code, out) == (1, "before\n")
    assert err.endswith("ZeroDivisionError: division by zero\n")
    assert "\x1b" not in err


async def test_code_comes_from_a_file_or_from_standard_input(place: Place) -> None:
    (place.folder / "code.py").write_text("print('of a file é')")
    assert await place.run("code.py") == (0, "of a file é\n", "")
    assert await place.run("-", typed="print('typed')") == (0, "typed\n", "")


async def test_a_detached_execution_is_followed_twice(place: Place) -> None:
    """The command that follows it is killed, and another one reads all of the output."""
    fifo = place.folder / "fifo"
    os.mkfifo(fifo)
    code, out, _ = await place.run("--detach", f"print('before', flush=True)\nprint(open({str(fifo)!r}).read())")
    execution_id = out.strip()
    assert code == 0
    follower = await place.start("--follow", execution_id)
    await follower.until("before\n")
    follower.process.kill()
    await follower.end()
    with fifo.open("w") as writer:
        writer.write("after")
    assert await place.run("--follow", execution_id) == (0, "before\nafter\n", "")


async def test_a_lost_connection_loses_no_output(place: Place) -> None:
    """Through a proxy that resets it. The token is in the environment."""
    fifo = place.folder / "of the proxy"
    os.mkfifo(fifo)
    with Proxy(urlsplit(place.server.url).port or 0) as proxy:
        place.variables["JUPYTER_TOKEN"] = TOKEN
        code = f"print('before', flush=True)\nprint(open({str(fifo)!r}).read())"
        command = await place.start("--server", f"http://127.0.0.1:{proxy.port}/team", code)
        del place.variables["JUPYTER_TOKEN"]
        await command.until("before\n")
        told = asyncio.ensure_future(command.until("trying again\n", err=True))

        def cut() -> bool:
            proxy.reset()
            return told.done()

        await eventually(cut, "a request that is cut", 3 * TIMEOUT)
        await told
        with fifo.open("w") as writer:
            writer.write("after")
        assert await command.end() == 0
    assert command.out == "before\nafter\n"


async def test_prompts_are_answered_with_lines_of_standard_input(place: Place) -> None:
    code, out, err = await place.run("ask.py", typed="Ada\nsecret\n")
    assert (code, out) == (0, "Ada 6\n")
    assert err == f"name?  Ada\nword?  {chr(0x2022) * 8}\n"
    code, _, err = await place.run("ask.py", typed="Ada\n")
    assert code == 1
    assert "standard input has ended" in err
    code, _, err = await place.run("--no-stdin", "ask.py")
    assert code == 1
    assert "StdinNotImplementedError" in err


async def test_a_prompt_is_asked_on_the_terminal(place: Place) -> None:
    """The password is not shown, and the record of an answer is not written a second time."""
    master, slave = pty.openpty()
    command = await place.start("ask.py", stdin=slave, stdout=slave, stderr=slave, start_new_session=True)
    os.close(slave)
    loop = asyncio.get_running_loop()

    async def until(text: bytes, seen: bytes = b"") -> bytes:
        async with asyncio.timeout(3 * TIMEOUT):
            while text not in seen:
                seen += await loop.run_in_executor(None, os.read, master, 1 << 16)
        return seen

    await until(b"name? ")
    os.write(master, b"Ada\n")
    await until(b"word? ")
    os.write(master, b"secret\n")
    seen = await until(b"Ada 6")
    assert b"secret" not in seen
    assert b"\xe2\x80\xa2" not in seen
    assert await command.end() == 0
    os.close(master)


async def test_ctrl_c_interrupts_the_code(place: Place) -> None:
    command = await place.start(SLEEP)
    await command.until("on\n")
    command.process.send_signal(signal.SIGINT)
    assert await command.end() == 130
    assert "KeyboardInterrupt" in command.err


async def test_a_second_ctrl_c_leaves_code_that_goes_on(place: Place) -> None:
    first = await place.start(SLEEP)
    await first.until("on\n")
    second = await place.start("print('second')")
    executions: list[Any] = []
    while not any(one["state"] == "queued" for one in executions):
        executions = (await place.api.json())["executions"]
    second.process.send_signal(signal.SIGINT)
    await second.until("waits for other code", err=True)
    second.process.send_signal(signal.SIGINT)
    assert await second.end() == 130
    first.process.send_signal(signal.SIGINT)
    assert await first.end() == 130
    await place.api.done(executions[0]["id"])


async def test_what_the_server_left_out_is_a_line_with_its_size(place: Place) -> None:
    """To the byte, as the kernel wrote it: a line break has two bytes there."""
    lines = 100
    code = f"for _ in range({lines}): print('x' * 998, flush=True)"
    execution_id = (await place.run("--detach", code))[1].strip()
    await place.api.done(execution_id)
    exit_code, out, err = await place.run("--follow", execution_id)
    assert exit_code == 0
    assert 0 < len(out) <= TEXT_LIMIT
    assert f" with {1000 * lines - (len(out) + out.count(chr(10)))} bytes of output are left out here\n" in err
    assert err.count("\n") == 1


async def test_a_restart_is_3(place: Place) -> None:
    command = await place.start(STUBBORN)
    await command.until("on\n")
    await place.server.rest(f"kernels/{place.kernel_id}/restart", "POST")
    assert await command.end() == 3
    assert "the kernel restarted" in command.err


async def test_errors_of_the_server_are_one_sentence(place: Place) -> None:
    other = await place.serve("--ZMQChannelsWebsocketConnection.executions=False")
    try:
        cases = {
            ("1",): "several servers are running; choose one with --server URL:",
            ("1", "--server", other.url): "this server does not offer executions",
            ("1", "--server", other.url, "--token", "wrong"): "is the token right",
            ("1", "--server", f"{other.url}/nowhere"): "there is no Jupyter server at",
            ("1", "--server", place.server.url, "--kernel", "x"): "no such kernel",
            ("--follow", "x", "--server", place.server.url): "no kernel of this server has an execution with this id",
        }
        for arguments, sentence in cases.items():
            code, out, err = await place.run(*arguments)
            assert (code, out) == (2, ""), arguments
            assert sentence in err
    finally:
        await other.stop()
