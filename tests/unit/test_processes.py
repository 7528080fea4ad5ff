"""What sessions and connections do when a kernel's process restarts, dies, or is followed by the next one."""

import logging
import math
from typing import Any

import pytest

from kernelws import _core
from kernelws.session import announcing
from kernelws.session.session import ClientSession
from kernelws.sockets.channel import Channel
from tests.parity.messages import v1_frame
from tests.support.connection import KERNEL_ID, a_connection
from tests.support.session import MultiManager, a_session, default_limits
from tests.support.wait import eventually
from tests.unit.test_registry import moved_by_hand
from tests.unit.test_session import Client, batch


async def test_a_restart_is_told_once_however_often_the_client_comes_back() -> None:
    """JupyterLab closes its WebSocket and reconnects at once, before its pong can be read."""
    session = a_session()
    client = Client(session)
    session.processes.announce("restarting")
    assert "restarting" in client.take()
    session.detach(heard=True)
    assert "restarting" not in Client(session).take()
    session.close()


async def test_that_a_process_dies_which_nobody_has_heard_is_no_news() -> None:
    """A kernel that cannot start dies several times. JupyterLab would open a dialog for each announced death."""
    session = a_session()
    proof = session.kernel.proof
    client = Client(session)
    told = []
    for heard in ("one", "one", "two", "two"):
        proof.kernel_session = heard
        session.processes.announce("restarting")
        told.append("restarting" in client.take())
    session.processes.requested()
    session.processes.announce("restarting")
    told.append("restarting" in client.take())
    session.processes.announce("restarting", "one")
    told.append("restarting" in client.take())
    proof.kernel_session = "three"
    session.processes.announce("restarting", "two")
    session.processes.announce("restarting")
    told.append(client.take().count("restarting") == 2)
    session.processes.announce("dead")
    told.append("dead" in client.take())
    assert told == [True, False, True, False, True, True, True, True]
    session.close()


async def test_a_restart_that_a_cut_swallowed_is_told_again_unless_the_client_has_asked_for_work_since() -> None:
    session = a_session(limits=default_limits(restart_announce_delay=0.0))
    client = Client(session)
    session.processes.announce("restarting")
    client.take()
    session.detach()
    second = Client(session)
    await eventually(lambda: "restarting" in second.take(), "the announcement")
    session.processes.requested()
    session.detach()
    assert "restarting" not in Client(session).take()
    session.close()


@pytest.mark.parametrize(("asks", "told"), [(False, 1), (True, 0)])
async def test_a_page_that_may_know_of_a_restart_has_time_to_show_it(asks: bool, told: int) -> None:
    """A reconnected page gets ``restarting`` again only after the delay. If it is cut before, the next connection gets it."""
    with moved_by_hand() as loop:
        session = a_session(limits=default_limits(restart_announce_delay=2.0))
        first = Client(session)
        session.processes.announce("restarting")
        first.take()
        session.detach()
        lost = Client(session)
        loop.move_to(1.0)
        session.detach()
        loop.move_to(2.5)
        assert "restarting" not in lost.take()
        second = Client(session)
        loop.move_to(4.0)
        assert "restarting" not in second.take(), "its two seconds are not over"
        if asks:
            session.processes.requested()
        loop.move_to(10.0)
        assert second.take().count("restarting") == told
        session.close()


async def test_a_death_that_a_cut_swallowed_is_told_again_at_once() -> None:
    session = a_session()
    first = Client(session)
    session.processes.announce("dead")
    first.take()
    session.detach()
    second = Client(session)
    await eventually(lambda: "dead" in second.take(), "the announcement")
    session.close()


@pytest.mark.parametrize("drops", [True, False])
async def test_the_first_message_of_another_process_ends_the_one_that_was_restarted(drops: bool) -> None:
    session = a_session(limits=default_limits(drop_output_on_restart=drops))
    session.append_shared(batch("iopub", "display_data", 1))
    session.processes.replacing("kernel")
    session.append_shared(batch("iopub", "display_data", 2))
    session.append_shared(batch("iopub", "display_data", 3, session="next"))
    assert gap_of(session) == (2 if drops else 0)
    text = Client(session).take()
    assert ("id-1" in text, "id-2" in text, "id-3" in text) == (not drops, not drops, True)
    session.close()


