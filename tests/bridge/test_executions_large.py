"""Executions that are more or larger than what is kept: thousands of one line, a million lines, displays of 4 MB, 100 MB of code.

A real kernel, and a server that is a process of its own and has the default limits. What is left out is counted to the byte, and
the memory that the rest took is given back. ``KERNELWS_LARGE=1`` runs 10,000 executions, 1,000 displays and 100 MB of code; else
it is a tenth of each. Must not compare times. Cost: 20 s; with the variable a minute and a half.
"""

import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from kernelws.cli.bench import machine
from kernelws.cli.bench.groups import executed
from kernelws.cli.child import Address, free_port
from kernelws.cli.client import Client
from tests.support.executions import Executions, text
from tests.support.process_server import ProcessServer
from tests.support.server import TOKEN, environment
from tests.support.wait import eventually

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(900),
    pytest.mark.skipif(sys.platform != "linux", reason="reads /proc"),
]

SCALE = 1 if os.environ.get("KERNELWS_LARGE") == "1" else 10
KEPT, EXECUTIONS = 1_000 // SCALE, 10_000 // SCALE
"""Executions that are kept, and that are run."""
LINES, DISPLAYS, SIZE = 1_000_000, 1_000 // SCALE, 4_000_000
CODE = 100_000_000 // SCALE
MEMORY, TEXT = 32 << 20, 4 << 20
"""The default limits of a journal, in bytes."""
MEASURED = f"""
from IPython.display import publish_display_data
session, sizes, serialize = get_ipython().kernel.session, [], get_ipython().kernel.session.serialize
def measured(message, *args, **kwargs):
    parts = serialize(message, *args, **kwargs)
    if message["header"]["msg_type"] == "display_data":
        sizes.append(len(parts[-1]))
    return parts
session.serialize = measured
for n in range({DISPLAYS}):
    publish_display_data({{"text/plain": str(n).rjust({SIZE})}})
"""
"""Publishes displays, and keeps the bytes of the content of each."""


class Place:
    """A server with one kernel, and a page that knows the kernel."""

    def __init__(self, server: ProcessServer, port: int, kernel_id: str) -> None:
        self.server, self.port, self.kernel_id = server, port, kernel_id
        self.api = Executions(server, kernel_id)
        self._before = self._memory()

    def _memory(self) -> int:
        return 1024 * machine.memory_kb(self.server.process.pid)

    async def given_back(self) -> None:
        """The server has given back all memory but what a journal may keep, and some. While the kernel is faster than the server,
        messages wait in libzmq's queue."""
        await eventually(lambda: self._memory() - self._before < 3 * MEMORY, "a server that has given back its memory")


@pytest_asyncio.fixture(loop_scope="module")
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    port, kept = free_port(), f"--ZMQChannelsWebsocketConnection.executions_kept={KEPT}"
    server = await ProcessServer.start(tmp_path, environment(tmp_path), kept, port=port)
    try:
        kernel_id = (await server.rest("kernels", "POST", {"name": "python3"}))["id"]
        api = Executions(server, kernel_id)
        await api.done(await api.run("'the kernel has started'"))
        yield Place(server, port, kernel_id)
    finally:
        await server.stop()


def priorities_of_io_threads(pid: int) -> set[int]:
    """The priorities of libzmq's threads of a process."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    threads = [int(task.name) for task in tasks if (task / "comm").read_text().startswith("ZMQbg/IO/")]
    return {os.getpriority(os.PRIO_PROCESS, thread) for thread in threads}


def numbers(outputs: list[dict[str, Any]]) -> list[int]:
    """The displays that were kept."""
    return [int(one["data"]["text/plain"]) for one in outputs if one["output_type"] == "display_data"]


async def test_before_output_of_code_over_http_libzmqs_threads_have_their_priority(place: Place) -> None:
    """No client has connected to this server. A new thread of libzmq has no name yet, so two requests look for them."""
    await place.api.done(await place.api.run("1"))
    own = os.getpriority(os.PRIO_PROCESS, place.server.process.pid)
    assert priorities_of_io_threads(place.server.process.pid) == {min(19, own + 10)}


async def test_the_newest_of_many_executions_are_kept(place: Place) -> None:
    with Client(Address(place.port, TOKEN), place.kernel_id) as page:
        ids = [executed(page, f"print({n})") for n in range(EXECUTIONS)]
    await place.api.done(ids[-1])
    listed = (await place.api.json())["executions"]
    assert [one["id"] for one in listed] == ids[: -KEPT - 1 : -1]
    assert {one["status"] for one in listed} == {"ok"}
    assert text(await place.api.json(f"/{ids[-KEPT]}")) == f"{EXECUTIONS - KEPT}\n"
    assert await place.api.status(f"/{ids[-KEPT - 1]}") == (404, "no such execution")
    await place.given_back()


async def test_a_million_lines_have_a_beginning_and_an_end(place: Place) -> None:
    found = await place.api.done(await place.api.run(f"for n in range({LINES}): print(n)"))
    found = await place.api.json(f"/{found['id']}")
    kept = text(found)
    whole = "".join(f"{n}\n" for n in range(LINES))
    sizes = [len(one["text"]) for one in found["outputs"]]
    assert whole.startswith(kept[: sizes[0]])
    assert whole.endswith(kept[-sizes[-1] :])
    assert found["left_out"]["bytes"] == len(json.dumps(whole)) - len(json.dumps(kept))
    assert len(json.dumps(kept)) <= TEXT
    await place.given_back()


async def test_many_large_displays(place: Place) -> None:
    execution_id = await place.api.run(MEASURED)
    await place.api.until(execution_id, lambda found: found["state"] == "done", max_bytes=0)
    found = await place.api.json(f"/{execution_id}")
    sizes = json.loads(text(await place.api.done(await place.api.run("print(sizes)"))))
    kept = numbers(found["outputs"])
    assert len(sizes) == DISPLAYS
    assert found["left_out"] == {"messages": DISPLAYS - len(kept), "bytes": sum(sizes) - sum(sizes[n] for n in kept)}
    await place.given_back()


async def test_code_of_100_mb(place: Place) -> None:
    assert (await place.api.status("", "POST", {"code": "x" * 100_000_000}))[0] == 413
    page = await place.server.connect(place.kernel_id)
    request = await page.execute("#" + "x" * CODE, store_history=False)
    echo = await page.until("execute_input")
    assert (echo.parent_id, len(echo.content["code"])) == (request["header"]["msg_id"], 1 + CODE)
    found = await place.api.done(request["header"]["msg_id"])
    assert (found["state"], found["status"], found["outputs"]) == ("done", "ok", [])
    await place.given_back()
