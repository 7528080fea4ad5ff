"""The status page's data: which rows there are, what they must not contain, and the name of a session's state.

Kernels and sessions are objects without sockets; tests/contract/test_status_page.py has a real server.
"""

import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import strategies as st

from kernelws.kernel.kernel import kernel_of
from kernelws.observe import board as boards
from kernelws.observe import state, views
from kernelws.observe.board import Board
from kernelws.observe.views import KERNEL_COLUMNS, POINTS, SESSION_COLUMNS, Meter, shortened
from kernelws.session.registry import registry_of
from kernelws.session.session import ClientSession
from tests.parity.registry import fuzzed
from tests.parity.upstream import session_for
from tests.support import session as support
from tests.unit.test_metrics import Client, batch

KEY = b"a-key-that-must-not-be-shown"


class Clock:
    """The time, as a test says it is."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Kernels(support.MultiManager):
    """A multi kernel manager that has only what every one has."""

    def list_kernel_ids(self) -> list[str]:
        return [*self, "about-to-go"]

    def get_kernel(self, kernel_id: str) -> Any:
        return self[kernel_id]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    for module in (boards, state):
        monkeypatch.setattr(module, "clock", found)
    return found


@pytest.fixture
def kernels() -> Iterator[Kernels]:
    found = Kernels()
    yield found
    for client_session in registry_of(found).sessions:
        registry_of(found).end(client_session)


def a_kernel(kernels: Kernels, kernel_id: str = "a-kernel") -> support.KernelManager:
    kernels[kernel_id] = manager = support.KernelManager(kernel_id, kernels)
    manager.session = session_for(KEY)
    return manager


def a_session(kernels: Kernels, session_id: str = "0123456789abcdef", kernel_id: str = "a-kernel") -> ClientSession:
    client_session = support.a_session(f"{kernel_id}:{session_id}", kernels)
    client_session.session.key = KEY
    Client(client_session)
    return client_session


def rows(answer: dict[str, Any], what: str = "sessions") -> list[dict[str, Any]]:
    columns = SESSION_COLUMNS if what == "sessions" else KERNEL_COLUMNS
    return [dict(zip(columns, row, strict=True)) for row in answer[what]]


async def test_every_answer_holds_all_that_is_there_and_nothing_that_is_gone(kernels: Kernels, clock: Clock) -> None:
    a_kernel(kernels)
    one, two = a_session(kernels, "one-of-two"), a_session(kernels, "two-of-two")
    board = Board(kernels)
    first = board.answer()
    assert first["columns"] == {"kernels": KERNEL_COLUMNS, "sessions": SESSION_COLUMNS}
    assert (len(first["kernels"]), len(first["sessions"])) == (1, 2)
    clock.now += 1
    second = board.answer()
    assert (second["kernels"], second["sessions"]) == (first["kernels"], first["sessions"])
    one.append_shared(batch("display_data"))
    clock.now += 1
    changed, same = rows(board.answer())
    assert (changed["name"], changed["rate"], changed["incoming"]) == ("one-o", 1.0, 1.0)
    assert same == rows(first)[1]
    registry_of(kernels).end(two)
    clock.now += 1
    assert [row["id"] for row in rows(board.answer())] == [changed["id"]]
    del kernels["a-kernel"]
    registry_of(kernels).end(one)
    clock.now += 1
    last = board.answer()
    assert (last["kernels"], last["sessions"]) == ([], [])


async def test_the_servers_memory_is_what_its_limit_limits(kernels: Kernels) -> None:
    """A shared message counts once in the server's memory, and once in the row of each session."""
    a_kernel(kernels)
    assert Board(kernels).answer()["server"]["memory"] == 0, "no session has been opened"
    shared = batch(*["display_data"] * 100)
    sessions = [support.a_session(f"a-kernel:{name}", kernels) for name in ("one", "two")]
    empty = registry_of(kernels).memory()
    for session in sessions:
        session.append_shared(shared)
    answer = Board(kernels).answer()
    assert answer["server"]["memory"] == registry_of(kernels).memory()
    assert 0 < answer["server"]["memory"] - empty < sum(row["memory"] for row in rows(answer))


