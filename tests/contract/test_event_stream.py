"""An execution as server-sent events: in order and complete, resumed, kept alive, exact about what is missing."""

import asyncio
import json
import socket
from collections import Counter
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pytest
from tornado.httpclient import AsyncHTTPClient, HTTPRequest, HTTPResponse

from kernelws.executions import stream
from kernelws.kernel.kernel import kernel_of
from tests.support.executions import Executions
from tests.support.fake_kernel import FakeKernel
from tests.support.server import TOKEN, Server
from tests.support.wait import TIMEOUT, Changes, eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass
class Event:
    id: int
    name: str
    data: Any


class Stream:
    """A client of one event stream."""

    def __init__(self, api: Executions, execution_id: str, last: str = "") -> None:
        self.raw = b""
        self.changes = Changes()
        headers = {"Authorization": f"token {TOKEN}", "Accept": "text/event-stream"}
        if last:
            headers["Last-Event-ID"] = last
        url = f"{api.url}/{execution_id}"
        request = HTTPRequest(url, headers=headers, streaming_callback=self._take, request_timeout=TIMEOUT)
        self.answer: asyncio.Future[HTTPResponse] = asyncio.ensure_future(
            AsyncHTTPClient(force_instance=True).fetch(request, raise_error=False)
        )

    def _take(self, data: bytes) -> None:
        self.raw += data
        self.changes.notify()

    @property
    def events(self) -> list[Event]:
        found = []
        for block in self.raw.decode().split("\n\n")[:-1]:
            if not block.startswith(":"):
                number, name, data = (line.partition(": ")[2] for line in block.split("\n"))
                found.append(Event(int(number), name, json.loads(data)))
        return found

    async def until(self, name: str) -> Event:
        """The first event of this name."""
        return await self.changes.until(
            lambda: next((event for event in self.events if event.name == name), None), what=f"{name} in {self.raw[-2000:]!r}"
        )

    async def until_outputs(self, count: int) -> None:
        await self.changes.until(lambda: self.raw.count(b"event: output") >= count, what=f"{count} outputs")

    async def until_near_end(self, data: bytes) -> None:
        """The last 20 KB that have come contain ``data``."""
        await self.changes.until(lambda: data in self.raw[-20_000:], what=f"{data!r}")

    async def end(self) -> list[Event]:
        response = await self.answer
        assert response.code == 200
        assert response.headers["Content-Type"] == "text/event-stream"
        return self.events


def text(events: list[Event]) -> str:
    return "".join(event.data["text"] for event in events if event.name == "output")


async def test_a_stream_has_everything_and_ends_with_the_execution(api: Executions) -> None:
    execution_id = await api.run("for n in range(1000): print(n, flush=True)\n1/0")
    events = await Stream(api, execution_id).end()
    outputs = [event.data for event in events if event.name == "output"]
    assert "".join(one["text"] for one in outputs[:-1]) == "".join(f"{n}\n" for n in range(1000))
    assert outputs[-1]["ename"] == "ZeroDivisionError"
    assert [event.name for event in events if event.name != "output"][-1] == "done"
    assert events[-1].data["status"] == "error"
    assert [event.id for event in events] == sorted(event.id for event in events)
    assert not any(event.name == "gap" for event in events)


async def test_a_reader_that_comes_back_gets_the_rest(api: Executions) -> None:
    execution_id = await api.run("print('first', flush=True)\nprint(input('go? '))", allow_stdin=True)
    first = Stream(api, execution_id)
    prompt = await first.until("input_request")
    assert prompt.data == {"prompt": "go? ", "password": False}
    assert text(first.events) == "first\n"
    await api.json(f"/{execution_id}/input", "POST", {"value": "on"})
    second = Stream(api, execution_id, last=str(prompt.id))
    assert text(await second.end()) == "go?  on\non\n"
    assert text(await first.end()) == "first\ngo?  on\non\n"


async def test_cleared_output_is_said_to_be_cleared(api: Executions) -> None:
    code = "from IPython.display import clear_output\nprint('old', flush=True)\ninput('')\nclear_output()\nprint('new')"
    execution_id = await api.run(code, allow_stdin=True)
    reader = Stream(api, execution_id)
    await reader.until("input_request")
    await api.json(f"/{execution_id}/input", "POST", {"value": ""})
    events = await reader.end()
    names = [event.name for event in events]
    assert text(events[names.index("clear") :]) == "new\n"
    late = await Stream(api, execution_id).end()
    assert text(late) == "new\n"


async def test_a_silent_stream_is_kept_alive(api: Executions, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "KEEP_ALIVE", 0.01)
    execution_id = await api.run("input('')", allow_stdin=True)
    reader = Stream(api, execution_id)
    await reader.changes.until(lambda: b"\n: still here\n" in reader.raw or reader.raw.startswith(b": "), what="a comment")
    await reader.until("input_request")
    await api.json(f"/{execution_id}/input", "POST", {"value": ""})
    await reader.end()


async def begun(api: Executions, kernel: FakeKernel) -> tuple[str, dict[str, Any]]:
    """An execution that runs, and the header of its request."""
    execution_id = await api.run("flood")
    parent: dict[str, Any] = (await kernel.until("execute_request")).message["header"]
    kernel.publish("status", {"execution_state": "busy"}, parent)
    return execution_id, parent


