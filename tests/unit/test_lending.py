"""The kernel manager's own buffer: messages that other code has put there are replayed, a session's own channels are not."""

from typing import Any

import pytest

from kernelws import _core
from kernelws.session import lending
from tests.parity.messages import DELIMITER
from tests.support.connection import a_connection
from tests.support.session import a_session


async def test_what_others_have_buffered_is_replayed_in_order_in_runs_of_a_channel(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, list[bytes]]] = []

    def see(batch: _core.Batch) -> None:
        seen.append((batch.channel, [bytes(batch.parts(index)[3]) for index in range(len(batch))]))

    link, session = a_connection(verify_signatures=False).link, a_session()
    monkeypatch.setattr(session, "append_private", see)
    link.session = session
    names = ["iopub", "iopub", "shell", "iopub"]
    header = b'{"msg_type":"a"}'
    link._replay([(name, [DELIMITER, b"", header, b"{}", b"{}", b'{"n":%d}' % number]) for number, name in enumerate(names)])
    assert seen == [
        ("iopub", [b'{"n":0}', b'{"n":1}']),
        ("shell", [b'{"n":2}']),
        ("iopub", [b'{"n":3}']),
    ]
    session.close()


class Manager:
    """A manager that returns what it has, whoever asks."""

    def __init__(self, buffer_info: dict[str, Any]) -> None:
        self.buffer_info = buffer_info

    def get_buffer(self, kernel_id: str, session_key: str) -> dict[str, Any]:
        return self.buffer_info


@pytest.mark.parametrize(("key", "lent", "taken"), [("mine", False, True), ("mine", True, False), ("other", False, False)])
def test_only_this_sessions_buffer_is_taken_and_not_what_was_lent(key: str, lent: bool, taken: bool) -> None:
    channel = lending.Lent("shell") if lent else object()
    info = {"session_key": key, "channels": {"shell": channel}, "buffer": []}
    assert (lending.take_back(Manager(info), "kernel", "mine") is info) is taken
