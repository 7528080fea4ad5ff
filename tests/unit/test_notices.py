"""The server's own messages: upstream's words, the kernel's session, and no write that raises.

That the texts of the rate limits are upstream's is tested in tests/parity/test_rate.py, word for word.
"""

import json
from types import SimpleNamespace
from typing import Any

import pytest
from tornado.websocket import WebSocketClosedError

from kernelws import _core
from kernelws.kernel_to_client import notices
from tests.parity import upstream


class Connection(SimpleNamespace):
    """What a notice needs of a connection."""

    def __init__(self, subprotocol: str | None, kernel_session: str | None, packer: str = "json") -> None:
        self.written: list[tuple[str | bytes, bool]] = []
        super().__init__(
            session=upstream.session_for(b"", packer=packer),
            subprotocol=subprotocol,
            kernel_session=kernel_session,
            session_key="kernel:session",
            log=SimpleNamespace(debug=lambda *_: None),
        )

    def write_message(self, payload: str | bytes, binary: bool = False) -> None:
        self.written.append((payload, binary))

    def read(self) -> tuple[str, dict[str, Any]]:
        """Channel and message of the only write."""
        ((payload, binary),) = self.written
        assert binary == isinstance(payload, bytes)
        if isinstance(payload, str):
            message = json.loads(payload)
            return message.pop("channel"), message
        channel, parts = upstream.deserialize_msg_from_ws_v1(payload)
        names = ("header", "parent_header", "metadata", "content")
        return channel, {name: self.session.unpack(part) for name, part in zip(names, parts, strict=True)}


@pytest.mark.parametrize("subprotocol", [_core.V1, None])
@pytest.mark.parametrize("packer", ["json", "orjson"])
def test_a_notice_speaks_with_the_kernels_session(subprotocol: str | None, packer: str) -> None:
    connection: Any = Connection(subprotocol, "the-kernel", packer)
    parent = {"msg_id": "p", "session": "client", "msg_type": "execute_request"}
    notices.show(connection, notices.stream_message(connection, "a text\n", parent))
    channel, message = connection.read()
    assert channel == "iopub"
    assert message["header"]["session"] == "the-kernel"
    assert message["header"]["msg_type"] == "stream"
    assert message["parent_header"]["msg_id"] == "p"
    assert message["content"] == {"text": "a text\n", "name": "stderr"}


@pytest.mark.parametrize("subprotocol", [_core.V1, None])
def test_before_the_kernel_was_heard_a_notice_speaks_with_the_connections_session(subprotocol: str | None) -> None:
    connection: Any = Connection(subprotocol, None)
    notices.show(connection, notices.status_message(connection, "restarting"))
    channel, message = connection.read()
    assert channel == "iopub"
    assert message["header"]["session"] == connection.session.session
    assert message["header"]["msg_type"] == "status"
    assert message["content"] == {"execution_state": "restarting"}
    assert message["parent_header"] == {}


def test_a_notice_for_a_client_that_is_gone_raises_nothing() -> None:
    connection: Any = Connection(None, None)

    def closed(*_: Any, **__: Any) -> None:
        raise WebSocketClosedError

    connection.write_message = closed
    notices.show(connection, notices.status_message(connection, "dead"))


def test_each_notice_has_an_id_of_its_own() -> None:
    connection: Any = Connection(None, "k")
    ids = {notices.status_message(connection, "restarting")["header"]["msg_id"] for _ in range(10)}
    assert len(ids) == 10