async def test_what_a_reader_misses_is_told_to_the_byte(server: Server, fake: tuple[str, FakeKernel]) -> None:
    """The journal drops text that a slow reader has not read yet, and text that a fast reader has read already."""
    kernel_id, kernel = fake
    api = Executions(server, kernel_id)
    execution_id, parent = await begun(api, kernel)
    journal = kernel_of(server.kernels.get_kernel(kernel_id)).journal
    assert journal is not None
    journal.core.configure(executions=10, memory=1 << 20, text=100_000, age=1e6, widgets=0, widget_memory=0)
    reader = Stream(api, execution_id)
    await reader.until("state")
    for n in range(3000):
        kernel.publish("stream", {"name": "stdout", "text": f"{n:099d}\n"}, parent)
    kernel.publish("status", {"execution_state": "idle"}, parent)
    events = await reader.end()
    gaps = [event.data for event in events if event.name == "gap"]
    got = text(events)
    assert len(got) + sum(gap["bytes"] for gap in gaps) - sum(gap["messages"] for gap in gaps) == 300_000
    late = await Stream(api, execution_id).end()
    [gap] = [event.data for event in late if event.name == "gap"]
    assert len(text(late)) // 100 + gap["messages"] == 3000
    assert gap["bytes"] == 101 * gap["messages"]


async def test_all_readers_get_an_event_that_is_encoded_once(
    fake: tuple[str, FakeKernel], server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded: Counter[int] = Counter()

    def event(name: str, data: Any, cursor: int) -> bytes:
        encoded[cursor] += name == "output"
        return made(name, data, cursor)

    made = stream.event
    monkeypatch.setattr(stream, "event", event)
    kernel_id, kernel = fake
    api = Executions(server, kernel_id)
    execution_id, parent = await begun(api, kernel)
    readers = [Stream(api, execution_id) for _ in range(20)]
    for reader in readers:
        await reader.until("state")
    for n in range(10):
        kernel.publish("display_data", {"data": {"text/plain": str(n)}, "metadata": {}}, parent)
        for reader in readers:
            await reader.until_outputs(n + 1)
    kernel.publish("status", {"execution_state": "idle"}, parent)
    for reader in readers:
        shown = [event.data["data"]["text/plain"] for event in await reader.end() if event.name == "output"]
        assert shown == [str(n) for n in range(10)]
    assert sum(encoded.values()) == 10


async def test_a_reader_that_does_not_read_costs_one_piece(
    fake: tuple[str, FakeKernel], server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others read on meanwhile. When it reads again, it gets what is kept, a gap, and the end."""
    found: list[Any] = []

    class Recording(stream.Reader):
        def __init__(self, handler: Any, *arguments: Any) -> None:
            super().__init__(handler, *arguments)
            found.append(handler.request.connection.stream)

    monkeypatch.setattr(stream, "Reader", Recording)
    kernel_id, kernel = fake
    api = Executions(server, kernel_id)
    execution_id, parent = await begun(api, kernel)
    host, port = urlsplit(api.url).netloc.split(":")
    with socket.socket() as silent:
        silent.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        silent.connect((host, int(port)))
        path = urlsplit(f"{api.url}/{execution_id}").path
        lines = (
            f"GET {path} HTTP/1.1",
            f"Host: {host}:{port}",
            f"Authorization: token {TOKEN}",
            "Accept: text/event-stream",
            "",
            "",
        )
        silent.sendall("\r\n".join(lines).encode())
        [connection] = await eventually(lambda: found, "its request")
        connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        reader = Stream(api, execution_id)
        await reader.until("state")
        for n in range(600):
            kernel.publish("stream", {"name": "stdout", "text": f"{n:09d}\n" * 1000}, parent)
            await reader.until_near_end(f"{n:09d}".encode())
            assert len(connection._write_buffer) < 1.2 * stream.PIECE
        kernel.publish("status", {"execution_state": "idle"}, parent)
        assert text(await reader.end()).count("\n") == 600_000
        assert len(connection._write_buffer) > 0, "it has not read"
        silent.setblocking(False)
        got = b""
        while b"event: done" not in got:
            got += await asyncio.wait_for(asyncio.get_running_loop().sock_recv(silent, 1 << 20), TIMEOUT)
    assert got.count(b"event: gap") == 1
    assert b"000000000\\n000000000" in got
    assert b"000000599\\n000000599" in got


async def test_a_stream_ends_when_its_kernel_goes(server: Server) -> None:
    kernel_id = await server.start_kernel()
    api = Executions(server, kernel_id)
    reader = Stream(api, await api.run("import time\nprint('on', flush=True)\ntime.sleep(1000)"))
    await reader.until("output")
    await server.rest(f"kernels/{kernel_id}", "DELETE")
    events = await reader.end()
    assert events[-1].name == "done"
    assert events[-1].data["state"] in ("lost", "done")


async def test_a_bad_last_event_id_is_refused(api: Executions) -> None:
    execution_id = await api.run("1")
    response = await Stream(api, execution_id, last="x").answer
    assert response.code == 400
