"""The audit, as an auditor reads it: JSON lines of each execution of two users and of a client of the kernel itself, once each.

The users come from the header ``X-User``, as in ``test_executions_users``. The handler is the one that docs/audit.md shows.
"""

import asyncio
import hashlib
import json
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.session import Session
from jupyter_events.schema import EventSchema
from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.websocket import websocket_connect

from kernelws.kernel.kernel import kernel_of
from kernelws.record import audit
from tests.contract.test_executions_users import ByHeader, Of, run, until
from tests.contract.test_metrics import growth
from tests.support.client import Client
from tests.support.fake_kernel import FakeKernel, Received
from tests.support.server import TOKEN, Server
from tests.support.wait import TIMEOUT, eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

BRIDGE = "ZMQChannelsWebsocketConnection"


class Lines(logging.FileHandler):
    """What docs/audit.md shows, with a place to read it. ``fault`` is raised instead of writing."""

    def __init__(self, file: Path) -> None:
        super().__init__(file)
        self.fault: Exception | None = None
        self.written: set[str] = set()
        """Ids of recorded executions. A test waits for an id here before it reads the file."""

    def emit(self, record: logging.LogRecord) -> None:
        if self.fault is not None:
            raise self.fault
        super().emit(record)
        event: Any = record.msg
        self.written.add(event.get("execution_id", ""))

    def __deepcopy__(self, _: object) -> "Lines":
        """traitlets copies the configuration; the copy must have the same handler."""
        return self

    @property
    def text(self) -> str:
        return Path(self.baseFilename).read_text()

    def events(self) -> list[dict[str, Any]]:
        found = [json.loads(line) for line in self.text.splitlines()]
        return [event for event in found if event["__schema__"] == audit.SCHEMA]

    def of(self, execution_id: str) -> list[dict[str, Any]]:
        return [event for event in self.events() if event["execution_id"] == execution_id]


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> Lines:
    return Lines(tmp_path_factory.mktemp("audit") / "executions.jsonl")


@pytest.fixture(scope="module")
def source() -> bool:
    return False


@pytest.fixture(scope="module")
def server_config(lines: Lines, source: bool) -> dict[str, Any]:
    return {
        "ServerApp": {"identity_provider_class": ByHeader},
        "EventLogger": {"handlers": [lines]},
        BRIDGE: {"audit_executions": True, "audit_source": source},
    }


async def page_of(server: Server, kernel_id: str, user: str, protocol: str = "v1") -> Client:
    return await server.connect(kernel_id, protocol, http={"headers": {"X-User": user}})


@pytest_asyncio.fixture(loop_scope="module")
async def foreign(server: Server, kernel_id: str) -> AsyncIterator[AsyncKernelClient]:
    """A client that is connected to the kernel itself, as ``jupyter console --existing`` is."""
    client: AsyncKernelClient = server.kernels.get_kernel(kernel_id).client()
    client.session = Session(key=client.session.key)
    client.start_channels()
    await client.wait_for_ready(timeout=TIMEOUT)
    yield client
    client.stop_channels()


def digest(code: str) -> str:
    return hashlib.sha256(code.encode()).hexdigest()


async def once(lines: Lines, execution_id: str) -> dict[str, Any]:
    """The event of this execution, of which there is one."""
    await eventually(lambda: execution_id in lines.written, f"the event of {execution_id}")
    (event,) = lines.of(execution_id)
    return event


async def test_every_execution_of_everyone_is_there_once(
    server: Server, kernel_id: str, lines: Lines, foreign: AsyncKernelClient, protocol: str
) -> None:
    pages = {user: await page_of(server, kernel_id, user, protocol) for user in ("ada", "bob")}
    expected: dict[str, tuple[str | None, str, str, str]] = {}
    over_http = {user: Of(server, kernel_id, user) for user in pages}
    for round_ in range(3):
        for user, page in pages.items():
            code = f"print('{user} {round_}')"
            request = await page.execute(code)
            await page.idle(request)
            expected[request["header"]["msg_id"]] = (user, "websocket", "ok", code)
            code = f"{round_} / 0"
            execution_id = await run(over_http[user], code)
            await until(over_http[user], execution_id, "done")
            expected[execution_id] = (user, "http", "error", code)
        code = f"'foreign', {round_}"
        execution_id = foreign.execute(code)
        await foreign._async_recv_reply(execution_id, timeout=TIMEOUT)
        expected[execution_id] = (None, "other", "ok", code)
    for execution_id, (owner, via, status, code) in expected.items():
        event = await once(lines, execution_id)
        assert (event["user"], event["via"], event["status"], event["state"]) == (owner, via, status, "done")
        assert event["source_sha256"] == digest(code)
        assert event["kernel_id"] == kernel_id
        assert event["started"] <= event["finished"]
        assert (event["submitted"] is None) == (via == "other")
    assert foreign.session.session in {event["session"] for event in lines.events()}
    assert {page.session_id for page in pages.values()} <= {event["session"] for event in lines.events()}
    assert "print(" not in lines.text, "no source"
    assert "ZeroDivision" not in lines.text, "no output"


