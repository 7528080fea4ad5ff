"""The server's own messages: upstream's words, the kernel's session, and no write that raises.

That the texts of the rate limits are upstream's is tested in tests/parity/test_rate.py, word for word.
"""

import json
from typing import Any, Literal

import pytest
from tornado.websocket import WebSocketClosedError

from kernelws import ZMQChannelsWebsocketConnection
from kernelws.messages import notices
from kernelws.messages.notices import ServerMessages
from tests.parity import upstream
from tests.support.connection import a_connection
from tests.support.session import a_session

Protocol = Literal["v1", "legacy"]
PROTOCOLS: tuple[Protocol, ...] = ("v1", "legacy")


def server_messages(protocol: Protocol, kernel_session: str | None, packer: str = "json") -> ServerMessages:
    return ServerMessages(upstream.session_for(b"", packer=packer), protocol, kernel_session)


def read(payload: str | bytes, messages: ServerMessages) -> tuple[str, dict[str, Any]]:
    """Channel and message."""
    if isinstance(payload, str):
        assert messages.protocol == "legacy"
        message = json.loads(payload)
        return message.pop("channel"), message
    channel, parts = upstream.deserialize_msg_from_ws_v1(payload)
    names = ("header", "parent_header", "metadata", "content")
    return channel, {name: messages.session.unpack(part) for name, part in zip(names, parts, strict=True)}


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("packer", ["json", "orjson", "msgpack"])
def test_a_notice_speaks_with_the_kernels_session(protocol: Protocol, packer: str) -> None:
    messages = server_messages(protocol, "the-kernel", packer)
    parent = {"msg_id": "p", "session": "client", "msg_type": "execute_request"}
    channel, message = read(messages.stream("a text\n", parent), messages)
    assert channel == "iopub"
    assert message["header"]["session"] == "the-kernel"
    assert message["header"]["msg_type"] == "stream"
    assert message["parent_header"]["msg_id"] == "p"
    assert message["content"] == {"text": "a text\n", "name": "stderr"}


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_before_the_kernel_was_heard_a_notice_speaks_with_the_connections_session(protocol: Protocol) -> None:
    messages = server_messages(protocol, None)
    channel, message = read(messages.status("restarting"), messages)
    assert channel == "iopub"
    assert message["header"]["session"] == messages.session.session
    assert message["header"]["msg_type"] == "status"
    assert message["content"] == {"execution_state": "restarting"}
    assert message["parent_header"] == {}


def test_each_notice_has_an_id_of_its_own() -> None:
    messages = server_messages("legacy", "k")
    ids = {read(messages.status("restarting"), messages)[1]["header"]["msg_id"] for _ in range(10)}
    assert len(ids) == 10


@pytest.mark.parametrize("reason", ["rate", "slow_client", "detached", "full", "lost"])
def test_what_was_left_out_is_said_with_numbers_and_the_trait_to_raise(reason: str) -> None:
    text = notices.left_out(reason, 12, 3456, 789)
    assert "12 messages" in text
    assert "3456 bytes" in text
    assert f"ZMQChannelsWebsocketConnection.{notices.trait_of(reason)} (now 789)" in text
    assert notices.trait_of(reason) in ZMQChannelsWebsocketConnection.class_trait_names(config=True)


@pytest.mark.parametrize(
    ("packed", "header"), [(b'{"a":1}', {"a": 1}), (b"[]", {}), (b"", {}), (b"\xff", {}), (b"5", {}), (b"null", {})]
)
def test_a_parent_that_cannot_be_read_is_an_empty_one(packed: bytes, header: dict[str, Any]) -> None:
    assert notices.readable(upstream.session_for(b""), packed) == header


class Connection(ZMQChannelsWebsocketConnection):
    """Keeps what is written to its WebSocket, or raises ``error``."""

    def __init__(self, **traits: Any) -> None:
        super().__init__(**traits)
        self.error: Exception | None = None
        self.written: list[tuple[str | bytes, bool]] = []

    @property
    def write_message(self) -> Any:
        return self.write

    def write(self, payload: str | bytes, binary: bool = False) -> None:
        if self.error is not None:
            raise self.error
        self.written.append((payload, binary))


def test_without_a_session_a_notice_is_written_at_once() -> None:
    connection = a_connection(cls=Connection)
    for protocol in PROTOCOLS:
        payload = server_messages(protocol, None).status("dead")
        connection.link.notices.show(payload)
        assert connection.written.pop() == (payload, protocol == "v1")


async def test_a_sessions_notice_waits_for_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    connection = a_connection(cls=Connection)
    session = connection.link.session = a_session()
    appended: list[str | bytes] = []
    monkeypatch.setattr(session, "append_own", appended.append)
    connection.link.notices.show("a notice")
    assert (appended, connection.written) == (["a notice"], [])
    session.close()


def test_a_notice_for_a_client_that_is_gone_raises_nothing() -> None:
    connection = a_connection(cls=Connection)
    connection.error = WebSocketClosedError()
    connection.link.notices.show(server_messages("v1", None).status("dead"))
    assert connection.written == []