async def test_a_restart_that_is_done_ends_the_process_before_and_one_that_failed_does_not() -> None:
    for done in (True, False):
        session = a_session(limits=default_limits(drop_output_on_restart=True))
        session.append_shared(batch("iopub", "display_data", 1))
        session.processes.replacing("kernel")
        if not done:
            session.processes.replacing(None)
        session.processes.replaced()
        session.append_shared(batch("iopub", "display_data", 2, session="next"))
        assert gap_of(session) == (1 if done else 0)
        session.close()


def gap_of(session: ClientSession) -> int:
    """Takes and fills the next gap; returns the number of messages that are left out."""
    session.outbox.attach("v1")
    taken = session.outbox.take(0.0, 1 << 20)
    if not isinstance(taken, _core.Gap):
        session.outbox.detach()
        return 0
    assert taken.reason == "restarted"
    assert session.outbox.fill_gap(taken.id, session.server_messages.gap(taken, True))
    return taken.messages


async def test_another_process_has_to_greet_stdin_again() -> None:
    """Even if the address is the same: a new process loses a prompt to a stdin socket that it has not greeted."""
    session = a_session()
    stdin = Channel("stdin", lambda: None, lambda: _core.Receiver(b"", "hmac-sha256"), logging.getLogger("stdin"))
    session.channels = {"stdin": stdin}
    greeted = []
    for process in ("one", "one", "two", "two", None, "two"):
        stdin.greeted = True
        session.processes.greet_again(process)
        greeted.append(stdin.greeted)
    assert greeted == [False, True, False, True, False, False]
    session.channels = {}
    session.close()


# who is told


class Callbacks(MultiManager):
    """Keeps the restart callbacks of its one kernel."""

    def __init__(self) -> None:
        super().__init__(KERNEL_ID)
        self.registered: list[tuple[str, Any]] = []

    def add_restart_callback(self, kernel_id: str, callback: Any, event: str = "restart") -> None:
        assert kernel_id == KERNEL_ID
        self.registered.append((event, callback))

    def remove_restart_callback(self, kernel_id: str, callback: Any, event: str = "restart") -> None:
        assert kernel_id == KERNEL_ID
        self.registered.remove((event, callback))


async def test_a_detached_session_is_told_of_a_restart_until_somebody_comes() -> None:
    manager = Callbacks()
    session = a_session(f"{KERNEL_ID}:a", manager)
    assert manager.registered == [], "its connection hears of it"
    session.detach()
    ((event, callback),) = manager.registered
    callback()
    told = Client(session).take()
    assert (event, told.count("restarting")) == ("restart", 1)
    assert manager.registered == []
    session.detach()
    session.close()
    assert manager.registered == []


@pytest.mark.parametrize(
    ("attached_at", "requested_at", "told"), [(1.0, 2.0, True), (4.0, 0.0, False), (1.0, 3.0, False), (3.0, 3.0, False)]
)
def test_who_has_come_back_or_asked_for_work_since_a_restart_is_not_told_of_it(
    attached_at: float, requested_at: float, told: bool
) -> None:
    times = {"began": 3.0, "up": 5.0, "attached_at": attached_at, "requested_at": requested_at}
    assert announcing.announce_at(**times, delay=1.0) == (6.0 if told else math.inf)
    assert announcing.announce_at(**times, delay=0.0) == math.inf, "a delay of 0 is never"


@pytest.mark.parametrize(
    ("msg_type", "counts"),
    [("execute_request", True), ("kernel_info_request", False), ("complete_request", False), ("comm_msg", False)],
)
async def test_only_a_request_for_work_says_that_a_client_knows_the_process(
    msg_type: str, counts: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    link, session = a_connection().link, a_session()
    monkeypatch.setattr(session.processes, "requested", lambda: asked.append(msg_type))
    header = b'{"msg_type":"%s"}' % msg_type.encode()
    message = _core.decode_v1(v1_frame(b"shell", [header, b"{}", b"{}", b"{}"]), json=True)
    link.session = session
    link.inbound._note_request(message)
    assert asked == [msg_type] * counts
    link.session = None
    link.inbound._note_request(message)
    session.close()


def test_a_connection_hears_of_restart_and_death_until_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    connection, manager = a_connection(), Callbacks()
    for name in ("add_restart_callback", "remove_restart_callback"):
        monkeypatch.setattr(connection.multi_kernel_manager, name, getattr(manager, name))
    connection.link._watch()
    assert [event for event, _ in manager.registered] == ["restart", "dead"]
    connection.link._unwatch()
    assert manager.registered == []
