"""What is set on one WebSocket when it opens, and that nothing is set on others."""

import logging
from types import SimpleNamespace
from typing import Any

import pytest
from tornado.websocket import WebSocketProtocol13

from kernelws.lifecycle.limits import MESSAGE_TOO_BIG, set_on_websocket
from kernelws.observe.complaints import Complaints


def opened(websocket: Any) -> Any:
    handler: Any = SimpleNamespace(ws_connection=websocket, nodelay=[])
    handler.set_nodelay = handler.nodelay.append
    return SimpleNamespace(
        websocket_handler=handler,
        max_message_size=12345,
        closed_by_client=False,
        complaints=Complaints(logging.getLogger("limits"), "the client"),
    )


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
    found.stream = SimpleNamespace(max_buffer_size=100)
    found.client_terminated = found.server_terminated = False
    return found


def test_the_largest_message_and_tcp_nodelay_are_set(websocket: Any) -> None:
    connection = opened(websocket)
    set_on_websocket(connection)
    assert websocket.params.max_message_size == 12345
    assert connection.websocket_handler.nodelay == [True]
    assert websocket.stream.max_buffer_size > 12345, "such a message can be read whole"


def test_a_larger_read_buffer_stays_as_it_is(websocket: Any) -> None:
    websocket.stream.max_buffer_size = 1 << 40
    set_on_websocket(opened(websocket))
    assert websocket.stream.max_buffer_size == 1 << 40


@pytest.mark.parametrize(("code", "named"), [(MESSAGE_TOO_BIG, True), (1001, False), (None, False)])
def test_the_close_reason_of_a_message_too_big_names_the_trait(websocket: Any, code: int | None, named: bool) -> None:
    connection = opened(websocket)
    set_on_websocket(connection)
    with pytest.raises(ClosedError) as caught:
        websocket.close(code, "tornado's reason")
    assert caught.value.args[0] == code
    assert ("max_message_size" in caught.value.args[1]) is named
    assert (connection.complaints.trouble.kind == "too_big") is named
    assert len(caught.value.args[1].encode()) <= 123


@pytest.mark.parametrize(
    ("client", "server", "closed"), [(True, False, True), (False, False, False), (True, True, False), (False, True, False)]
)
def test_who_closes_is_seen(websocket: Any, client: bool, server: bool, closed: bool) -> None:
    """Tornado answers a close frame; it closes both ways where a connection is lost."""
    connection = opened(websocket)
    set_on_websocket(connection)
    websocket.client_terminated, websocket.server_terminated = client, server
    with pytest.raises(ClosedError):
        websocket.close()
    assert connection.closed_by_client is closed


def test_somebody_elses_websocket_is_left_alone() -> None:
    set_on_websocket(opened(None))
    other = SimpleNamespace(params=SimpleNamespace(max_message_size=10), close="theirs")
    set_on_websocket(opened(other))
    assert (other.params.max_message_size, other.close) == (10, "theirs")