async def test_a_silent_request_and_one_on_control_are_executions(server: Server, kernel_id: str, lines: Lines) -> None:
    """Otherwise a user could hide code from the audit."""
    page = await page_of(server, kernel_id, "ada")
    silent = await page.execute("hidden = 1", silent=True)
    await page.idle(silent)
    event = await once(lines, silent["header"]["msg_id"])
    assert (event["user"], event["status"], event["source_sha256"]) == ("ada", None, digest("hidden = 1"))
    control = await page.send("execute_request", {"code": "2", "silent": False}, channel="control")
    event = await once(lines, control["header"]["msg_id"])
    assert (event["user"], event["via"], event["status"]) == ("ada", "websocket", "ok")


async def test_what_is_aborted_or_lost_is_there_too(server: Server, lines: Lines) -> None:
    kernel_id = await server.start_kernel()
    page = await page_of(server, kernel_id, "bob")
    await page.idle(await page.execute("import time"))
    fails, aborted = await page.execute("time.sleep(0.2); 1 / 0"), await page.execute("2")
    await page.idle(aborted)
    assert (await once(lines, fails["header"]["msg_id"]))["status"] == "error"
    assert (await once(lines, aborted["header"]["msg_id"]))["status"] == "aborted"
    runs, waits = await page.execute("time.sleep(1000)"), await page.execute("3")
    await page.until(lambda message: message.msg_type == "execute_input" and message.parent["msg_id"] == runs["header"]["msg_id"])
    await server.kernels.shutdown_kernel(kernel_id, now=True)
    for request, started in ((runs, True), (waits, False)):
        event = await once(lines, request["header"]["msg_id"])
        assert (event["state"], event["status"], event["started"] is not None) == ("lost", None, started)


async def test_an_event_is_valid_and_has_nothing_else(lines: Lines) -> None:
    schema = EventSchema(audit.SCHEMA_FILE)
    names = set(schema._schema["properties"]) - {"source"}
    for event in lines.events():
        assert {name for name in event if not name.startswith("__")} == names
        assert event["__schema_version__"] == "1"


@pytest.mark.logs_exceptions
async def test_a_handler_that_fails_costs_no_message_and_is_told_once_a_minute(
    server: Server, kernel_id: str, lines: Lines
) -> None:
    metrics = await growth(server)
    page = await page_of(server, kernel_id, "ada")
    lines.fault = OSError("secret of the handler")
    try:
        for n in range(5):
            request = await page.execute(f"print({n})")
            await page.idle(request)
            answers = [m.msg_type for m in page.messages if m.parent.get("msg_id") == request["header"]["msg_id"]]
            assert {"execute_input", "stream", "status"} <= set(answers)
        assert await metrics.of("audit_failures_total") == 5
    finally:
        lines.fault = None
    told = [record.message for record in server.log.records if "audit event" in record.message]
    assert told == ["an audit event was not recorded: a handler of events failed (OSError)"]
    request = await page.execute("6")
    await once(lines, request["header"]["msg_id"])


async def test_another_user_can_neither_listen_nor_forge(server: Server, kernel_id: str, lines: Lines) -> None:
    """Everyone who may use events can open the server's WebSocket for events, and post events of any schema."""
    url = f"{server.url.replace('http', 'ws', 1)}/api/events/subscribe?token={TOKEN}"
    listener = await websocket_connect(HTTPRequest(url, headers={"X-User": "bob"}))
    page = await page_of(server, kernel_id, "ada")
    request = await page.execute("'of ada'")
    event = await once(lines, request["header"]["msg_id"])
    await server.rest(f"kernels/{kernel_id}/interrupt", "POST")  # an event of jupyter_server's follows
    heard = await asyncio.wait_for(listener.read_message(), TIMEOUT)
    assert heard is not None
    assert "kernel_actions" in str(heard)
    listener.close()
    forged = {name: value for name, value in event.items() if not name.startswith("__")} | {"execution_id": "forged"}
    with pytest.raises(HTTPClientError, match="400"):
        await server.fetch("events", "POST", {"schema_id": audit.SCHEMA, "version": "1", "data": forged})
    assert not lines.of("forged")


async def test_a_burst_of_executions_loses_no_event(server: Server, fake: tuple[str, FakeKernel], lines: Lines) -> None:
    """All at once. ``tests/unit/test_auditing.py`` has more."""
    kernel_id, kernel = fake
    page = await server.live(kernel_id, http={"headers": {"X-User": "ada"}})

    def answer(request: Received) -> None:
        kernel.status("busy", request)
        kernel.publish("execute_input", {"code": "1", "execution_count": 1}, request)
        kernel.status("idle", request)

    kernel.on["execute_request"] = answer
    requests = [await page.execute("1") for _ in range(150)]
    await once(lines, requests[-1]["header"]["msg_id"])
    found = [event["execution_id"] for event in lines.events() if event["session"] == page.session_id]
    assert found == [request["header"]["msg_id"] for request in requests]
    held = kernel_of(server.kernels.get_kernel(kernel_id)).audit
    assert held is not None
    assert not held._open
