"""``on_disconnect``: code that is interrupted when the last client that waits for its output has closed its connection."""

import asyncio
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from kernelws.executions.handler import SERVICE
from tests.support.executions import Executions, journal_of, text
from tests.support.server import TOKEN, Server
from tests.support.wait import TIMEOUT, eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

UNTIL_GO = "import pathlib, time\nprint('on', flush=True)\nwhile not pathlib.Path({!r}).exists(): time.sleep(0.01)"


async def follow(api: Executions, execution_id: str, event: str = "output") -> asyncio.StreamWriter:
    """A client that follows an execution and has its first event of this name. Close it."""
    url = urlsplit(f"{api.url}/{execution_id}")
    reader, writer = await asyncio.open_connection(url.hostname, url.port)
    head = f"GET {url.path} HTTP/1.1\r\nHost: {url.netloc}\r\nAuthorization: token {TOKEN}\r\nAccept: text/event-stream\r\n\r\n"
    writer.write(head.encode())
    async with asyncio.timeout(TIMEOUT):
        await reader.readuntil(f"event: {event}".encode())
    return writer


@pytest.mark.parametrize(("on_disconnect", "status"), [("keep", "ok"), ("interrupt", "error")])
async def test_code_ends_with_its_last_reader_if_that_is_asked_for(
    api: Executions, tmp_path: Path, on_disconnect: str, status: str
) -> None:
    go = tmp_path / "go"
    one = await api.run(UNTIL_GO.format(str(go)), on_disconnect=on_disconnect)
    readers = [await follow(api, one) for _ in range(2)]
    readers[0].close()
    await readers[0].wait_closed()
    assert (await api.json(f"/{one}"))["state"] == "running", "another client follows it"
    readers[1].close()
    if on_disconnect == "keep":
        go.touch()
    found = await api.done(one)
    assert (text(found), found["status"]) == ("on\n", status)


async def test_code_that_waits_is_interrupted_when_it_begins(api: Executions, tmp_path: Path) -> None:
    """Before that, an interrupt would stop the code in front of it."""
    go = tmp_path / "go"
    before = await api.run(UNTIL_GO.format(str(go)))
    one = await api.run(UNTIL_GO.format(str(tmp_path / "never")), on_disconnect="interrupt")
    (await follow(api, one, "state")).close()
    await api.until(before, lambda found: text(found) == "on\n")
    go.touch()
    assert (await api.done(before))["status"] == "ok"
    assert (await api.done(one))["status"] == "error"


async def test_code_that_waits_goes_on_if_a_client_comes_back(server: Server, api: Executions, tmp_path: Path) -> None:
    """A client whose connection was cut may come back, so a cut alone must not interrupt the code."""
    executions = server.app.web_app.settings[SERVICE]
    before = await api.run(UNTIL_GO.format(str(tmp_path / "before")))
    one = await api.run(UNTIL_GO.format(str(tmp_path / "one")), on_disconnect="interrupt")
    (await follow(api, one, "state")).close()
    await eventually(lambda: executions._interrupts, "the server notices it")
    again = await follow(api, one, "state")
    (tmp_path / "before").touch()
    await api.done(before)
    await api.until(one, lambda found: text(found) == "on\n")
    (tmp_path / "one").touch()
    assert (await api.done(one))["status"] == "ok"
    again.close()


async def test_code_that_a_page_has_taken_over_goes_on(server: Server, kernel_id: str, api: Executions, tmp_path: Path) -> None:
    executions = server.app.web_app.settings[SERVICE]
    one = await api.run(UNTIL_GO.format(str(tmp_path / "go")), on_disconnect="interrupt")
    reader = await follow(api, one)
    page = await server.connect(kernel_id)
    await api.json("/attach", "POST", {"session_id": page.session_id, "msg_ids": [one]})
    journal = journal_of(server, kernel_id)
    readers = executions._fragile[journal][journal.core.number(one)]
    reader.close()
    await eventually(lambda: not readers.count, "the server notices it")
    await eventually(lambda: not executions._interrupts, "the decision")
    (tmp_path / "go").touch()
    assert (await api.done(one))["status"] == "ok"


async def test_what_is_over_is_remembered_no_longer(server: Server, api: Executions) -> None:
    executions = server.app.web_app.settings[SERVICE]
    for _ in range(3):
        await api.done(await api.run("1", on_disconnect="interrupt"))
    assert [len(known) for known in executions._fragile.values()] == [1]


async def test_another_value_is_refused(api: Executions) -> None:
    status, reason = await api.status("", "POST", {"code": "1", "on_disconnect": "stop"})
    assert (status, reason) == (400, "on_disconnect must be one of keep, interrupt")
