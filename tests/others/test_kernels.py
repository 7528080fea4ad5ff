"""Kernels that are not ipykernel: all output of a loop arrives, later cells see values of earlier ones, an interrupt works.

docs/others.md lists what was run. Must not test what a kernel computes.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.others.conftest import ACTIVE, Start, new_client
from tests.support.client import Client
from tests.support.process import Process
from tests.support.process_server import ProcessServer

LINES = 400
"""xeus-python sends two messages a line, and its socket drops what exceeds 1,000 waiting ones: ZMQ's default for a publisher."""


class Kernel(NamedTuple):
    """A kernelspec's name, the same cells in its language, and the command that installs the kernelspec."""

    name: str
    loop: str
    assign: str
    show: str
    endless: str
    install: tuple[str, ...] = ()


KERNELS = (
    Kernel(
        "xpython",
        f"for number in range({LINES}): print(f'<{{number}}>')",
        "kept = 41 + 1",
        "print(kept)",
        "",  # an interrupt ends this kernel, also without a server
    ),
    Kernel(
        "bash",
        f'for number in $(seq 0 {LINES - 1}); do echo "<$number>"; done',
        "kept=$((41 + 1))",
        "echo $kept",
        "echo on; sleep 600",
        (sys.executable, "-m", "bash_kernel.install", "--user"),
    ),
    Kernel(
        "ir",
        f"for (number in 0:{LINES - 1}) cat('<', number, '>\\n', sep='')",
        "kept <- 41 + 1",
        "cat(kept)",
        "cat('on\\n'); flush.console(); repeat Sys.sleep(0.05)",
        ("Rscript", "-e", "IRkernel::installspec()"),
    ),
)


@pytest.mark.parametrize("kernel", KERNELS, ids=[kernel.name for kernel in KERNELS])
async def test_a_kernel_of_another_kind(
    beside: Start, kernel: Kernel, installation: dict[str, str], keep: Callable[[Process], None], root: Path
) -> None:
    if kernel.install:
        installing = await Process.run(*kernel.install, env=installation, cwd=root)
        keep(installing)
        assert await installing.wait() == 0, installing.output
    server = await beside()
    client = await new_client(server, kernel.name)
    request = await client.execute(kernel.loop)
    await client.idle(request)
    assert client.text(request).split() == [f"<{number}>" for number in range(LINES)]
    await client.run(kernel.assign)
    shown = await client.execute(kernel.show)
    await client.idle(shown)
    assert client.text(shown).strip() == "42"
    if kernel.endless:
        await interrupted(server, client, kernel)
    assert ACTIVE in server.output


async def interrupted(server: ProcessServer, client: Client, kernel: Kernel) -> None:
    """A cell without end ends when it is interrupted, and the kernel has kept its values."""
    endless = await client.execute(kernel.endless)
    await client.until(lambda message: "on" in str(message.content) and message.parent_id == endless["header"]["msg_id"])
    (one,) = await server.rest("kernels")
    await server.rest(f"kernels/{one['id']}/interrupt", "POST")
    await client.idle(endless)
    again = await client.execute(kernel.show)
    await client.idle(again)
    assert client.text(again).strip() == "42"
