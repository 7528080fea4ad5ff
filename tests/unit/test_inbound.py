"""Which messages of a client wait for the kernel, when a kernel is nudged, and how a client is notified of a failure."""

import asyncio
from typing import Any

import pytest

from kernelws import ZMQChannelsWebsocketConnection
from kernelws.client import pending
from kernelws.kernel.kernel import kernel_of
from kernelws.kernel.probe import needs_nudge
from kernelws.session.registry import INTERNAL_ERROR
from kernelws.states import LinkEvent, LinkState
from tests.parity.messages import v1_frame
from tests.support.connection import a_connection
from tests.support.session import KernelManager


def frame(channel: str) -> bytes:
    return v1_frame(channel.encode(), [b'{"msg_type":"a"}', b"{}", b"{}", b"{}"])


class Connection(ZMQChannelsWebsocketConnection):
    """Keeps the channels on which something was sent, and counts how often it was ended."""

    def __init__(self, **traits: Any) -> None:
        super().__init__(**traits)
        self.ended = 0
        self.sent: list[str] = []
        self.channels = {name: Line(name, self.sent) for name in ("shell", "control", "stdin")}

    def disconnect(self) -> None:  # type: ignore[override] # as in the class
        self.ended += 1
        super().disconnect()


class Line:
    """A stream that somebody has put into ``channels``."""

    def __init__(self, name: str, sent: list[str]) -> None:
        self.name = name
        self.sent = sent

    def send_multipart(self, _frames: Any, *_: Any, **__: Any) -> None:
        self.sent.append(self.name)

    def closed(self) -> bool:
        return True


def client(state: LinkState, *, proven: bool = True, waits: bool = False) -> Any:
    """A connection in this state that is not to nudge by itself; ``waits``: a message for shell waits already."""
    connection = a_connection(cls=Connection)
    link = connection.link
    link.kernel.proven = proven
    link.inbound._hearing = asyncio.get_running_loop().create_future()
    assert link.machine.on(LinkEvent.CONNECT)
    if waits:
        connection.handle_incoming_message(frame("shell"))
    if state is LinkState.LIVE:
        assert link.machine.on(LinkEvent.READY)
    return connection


def waiting(connection: Any) -> list[str]:
    """What waits: it is sent now."""
    connection.sent.clear()
    connection.link.inbound.pending.send_all()
    found: list[str] = connection.sent
    return found


@pytest.mark.parametrize("channel", ["control", "stdin"])
@pytest.mark.parametrize("state", [LinkState.CONNECTING, LinkState.LIVE])
async def test_control_and_stdin_never_wait(channel: str, state: LinkState) -> None:
    connection = client(state, proven=False, waits=True)
    connection.handle_incoming_message(frame(channel))
    assert connection.sent == [channel]
    assert waiting(connection) == ["shell"], "what has waited before, and nothing more"


@pytest.mark.parametrize(
    ("state", "empty", "proven", "waits"),
    [
        (LinkState.LIVE, True, True, False),
        (LinkState.CONNECTING, True, True, True),
        (LinkState.LIVE, False, True, True),
        (LinkState.LIVE, True, False, True),
    ],
)
async def test_shell_waits_until_the_kernel_is_ready_and_behind_what_waits(
    state: LinkState, empty: bool, proven: bool, waits: bool
) -> None:
    connection = client(state, proven=proven, waits=not empty)
    connection.handle_incoming_message(frame("shell"))
    assert connection.sent == ([] if waits else ["shell"])
    assert waiting(connection) == ["shell"] * (waits + (not empty))
    assert connection.websocket_handler.closed == []


async def test_where_nothing_more_can_wait_the_client_is_told_to_try_again(monkeypatch: pytest.MonkeyPatch) -> None:
    connection = client(LinkState.CONNECTING)
    monkeypatch.setattr(pending, "MAX_MESSAGES", 0)
    connection.handle_incoming_message(frame("shell"))
    ((code, reason),) = connection.websocket_handler.closed
    assert (code, connection.sent, connection.ended) == (1013, [], 1)
    assert "not ready" in reason


# failures


async def test_a_reason_fits_into_a_close_frame_and_stays_text() -> None:
    connection = client(LinkState.CONNECTING)
    connection.link.close(INTERNAL_ERROR, "x" + "\u00e9" * 200)
    ((code, reason),) = connection.websocket_handler.closed
    assert code == 1011
    assert len(reason.encode()) <= 123
    assert reason == "x" + "\u00e9" * 61
    assert connection.ended == 1


# nudges


@pytest.mark.parametrize(
    ("proven", "state", "restarted", "needed"),
    [
        (True, "idle", False, False),
        (False, "idle", False, True),
        (False, "busy", False, False),
        (False, "busy", True, True),
        (True, "busy", True, False),
    ],
)
def test_a_busy_kernel_is_not_nudged_unless_busy_is_what_the_process_before_was(
    proven: bool, state: str, restarted: bool, needed: bool
) -> None:
    manager: Any = KernelManager("kernel")
    manager.execution_state = state
    kernel = kernel_of(manager)
    kernel.proof.hear("the process before", answered=False)
    if restarted:
        kernel.new_incarnation()
    kernel.proven = proven
    assert kernel.restarted is restarted
    assert (not kernel.proven and needs_nudge(kernel, manager)) is needed