async def test_many_viewers_share_one_update(kernels: Kernels, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    a_kernel(kernels)
    a_session(kernels)
    board = Board(kernels)
    updates: list[float] = []
    update = views.SessionView.update

    def counted(view: views.SessionView, client_session: ClientSession, now: float) -> str:
        updates.append(now)
        return update(view, client_session, now)

    monkeypatch.setattr(views.SessionView, "update", counted)
    for _ in range(20):
        board.answer()
        clock.now += 0.1
    assert len(updates) == 3


async def test_points_of_plots_are_sent_to_who_asks_and_each_is_sent_once(kernels: Kernels, clock: Clock) -> None:
    """``samples`` is the number of points that the viewer has after this answer."""
    a_kernel(kernels)
    board = Board(kernels)
    board.answer()
    clock.now += boards.FRESH / 2
    board.sample()
    early = board.answer()
    assert "histories" not in early
    assert early["samples"] == 0, "the rows are of before"
    first = board.answer(histories=True)
    assert first["samples"] == len(first["histories"]["server"]) == 1
    clock.now += 1
    assert board.answer()["samples"] == 1
    board.sample()
    clock.now += 1
    assert board.answer()["samples"] == 2


async def test_who_is_known_only_to_the_plots_yet_has_no_row(kernels: Kernels, clock: Clock) -> None:
    board = Board(kernels)
    board.answer()
    a_kernel(kernels)
    a_session(kernels)
    board.sample()
    early = board.answer()
    assert (early["kernels"], early["sessions"]) == ([], [])
    clock.now += 1
    later = board.answer()
    assert (len(later["kernels"]), len(later["sessions"])) == (1, 1)


async def test_plots_have_the_mean_of_each_interval_and_stay_bounded(kernels: Kernels, clock: Clock) -> None:
    a_kernel(kernels)
    client_session = a_session(kernels)
    board = Board(kernels)
    board.sample()
    for _ in range(POINTS + 5):
        client_session.append_shared(batch("display_data", "display_data"))
        clock.now += 4.0
        board.sample()
    answer = board.answer(histories=True)
    (row,) = rows(answer)
    assert answer["histories"]["sessions"][row["id"]] == [0.5] * POINTS
    assert row["sample"] == 0.5
    assert len(answer["histories"]["server"]) == POINTS


async def test_a_row_shows_no_secret_and_no_whole_session_id(kernels: Kernels) -> None:
    kernel = a_kernel(kernels)
    client_session = a_session(kernels, "0123456789abcdef")
    client_session.stats.kernel_session = "kernels-session"
    kernel_of(kernel)
    client_session.append_shared(batch("stream"))
    client_session.faults.add("client", "unknown_channel", "No such channel: 'secret-word'")
    told = json.dumps(Board(kernels).answer(histories=True))
    for secret in (KEY.decode(), "0123456789abcdef", "secret-word", "kernels-session", '"x"'):
        assert secret not in told
    assert '"01234567"' in told


@pytest.mark.parametrize(("whole", "shown"), [("0123456789abcdef0123", "01234567"), ("abcdef", "abc"), ("a", "a"), ("", "")])
def test_session_ids_are_shortened(whole: str, shown: str) -> None:
    assert shortened(whole) == shown


async def test_states_and_since_when(kernels: Kernels, clock: Clock) -> None:
    a_kernel(kernels)
    client_session = a_session(kernels)
    board = Board(kernels)

    def seen() -> dict[str, Any]:
        clock.now += 1
        (row,) = rows(board.answer())
        return row

    assert seen()["state"] == "connected"
    terms: dict[str, Any] = {"data_limit": 0.0, "rate_window": 3.0, "merge_window": 0.0, "backlog_limit": 0, "memory_limit": 0}
    terms["interrupt_limit"] = 0
    client_session.outbox.configure(hold=True, msg_limit=1.0, high_water=1 << 20, **terms)
    for _ in range(5):
        client_session.append_shared(batch("display_data"))
    held = seen()
    assert held["state"] == "held"
    assert "iopub_msg_rate_limit" in held["state_trait"]
    assert held["waiting"] > 0
    client_session.detach()
    client_session.stats.detached_at = clock.now - 60
    detached = seen()
    assert (detached["state"], detached["since"]) == ("detached", clock.now - 61)
    assert "resume_timeout" in detached["state_trait"]
    assert seen()["since"] == detached["since"], "a moment does not move"


async def test_a_slow_client_is_slow_only_after_a_while(kernels: Kernels, monkeypatch: pytest.MonkeyPatch) -> None:
    a_kernel(kernels)
    client_session = a_session(kernels)
    wall = SimpleNamespace(now=client_session._loop.time())
    monkeypatch.setattr(state, "IOLoop", SimpleNamespace(current=lambda: SimpleNamespace(time=lambda: wall.now)))
    client_session.outbox.configure(
        hold=False,
        msg_limit=0,
        data_limit=0,
        rate_window=0,
        merge_window=0,
        backlog_limit=0,
        interrupt_limit=0,
        memory_limit=0,
        high_water=1,
    )
    client_session.append_shared(batch("display_data"))
    client_session.append_shared(batch("display_data"))
    stats = client_session.outbox.stats()
    assert stats.waits_for == "slow_client"
    assert stats.waits_since is not None
    wall.now = stats.waits_since + state.SLOW_AFTER / 2
    assert state.state_of(client_session, stats)[0] == "connected"
    wall.now = stats.waits_since + state.SLOW_AFTER
    assert state.state_of(client_session, stats) == ("slow", state.SLOW_AFTER)


async def test_the_last_error_is_told_in_words_with_its_trait(kernels: Kernels) -> None:
    kernel = a_kernel(kernels)
    client_session = a_session(kernels)
    for _ in range(3):
        client_session.faults.add("shell", "bad_signature", "its signature is invalid")
    kernel_of(kernel).faults.last_fault.note("intake_lag")
    answer = Board(kernels).answer()
    (row,) = rows(answer)
    assert "signature is invalid" in row["error"]
    assert (row["trait"], row["times"]) == ("ZMQChannelsWebsocketConnection.verify_signatures", 3)
    (shown,) = rows(answer, "kernels")
    assert shown["trait"] == "ZMQChannelsWebsocketConnection.intake_lag_limit"


async def test_a_kernel_without_a_feed_or_a_state_is_shown(kernels: Kernels) -> None:
    a_kernel(kernels)
    (row,) = rows(Board(kernels).answer(), "kernels")
    assert (row["id"], row["name"], row["state"], row["heard"]) == ("a-kernel", "python3", "unknown", False)


async def test_sessions_of_another_server_in_this_process_are_not_shown(kernels: Kernels) -> None:
    a_kernel(kernels)
    a_session(kernels)
    assert Board(Kernels()).answer()["sessions"] == []


@fuzzed(steps=st.lists(st.tuples(st.floats(0, 100), st.integers(-5, 1000)), max_size=20))
def test_a_rate_is_never_negative(steps: list[tuple[float, int]]) -> None:
    """Even if two updates have the same time, or a counter starts again at zero."""
    meter, now, count = Meter(0, 0.0), 0.0, 0
    for passed, more in steps:
        now, count = now + passed, max(0, count + more)
        assert meter.update(count, now) >= 0
        meter.sample(count, now)
    assert all(point >= 0 for point in meter.points)
