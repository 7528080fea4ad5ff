"""One message at a time, through hooks or ``write_message``: one that fails does not affect the others.

tests/contract/test_delivery_ways.py compares all write paths, with a server.
"""

import asyncio
from typing import Any

import pytest
from tornado.websocket import WebSocketClosedError

from kernelws import ZMQChannelsWebsocketConnection, _core
from kernelws.session.session import ClientSession
from tests.support.connection import KERNEL_ID, a_connection
from tests.support.session import a_session

PARTS = [b'{"msg_id":"m","msg_type":"a"}', b"{}", b"{}", b"{}"]
OF_NO_SHAPE = _core.encode_legacy("iopub", [*PARTS[:3], b"[]"])
"""A kernel may say so; no client may."""


def payload(channel: str, number: int) -> str | bytes:
    return _core.encode_legacy(channel, [*PARTS[:3], b'{"n":%d}' % number])


class Connection(ZMQChannelsWebsocketConnection):
    """Has hooks, of which the first one raises ``error``."""

    def __init__(self, **traits: Any) -> None:
        super().__init__(**traits)
        self.channels = {"shell": "the shell channel"}
        self.error: Exception | None = None
        self.seen: list[Any] = []
        self.written: list[str | bytes] = []
        self.link.writer.choose_write_path()

    def handle_outgoing_message(self, stream: Any, frames: list[bytes]) -> None:
        error, self.error = self.error, None
        if error is not None:
            raise error
        self.seen.append((stream, frames[2:][3]))

    @property
    def write_message(self) -> Any:
        return self.write

    def write(self, payload: str | bytes, binary: bool) -> Any:
        self.written.append(payload)
        return asyncio.get_running_loop().create_future()


def connected(error: Exception | None = None) -> tuple[Any, ClientSession]:
    """A connection with hooks, and its session."""
    connection = a_connection("legacy", cls=Connection)
    connection.error = error
    assert connection.link.writer.per_message
    kernel, manager = connection.link.kernel, connection.multi_kernel_manager
    return connection, a_session(f"{KERNEL_ID}:session", manager, kernel=kernel, protocol="legacy")


def tracebacks(caplog: pytest.LogCaptureFixture) -> int:
    return len([record for record in caplog.records if record.exc_info])


async def test_hooks_get_a_channel_where_there_is_one_and_else_its_name() -> None:
    connection, session = connected()
    connection.link.writer._write_each(session, [payload("shell", 1), payload("iopub", 2)])
    assert connection.seen == [("the shell channel", b'{"n":1}'), ("iopub", b'{"n":2}')]


async def test_a_hook_that_fails_keeps_no_other_message_back(caplog: pytest.LogCaptureFixture) -> None:
    connection, session = connected(ZeroDivisionError())
    connection.link.writer._write_each(session, [payload("shell", number) for number in range(3)])
    assert [part for _, part in connection.seen] == [b'{"n":1}', b'{"n":2}']
    assert tracebacks(caplog) == 1


async def test_a_message_that_no_hook_can_be_given_keeps_no_other_back() -> None:
    connection, session = connected()
    connection.link.writer._write_each(session, [payload("shell", 0), OF_NO_SHAPE, payload("shell", 2)])
    assert [part for _, part in connection.seen] == [b'{"n":0}', b'{"n":2}']
    assert connection.faults.counts == {("outgoing", "not_object"): 1}


async def test_a_closed_websocket_is_no_hooks_fault(caplog: pytest.LogCaptureFixture) -> None:
    connection, session = connected(WebSocketClosedError())
    with pytest.raises(WebSocketClosedError):
        connection.link.writer._write_each(session, [payload("shell", 0)])
    assert tracebacks(caplog) == 0


async def test_the_servers_own_messages_pass_the_hooks_by() -> None:
    connection, session = connected()
    own = payload("iopub", 1)
    session.own = {own, "another"}
    future = connection.link.writer._write_each(session, [payload("iopub", 0), own])
    assert isinstance(future, asyncio.Future)
    assert connection.written == [own]
    assert [part for _, part in connection.seen] == [b'{"n":0}']
    assert session.own == {"another"}


async def test_what_a_mock_returns_is_not_awaited() -> None:
    connection, session = connected()
    connection.link.writer.per_message = False
    connection.write = lambda payload, binary: object()
    assert connection.link.writer._write_each(session, [payload("iopub", 0)]) is None
