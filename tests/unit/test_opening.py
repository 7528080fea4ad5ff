"""The steps of ``connect`` that need no server: limits given to the outbox, where messages wait, how a failure is told."""

from types import SimpleNamespace
from typing import Any

import pytest
from traitlets import HasTraits

from kernelws import ZMQChannelsWebsocketConnection, _core
from kernelws.client import closing
from kernelws.client import link as opening
from kernelws.kernel import probe as readiness
from kernelws.states import State
from tests.parity.messages import v1_frame

MESSAGE = _core.decode_v1(v1_frame(b"shell", [b'{"msg_type":"a"}', b"{}", b"{}", b"{}"]))


TRAITS = (
    "outbox_memory_limit",
    "outbox_disk_limit",
    "restart_announce_delay",
    "verify_signatures",
    *sorted(opening.OUTBOX_TRAITS),
)
Connection = type("Connection", (HasTraits,), {name: ZMQChannelsWebsocketConnection.class_traits()[name] for name in TRAITS})
"""The traits of the class, and nothing that needs a kernel."""


def connected(*, per_message: bool = False, **traits: Any) -> Any:
    connection: Any = Connection(**traits)
    connection.link.writer = SimpleNamespace(per_message=per_message)
    connection.new_receiver = lambda: "a receiver"
    return connection


def mailbox() -> Any:
    """Keeps what it is configured with."""
    found: Any = SimpleNamespace(configured=[], spooled=[], protocol="v1")
    found.outbox = SimpleNamespace(configure=lambda **terms: found.configured.append(terms))
    found.overflow = SimpleNamespace(configure=lambda *terms: found.spooled.append(terms))
    return found


def test_the_outbox_gets_the_limits_of_the_traits() -> None:
    connection = connected(
        iopub_msg_rate_limit=1.0,
        iopub_data_rate_limit=2.0,
        rate_limit_window=3.0,
        stream_merge_window=4.0,
        stream_backlog_limit=5,
        interrupt_backlog_limit=9,
        drop_output_on_restart=True,
        restart_announce_delay=10.0,
        session_memory_limit=6,
        write_high_water=7,
        session_disk_limit=8,
        spool_dir="/spool",
    )
    found = mailbox()
    opening.configure(connection, found)
    (terms,) = found.configured
    assert terms == {
        "hold": True,
        "msg_limit": 1.0,
        "data_limit": 2.0,
        "rate_window": 3.0,
        "merge_window": 4.0,
        "backlog_limit": 5,
        "interrupt_limit": 9,
        "memory_limit": 6,
        "high_water": 7,
    }
    ((memory, disk, directory),) = found.spooled
    assert (memory, disk, str(directory)) == (6, 8, "/spool")
    assert (found.drops_output_on_restart, found.restart_announce_delay) == (True, 10.0)


@pytest.mark.parametrize(
    ("limit_rate", "overload", "hold"), [(True, "hold", True), (True, "drop", False), (False, "hold", False)]
)
def test_messages_over_the_limit_are_held_only_if_that_is_asked_for(limit_rate: bool, overload: str, hold: bool) -> None:
    found = mailbox()
    opening.configure(connected(limit_rate=limit_rate, overload=overload), found)
    assert found.configured[-1]["hold"] is hold


def test_hooks_see_messages_that_were_not_merged() -> None:
    connection, found = connected(stream_merge_window=4.0), mailbox()
    opening.configure(connection, found)
    connection.link.writer.per_message = True
    found.way_changed()
    assert [terms["merge_window"] for terms in found.configured] == [4.0, 0.0]


@pytest.mark.parametrize(("verify", "protocol"), [(True, "v1"), (True, "legacy"), (False, "v1"), (False, "legacy")])
def test_legacy_clients_of_an_unverified_feed_verify_for_themselves(verify: bool, protocol: str) -> None:
    """As upstream, which checks legacy connections always."""
    connection, found = connected(verify_signatures=verify), mailbox()
    found.protocol = protocol
    opening.configure(connection, found)
    assert (found.legacy_verifier is not None) == (not verify and protocol == "legacy")


