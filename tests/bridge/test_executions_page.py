"""Each bash block of docs/executions.md, run as it is with a real curl against a real server and kernel.

A block runs after the page's first one, in a folder of its own; only the address, the token and the kernel are replaced. The id
that a block expects is that of an execution that the test has begun.
"""

import asyncio
import json
import os
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from kernelws.cli.child import free_port
from tests.support.executions import Executions, text
from tests.support.process_server import ProcessServer
from tests.support.server import TOKEN
from tests.support.wait import TIMEOUT

pytestmark = pytest.mark.asyncio(loop_scope="module")

PAGE = (Path(__file__).parents[2] / "docs" / "executions.md").read_text(encoding="utf-8")
BLOCKS = dict(re.findall(r"^#{2,3} ([^\n]+)\n(?:(?!^#{2,3} ).)*?^```bash\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
"""Heading -> its bash block."""
FIRST = "With curl"
RUN = {
    "Run code and read its output",
    "Come back later",
    "Follow live",
    "Follow live with server-sent events",
    "Answer a prompt",
    "Interrupt",
    "Read the last 64 KiB of a long run",
    "List",
    "Forget",
}
"""The blocks that the tests below run."""


class Shell:
    """Runs blocks of the page for one kernel."""

    def __init__(self, api: Executions, kernel_id: str, folder: Path) -> None:
        self.api, self.folder = api, folder
        server = api.url.partition("/kernelws/")[0]
        self.first = BLOCKS[FIRST]
        values = {"http://localhost:8888": server, "your-token": TOKEN, "the-id-of-a-kernel": kernel_id}
        for before, after in values.items():
            assert before in self.first
            self.first = self.first.replace(before, after)

    async def run(self, heading: str, execution_id: str = "") -> str:
        """What a block prints."""
        script = f"set -euo pipefail\n{self.first}ID={execution_id}\n{BLOCKS[heading]}"
        process = await asyncio.create_subprocess_exec(
            "bash",
            "-c",
            script,
            cwd=self.folder,
            env=os.environ | {"no_proxy": "*"},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(3 * TIMEOUT):
            out, err = await process.communicate()
        assert (process.returncode, err) == (0, b""), err.decode()
        return out.decode()

    async def newest(self) -> dict[str, Any]:
        """The execution that a block has begun, once it is over."""
        return await self.api.done((await self.api.json())["executions"][0]["id"])


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shell(
    jupyter_environment: dict[str, str], jupyter_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Shell]:
    server = await ProcessServer.start(jupyter_folder / "root", jupyter_environment, port=free_port())
    kernel_id = str((await server.rest("kernels", "POST"))["id"])
    yield Shell(Executions(server, kernel_id), kernel_id, tmp_path_factory.mktemp("shell"))
    await server.stop()


async def test_every_block_is_run() -> None:
    assert set(BLOCKS) == RUN | {FIRST}
    assert PAGE.count("```bash\n") == len(BLOCKS)


async def test_code_is_run_and_read(shell: Shell) -> None:
    """The page shows this answer."""
    found = json.loads(await shell.run("Run code and read its output"))
    (shown,) = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    expected = json.loads(shown)
    expected["outputs"][1]["execution_count"] = found["outputs"][1]["execution_count"]
    assert found == expected
    assert (shell.folder / "kernelws.curl").stat().st_mode & 0o777 == 0o600


async def test_one_comes_back_later(shell: Shell) -> None:
    execution_id = await shell.api.run("print('kept')")
    await shell.api.done(execution_id)
    for _ in range(2):
        found = json.loads(await shell.run("Come back later", execution_id))
        assert (found["state"], found["status"], text(found)) == ("done", "ok", "kept\n")
        assert found["finished"].endswith("Z")


async def test_output_is_followed_live(shell: Shell) -> None:
    assert await shell.run("Follow live") == "0\n1\n2\n"


async def test_events_are_followed(shell: Shell) -> None:
    assert await shell.run("Follow live with server-sent events") == "0\n1\n2\n"


async def test_a_prompt_is_answered(shell: Shell) -> None:
    assert json.loads(await shell.run("Answer a prompt")) == {"prompt": "name? ", "password": False}
    assert text(await shell.newest()) == "hello Ada\n"


async def test_code_is_interrupted(shell: Shell) -> None:
    assert await shell.run("Interrupt") == "204\n"
    found = await shell.newest()
    assert found["outputs"][-1]["ename"] == "KeyboardInterrupt"


async def test_the_end_of_a_long_run_is_read(shell: Shell) -> None:
    execution_id = await shell.api.run("for number in range(3000): print(f'{number:099}', flush=True)")
    await shell.api.done(execution_id)
    left_out = json.loads(await shell.run("Read the last 64 KiB of a long run", execution_id))
    assert left_out["bytes"] > 0
    end = (shell.folder / "end.txt").read_text()
    assert len(end) == 65536
    lines = end.splitlines()
    assert [int(line) for line in lines[-600:]] == list(range(2400, 3000))


async def test_executions_are_listed_and_forgotten(shell: Shell) -> None:
    execution_id = await shell.api.run("1")
    found = await shell.api.done(execution_id)
    assert (await shell.run("List")).splitlines()[0] == f"{execution_id} ok {found['finished']}"
    assert await shell.run("Forget", execution_id) == "204\n"
    assert execution_id not in await shell.run("List")
