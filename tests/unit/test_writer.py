"""One message at a time, through hooks or ``write_message``: one that fails takes no other with it.

What the ways have in common is tests/contract/test_delivery_ways.py, with a server.
"""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from tornado.websocket import WebSocketClosedError

from kernelws import ZMQChannelsWebsocketConnection, _core
from kernelws.client.outbound import Writer

PARTS = [b'{"msg_id":"m","msg_type":"a"}', b"{}", b"{}", b"{}"]
OF_NO_SHAPE = _core.encode_legacy("iopub", [*PARTS[:3], b"[]"])
"""A kernel may say so; no client may."""


def payload(channel: str, number: int) -> str | bytes:
    return _core.encode_legacy(channel, [*PARTS[:3], b'{"n":%d}' % number])


class Connection(SimpleNamespace):
    """What a delivery needs of a connection that has hooks; ``error`` is raised by the first one."""

    def __init__(self, error: Exception | None = None) -> None:
        self.seen: list[Any] = []
        self.written: list[str | bytes] = []
        self.errors = [error] if error else []
        self.complained: list[str] = []
        self.logged: list[str] = []
        super().__init__(
            channels={"shell": "the shell channel"},
            signer=_core.Signer(b"", "hmac-sha256"),
            subprotocol=None,
            log=SimpleNamespace(exception=lambda text, *_: self.logged.append(text)),
            complaints=SimpleNamespace(add=lambda channel, kind, sentence: self.complained.append(kind)),
        )
        self.delivery = Writer(self, ZMQChannelsWebsocketConnection)  # type: ignore[arg-type]
        self.delivery.per_message = True

    def handle_outgoing_message(self, stream: Any, frames: list[bytes]) -> None:
        if self.errors:
            raise self.errors.pop()
        self.seen.append((stream, frames[2:][3]))

    def write_message(self, payload: str | bytes, binary: bool) -> Any:
        self.written.append(payload)
        return asyncio.get_running_loop().create_future()


def test_hooks_get_a_channel_where_there_is_one_and_else_its_name() -> None:
    connection: Any = Connection()
    connection.link.writer._write_each([payload("shell", 1), payload("iopub", 2)])
    assert connection.seen == [("the shell channel", b'{"n":1}'), ("iopub", b'{"n":2}')]


def test_a_hook_that_fails_keeps_no_other_message_back() -> None:
    connection: Any = Connection(ZeroDivisionError())
    connection.link.writer._write_each([payload("shell", number) for number in range(3)])
    assert [part for _, part in connection.seen] == [b'{"n":1}', b'{"n":2}']
    assert len(connection.logged) == 1


def test_a_message_that_no_hook_can_be_given_keeps_no_other_back() -> None:
    connection: Any = Connection()
    connection.link.writer._write_each([payload("shell", 0), OF_NO_SHAPE, payload("shell", 2)])
    assert [part for _, part in connection.seen] == [b'{"n":0}', b'{"n":2}']
    assert connection.complained == ["not_object"]


def test_a_closed_websocket_is_no_hooks_fault() -> None:
    connection: Any = Connection(WebSocketClosedError())
    with pytest.raises(WebSocketClosedError):
        connection.link.writer._write_each([payload("shell", 0)])
    assert connection.logged == []


async def test_the_servers_own_messages_pass_the_hooks_by() -> None:
    connection: Any = Connection()
    own = payload("iopub", 1)
    connection.link.writer._mailbox = SimpleNamespace(own={own, "another"})
    future = connection.link.writer._write_each([payload("iopub", 0), own])
    assert isinstance(future, asyncio.Future)
    assert connection.written == [own]
    assert [part for _, part in connection.seen] == [b'{"n":0}']
    assert connection.link.writer._mailbox.own == {"another"}


async def test_what_a_mock_returns_is_not_awaited() -> None:
    connection: Any = Connection()
    connection.link.writer.per_message = False
    connection.write_message = lambda payload, binary: object()
    assert connection.link.writer._write_each([payload("iopub", 0)]) is None
