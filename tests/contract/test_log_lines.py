"""Log lines escape and shorten what a client or a kernel has written, and never show the request with its token."""

import asyncio
import inspect
import textwrap
from collections.abc import Callable
from typing import Any
from unittest.mock import patch
from urllib.parse import quote

import pytest
from jupyter_server.base import handlers
from jupyter_server.base.handlers import JupyterHandler
from tornado import web
from tornado.httpclient import HTTPClientError
from tornado.tcpclient import TCPClient

from kernelws import ZMQChannelsWebsocketConnection
from kernelws.client import prepare
from kernelws.record.log_lines import hide_query
from scripts.docs_facts import ROOT
from tests.support.client import Client
from tests.support.fake_kernel import FakeKernel, Plan
from tests.support.server import TOKEN, Server
from tests.support.wait import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

UPGRADE = (
    "GET {} HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
HOSTILE = {
    "lines": "x\r\n[C] FORGED",
    "terminal": "x\x1b]0;owned\x07\x1b[2J",
    "separators": "x\u2028y\x85z\x7f",
    "direction": "x\u202egnp.exe",
    "surrogate": "x\ud800y",
    "long": "x" * 100_000,
    "formats": "%s%n{0}",
}


def clean(lines: list[str]) -> bool:
    """Whether the lines are printable ASCII and not long, so that a terminal or a log reader shows them as they are."""
    return all(line.isascii() and line.isprintable() and len(line) < 500 for line in lines)


def ours(server: Server, since: int) -> list[str]:
    """The lines that kernelws has logged."""
    return [record.message for record in server.log.records[since:] if "kernelws" in record.pathname]


@pytest.mark.parametrize("name", HOSTILE)
async def test_a_clients_words_are_escaped(server: Server, fake: tuple[str, FakeKernel], name: str) -> None:
    """A message type and a channel."""
    kernel_id, _ = fake
    client = await server.live(kernel_id, "legacy")
    since = len(server.log.records)
    with server.kernels_with(allowed_message_types=["hello"]):
        await client.send(HOSTILE[name])
        await client.send("hello", channel=HOSTILE[name])
        await eventually(lambda: len(ours(server, since)) >= 2, "two lines")
    lines = ours(server, since)
    assert "which is not allowed" in lines[0]
    assert "No such channel" in lines[1]
    assert clean(lines), lines


@pytest.mark.parametrize("name", ["lines", "terminal", "formats"])
async def test_a_session_id_is_escaped(server: Server, fake: tuple[str, FakeKernel], name: str) -> None:
    """From connecting over a bad message and a second connection to the end. One that is not ASCII is refused with 500."""
    kernel_id, kernel = fake
    since = len(server.log.records)
    url = server.channels_url(kernel_id) + "&session_id=" + quote(HOSTILE[name])
    client = await Client.open(url, "v1", "")
    await client.write(b"")
    kernel.publish("while_connected")
    await client.until("while_connected")
    again = await Client.open(url, "v1", "")
    await client.until_closed()
    await again.close()
    await eventually(lambda: server.kernels._kernel_connections[kernel_id] == 0, "the end of the connection")
    lines = ours(server, since)
    assert any("Replacing stale connection" in line for line in lines)
    assert any("Websocket closed" in line for line in lines)
    assert clean(lines), lines
    printed = [record.message for record in server.log.records[since:] if record.name == server.app.log.name]
    assert clean(printed), "neither does the kernel manager log such a key"


@pytest.mark.parametrize("name", [name for name in HOSTILE if name != "surrogate"])
async def test_a_kernels_words_are_escaped(server: Server, name: str) -> None:
    """Its protocol version and its state."""
    since = len(server.log.records)
    kernel_id, kernel = await server.start_fake(Plan(protocol_version="5." + HOSTILE[name]))
    client = await server.live(kernel_id)
    request = await client.execute("")
    received = await kernel.until("execute_request")
    kernel.status(HOSTILE[name], received)
    await client.until(lambda message: message.parent_id == request["header"]["msg_id"])
    lines = ours(server, since)
    assert any("Adapting from protocol version" in line for line in lines)
    assert any("activity on" in line for line in lines)
    assert clean(lines), lines
    await server.close_clients()
    await server.kernels.shutdown_kernel(kernel_id, now=True)


# the token


def held(kernel_id: str) -> list[str]:
    """The keys of a kernel's sessions that have an open connection."""
    return [key for key in ZMQChannelsWebsocketConnection._open_sessions if key.startswith(kernel_id)]


async def test_a_client_that_leaves_while_it_is_prepared_is_no_error(server: Server) -> None:
    """The log shows no exception and no token. Stock logs the whole request."""
    kernel_id, kernel = await server.start_fake(Plan(answers=set(), welcome=False))
    since = len(server.log.records)
    path = server.channels_url(kernel_id).removeprefix(server.url.replace("http", "ws", 1))
    host, port = server.url.removeprefix("http://").split(":")
    with server.logged() as lines:
        stream = await TCPClient().connect(host, int(port))
        await stream.write(UPGRADE.format(path, host).encode())
        await kernel.changes.until(lambda: kernel.probes, what="a request for the kernel's info")
        stream.close()
        await eventually(lambda: any("left before" in line for line in ours(server, since)), "the end of it")
        await server.rest("status")
    assert not any(TOKEN in line for line in lines)
    assert not any("exception" in line.lower() for line in lines)
    assert not held(kernel_id)
    await server.kernels.shutdown_kernel(kernel_id, now=True)


async def test_a_kernel_that_is_deleted_while_a_client_is_prepared_refuses_it(server: Server) -> None:
    """The client gets 404 at once. With stock it waits for kernel_info_timeout, a minute."""
    kernel_id, kernel = await server.start_fake(Plan(answers=set(), welcome=False))
    with patch.object(prepare, "POLL_SECONDS", 0.01), server.logged() as lines:
        connecting = asyncio.ensure_future(server.connect(kernel_id))
        await kernel.changes.until(lambda: kernel.probes, what="a request for the kernel's info")
        await server.kernels.shutdown_kernel(kernel_id, now=True)
        with pytest.raises(HTTPClientError) as refused:
            await connecting
    assert refused.value.code == 404
    assert not any(TOKEN in line for line in lines)
    assert not held(kernel_id)


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_kernel_that_is_deleted_while_a_client_connects_closes_it(server: Server, when: str) -> None:
    """The WebSocket is closed with a code and a reason. ``before``: deleted before ``connect``; ``after``: while it is nudged."""
    kernel_id, kernel = await server.start_fake()

    class Slow(ZMQChannelsWebsocketConnection):
        async def prepare(self) -> None:
            await super().prepare()
            self.link.kernel.new_incarnation()
            kernel.plan.answers.clear()  # or the kernel may answer before it is deleted
            if when == "before":
                await self.multi_kernel_manager.shutdown_kernel(kernel_id, now=True)

    with server.connection_class(Slow), server.logged() as lines:
        client = await server.connect(kernel_id)
        if when == "after":
            await server.kernels.shutdown_kernel(kernel_id, now=True)
        code, reason = await client.until_closed()
    assert (code, reason) == (1011, f"Kernel does not exist: {kernel_id}")
    assert not any(TOKEN in line for line in lines)


def refusing(error: Exception) -> Callable[..., Any]:
    async def refuse(*_: Any) -> None:
        raise error

    return refuse


@pytest.mark.logs_exceptions
@pytest.mark.parametrize(
    "error", [web.HTTPError(500, "cannot %s", "start"), web.HTTPError(403, "100%"), TimeoutError("never"), AttributeError("x")]
)
async def test_whatever_prepare_raises_is_logged_without_the_token(
    server: Server, fake: tuple[str, FakeKernel], error: Exception
) -> None:
    """Tornado would log the request line and a repr of the request; both have the token."""
    kernel_id, _ = fake
    refused = patch.object(prepare.Preparation, "_until_alive", refusing(error))
    with server.logged() as lines, refused, pytest.raises(HTTPClientError):
        await server.connect(kernel_id)
    assert not any(TOKEN in line for line in lines)
    said = {403: "100%", 500: "cannot start"}[error.status_code] if isinstance(error, web.HTTPError) else "Uncaught exception"
    assert any(f"/api/kernels/{kernel_id}/channels (127.0.0.1)" in line and said in line for line in lines), lines
    assert not held(kernel_id)


async def test_a_handler_that_logs_in_a_way_of_its_own_keeps_it(server: Server, fake: tuple[str, FakeKernel]) -> None:
    kernel_id, _ = fake
    client = await server.live(kernel_id)
    handler: Any = server.connection(kernel_id, client).websocket_handler
    assert "log_exception" in vars(handler)
    own = type("Own", (), {"log_exception": lambda self, *_: None})()
    hide_query(own)
    assert not vars(own)


# what kernelws cannot reach


def the_patch() -> str:
    """The diff in docs/upstream.md."""
    return (ROOT / "tests" / "upstream" / "faults" / "token_in_log.patch").read_text(encoding="utf-8")


def patched() -> Any:
    """The method that the diff adds to jupyter_server's ``JupyterHandler``."""
    added = "\n".join(line[1:] for line in the_patch().splitlines() if line.startswith("+") and not line.startswith("+++"))
    scope: dict[str, Any] = dict(vars(handlers))
    exec(textwrap.dedent(added).replace("super()", "super(JupyterHandler, self)"), scope)  # noqa: S102 - what the page says
    return scope["log_exception"]


async def test_the_token_of_a_request_for_an_unknown_kernel_is_logged_before_kernelws_is_asked(server: Server) -> None:
    """docs/upstream.md says so and has a patch. Once a release of jupyter_server has it, remove this test and that section."""
    unknown = "00000000-0000-0000-0000-000000000000"
    with server.logged() as lines, pytest.raises(HTTPClientError):
        await server.connect(unknown)
    assert any(TOKEN in line for line in lines)
    with_patch = patch.object(JupyterHandler, "log_exception", patched())
    with with_patch, server.logged() as lines, pytest.raises(HTTPClientError):
        await server.connect(unknown)
    assert any("Kernel does not exist" in line for line in lines)
    assert not any(TOKEN in line for line in lines)


async def test_the_patch_applies() -> None:
    """Its unchanged lines follow each other in the installed jupyter_server."""
    _, *hunk = the_patch().partition("\n@@")[2].splitlines()
    before = "\n".join(line[1:] for line in hunk if not line.startswith("+"))
    assert before in inspect.getsource(handlers)