@pytest.mark.parametrize("trait", sorted(opening.OUTBOX_TRAITS))
def test_a_trait_that_is_set_later_applies_at_once(trait: str) -> None:
    connection = connected()
    found = mailbox()
    opening.configure(connection, found)
    old = getattr(connection, trait)
    other: Any = {"overload": "drop", "spool_dir": "/elsewhere", "limit_rate": False, "drop_output_on_restart": False}.get(
        trait, 12345
    )
    before = found.drops_output_on_restart
    assert other != old
    setattr(connection, trait, other)
    assert len(found.configured) == 2
    changed = found.configured[0] != found.configured[1] or found.spooled[0] != found.spooled[1]
    assert changed or found.drops_output_on_restart != before


def test_a_session_that_grows_has_the_limits_of_the_server_enforced(monkeypatch: pytest.MonkeyPatch) -> None:
    enforced: list[tuple[int, int]] = []
    monkeypatch.setattr("kernelws.session.registry.enforce_limits", lambda *limits: enforced.append(limits))
    found = mailbox()
    opening.configure(connected(outbox_memory_limit=11, outbox_disk_limit=12), found)
    found.grown()
    assert enforced == [(11, 12)]


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
    connection: Any = SimpleNamespace(
        kernel_manager=SimpleNamespace(execution_state=state), kernel_id="k", log=SimpleNamespace(debug=lambda *_: None)
    )
    feed: Any = SimpleNamespace(proven=proven, restarted=restarted)
    assert readiness.needs_nudge(connection, feed) is needed


# where messages wait


class Room:
    def __init__(self, *, full: bool = False, empty: bool = True) -> None:
        self.full, self.empty = full, empty
        self.added: list[str] = []

    def add(self, channel: str, _message: Any) -> bool:
        self.added.append(channel)
        return not self.full


def client(state: State, room: Room, *, proven: bool = True) -> Any:
    found: Any = SimpleNamespace(
        lifecycle=SimpleNamespace(state=state),
        waiting_room=room,
        feed=SimpleNamespace(proven=proven, notice_restart=lambda: None),
        hearing="under way",
        mailbox=None,
        closed=[],
        ended=0,
    )
    found.websocket_handler = SimpleNamespace(close=lambda code, reason: found.closed.append((code, reason)))
    found.disconnect = lambda: setattr(found, "ended", found.ended + 1)
    return found


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    found: list[str] = []
    monkeypatch.setattr(opening, "dispatch", lambda connection, channel, message: found.append(channel))
    return found


@pytest.mark.parametrize("channel", ["control", "stdin"])
@pytest.mark.parametrize("state", [State.CONNECTING, State.LIVE])
def test_control_and_stdin_never_wait(channel: str, state: State, sent: list[str]) -> None:
    connection = client(state, Room(empty=False), proven=False)
    opening.dispatch_when_ready(connection, channel, MESSAGE)
    assert (sent, connection.waiting_room.added) == ([channel], [])


@pytest.mark.parametrize(
    ("state", "empty", "proven", "waits"),
    [
        (State.LIVE, True, True, False),
        (State.CONNECTING, True, True, True),
        (State.LIVE, False, True, True),
        (State.LIVE, True, False, True),
    ],
)
def test_shell_waits_until_the_kernel_is_ready_and_behind_what_waits(
    state: State, empty: bool, proven: bool, waits: bool, sent: list[str]
) -> None:
    connection = client(state, Room(empty=empty), proven=proven)
    opening.dispatch_when_ready(connection, "shell", MESSAGE)
    assert (sent, connection.waiting_room.added) == (([], ["shell"]) if waits else (["shell"], []))
    assert connection.closed == []


def test_where_nothing_more_can_wait_the_client_is_told_to_try_again(sent: list[str]) -> None:
    connection = client(State.CONNECTING, Room(full=True))
    opening.dispatch_when_ready(connection, "shell", MESSAGE)
    ((code, reason),) = connection.closed
    assert (code, sent, connection.ended) == (1013, [], 1)
    assert "not ready" in reason


# failures


def test_a_reason_fits_into_a_close_frame_and_stays_text() -> None:
    connection = client(State.CONNECTING, Room())
    closing.close(connection, closing.INTERNAL_ERROR, "x" + "\u00e9" * 200)
    ((code, reason),) = connection.closed
    assert code == 1011
    assert len(reason.encode()) <= 123
    assert reason == "x" + "\u00e9" * 61
    assert connection.ended == 1
