"""An execution as server-sent events: in order and complete, resumed, kept alive, exact about what is missing."""

import asyncio
import json
from dataclasses import dataclass
from typing import Any

import pytest
from tornado.httpclient import AsyncHTTPClient, HTTPRequest, HTTPResponse

from kernelws.executions import stream
from kernelws.kernel.kernel import kernel_of
from tests.support.executions import Executions
from tests.support.fake_kernel import FakeKernel
from tests.support.server import TOKEN, Server
from tests.support.wait import TIMEOUT, Changes

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


async def test_what_a_reader_misses_is_told_to_the_byte(server: Server, fake: tuple[str, FakeKernel]) -> None:
    """The journal drops text that a slow reader has not read yet, and text that a fast reader has read already."""
    kernel_id, kernel = fake
    api = Executions(server, kernel_id)
    execution_id = await api.run("flood")
    request = await kernel.until("execute_request")
    parent = request.message["header"]
    kernel.publish("status", {"execution_state": "busy"}, parent)
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
