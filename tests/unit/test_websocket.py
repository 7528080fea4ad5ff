"""What is set on one WebSocket when it opens, and that nothing is set on others."""

from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

import pytest
from tornado.websocket import WebSocketProtocol13

from kernelws.client.websocket import MESSAGE_TOO_BIG, READ_AT_ONCE, configure
from tests.support.connection import a_connection


def opened(websocket: Any) -> Any:
    """The link of a connection whose handler has this WebSocket, with what is set on it."""
    connection = a_connection(max_message_size=12345)
    connection.websocket_handler.ws_connection = websocket
    configure(connection.websocket_handler, connection.max_message_size, connection.link)
    return connection.link


class ClosedError(Exception):
    """Says with what the WebSocket was closed."""


@pytest.fixture
def websocket(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Tornado's, of which only the parameters and ``close`` are there."""

    def close(_self: Any, code: int | None = None, reason: str | None = None) -> None:
        raise ClosedError(code, reason)

    monkeypatch.setattr(WebSocketProtocol13, "close", close)
    found: Any = WebSocketProtocol13.__new__(WebSocketProtocol13)
    found.params = SimpleNamespace(max_message_size=10)
    nodelay: list[bool] = []
    found.stream = SimpleNamespace(max_buffer_size=100, read_chunk_size=1 << 16, nodelay=nodelay, set_nodelay=nodelay.append)
    found.client_terminated = found.server_terminated = False
    return found


def test_the_largest_message_and_tcp_nodelay_are_set(websocket: Any) -> None:
    opened(websocket)
    assert websocket.params.max_message_size == 12345
    assert websocket.stream.nodelay == [True]
    assert websocket.stream.max_buffer_size > 12345, "such a message can be read whole"


def test_a_larger_read_buffer_stays_as_it_is(websocket: Any) -> None:
    websocket.stream.max_buffer_size = 1 << 40
    opened(websocket)
    assert websocket.stream.max_buffer_size == 1 << 40


@pytest.mark.parametrize(("before", "after"), [(1 << 16, READ_AT_ONCE), (100, 100)])
def test_tornado_reads_at_most_so_much_at_a_time(websocket: Any, before: int, after: int) -> None:
    websocket.stream.read_chunk_size = before
    opened(websocket)
    assert websocket.stream.read_chunk_size == after


@pytest.mark.parametrize(("code", "named"), [(MESSAGE_TOO_BIG, True), (1001, False), (None, False)])
def test_the_close_reason_of_a_message_too_big_names_the_trait(websocket: Any, code: int | None, named: bool) -> None:
    link = opened(websocket)
    with pytest.raises(ClosedError) as caught:
        websocket.close(code, "tornado's reason")
    assert caught.value.args[0] == code
    assert ("max_message_size" in caught.value.args[1]) is named
    assert (link.faults.last_fault.kind == "too_big") is named
    assert len(caught.value.args[1].encode()) <= 123


CLIENT, SERVER, LOST = (True, False), (False, False), (True, True)
"""``client_terminated`` and ``server_terminated`` when tornado closes: a close frame came; the server closes; ``_abort``."""


@pytest.mark.parametrize("flushed", [True, False])
@pytest.mark.parametrize(
    ("flags", "code", "left"),
    [
        (CLIENT, None, True),
        (CLIENT, 1000, True),
        (CLIENT, 1001, True),
        (CLIENT, 4000, False),
        (SERVER, 1011, False),
        (SERVER, None, False),
        (LOST, None, False),
    ],
)
def test_a_client_that_closes_is_told_from_one_that_was_lost(
    websocket: Any, flags: tuple[bool, bool], code: int | None, left: bool, flushed: bool
) -> None:
    link = opened(websocket)
    link.writer._writing = None if flushed else Future()
    websocket.client_terminated, websocket.server_terminated = flags
    with pytest.raises(ClosedError):
        websocket.close(code)
    assert (link.page_closed, link.received_all) == (left, flags == CLIENT and flushed)


def test_somebody_elses_websocket_is_left_alone() -> None:
    opened(None)
    other = SimpleNamespace(params=SimpleNamespace(max_message_size=10), close="theirs", set_nodelay=print)
    opened(other)
    assert (other.params.max_message_size, other.close) == (10, "theirs")
