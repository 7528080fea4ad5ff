"""Which sessions are kept, for whom and how long: the registry of mailboxes, with a loop whose time the test moves.

Mailboxes are stand-ins here: what is in them is tests/contract. Must not touch the registry of the process.
"""

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import strategies as st
from jupyter_server.auth.identity import IdentityProvider, User
from tornado import web

from kernelws.kernel import restarts
from kernelws.session import lending as buffers
from kernelws.session import registry as sessions
from tests.parity.registry import fuzzed

KERNEL = "kernel-1"


class Loop:
    """An event loop that only keeps timers."""

    def __init__(self) -> None:
        self.now = 0.0
        self.timers: list[tuple[float, Callable[..., None], tuple[Any, ...]]] = []

    def time(self) -> float:
        return self.now

    def call_later(self, delay: float, callback: Callable[..., None], *arguments: Any, context: Any = None) -> None:
        self.timers.append((self.now + delay, callback, arguments))

    def move_to(self, now: float) -> None:
        due = [timer for timer in self.timers if timer[0] <= now]
        self.timers = [timer for timer in self.timers if timer[0] > now]
        self.now = now
        for _, callback, arguments in due:
            callback(*arguments)


@pytest.fixture(autouse=True)
def registry(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    known: dict[str, Any] = {}
    monkeypatch.setattr(sessions, "_mailboxes", known)
    return known


@pytest.fixture
def loop(monkeypatch: pytest.MonkeyPatch) -> Loop:
    loop = Loop()
    monkeypatch.setattr(asyncio, "get_running_loop", lambda: loop)
    return loop


def mailbox(
    key: str,
    *,
    detached_at: float | None = None,
    left: bool = False,
    kernel_id: str = KERNEL,
    memory: int = 0,
    disk: int = 0,
) -> Any:
    """What the registry asks of a mailbox; ``told`` are the announcements, ``logged`` the warnings."""
    found: Any = SimpleNamespace(
        identity=SimpleNamespace(key=key, kernel_id=kernel_id, owner=None),
        tally=SimpleNamespace(detached_at=detached_at, attached_at=0.0, requested_at=0.0, left=left),
        overflow=SimpleNamespace(disk_bytes=disk),
        outbox=SimpleNamespace(upkeep=lambda: memory, stats=lambda: SimpleNamespace(waiting=7)),
        bounds=SimpleNamespace(memory=64),
        logged=[],
        channels={},
        voice=SimpleNamespace(status=lambda state: state),
        restart_announce_delay=0.0,
        manager=SimpleNamespace(_kernel_buffers={}),
        closed=False,
        told=[],
    )
    found.announce = found.told.append
    found.log = SimpleNamespace(warning=lambda text, *values: found.logged.append(text % values))
    found.log.info = found.log.warning
    found.close = lambda: setattr(found, "closed", True)
    sessions._mailboxes[key] = found
    return found


class Named(IdentityProvider):
    """A provider that tells users apart."""

    def get_user(self, handler: Any) -> User:
        user: User = handler.current_user
        return user


def connection(session: str = "s", *, user: str | None = None, timeout: float = 60.0, most: int = 10) -> Any:
    provider = IdentityProvider() if user is None else Named()
    handler: Any = SimpleNamespace(identity_provider=provider, current_user=User(username=user or "anybody"), closed=False)
    handler.close = lambda: setattr(handler, "closed", True)
    found: Any = SimpleNamespace(
        kernel_id=KERNEL,
        session=SimpleNamespace(session=session),
        session_key="",
        websocket_handler=handler,
        multi_kernel_manager={KERNEL: None},
        log=SimpleNamespace(warning=lambda *_: None, info=lambda *_: None),
        resume_timeout=timeout,
        max_detached_sessions=most,
        ended=0,
        _open_sessions={},
    )
    found.disconnect = lambda: setattr(found, "ended", found.ended + 1)
    handler.connection = found
    return found


# whose a session is


def test_a_session_belongs_to_the_user_who_opened_it() -> None:
    mailbox(f"{KERNEL}:s").identity.owner = "alice"
    with pytest.raises(web.HTTPError) as caught:
        sessions.register(connection(user="mallory"))
    assert caught.value.status_code == 403
    sessions.register(connection(user="alice"))


def test_where_users_are_not_told_apart_everybody_is_the_same() -> None:
    mailbox(f"{KERNEL}:s")
    sessions.register(connection())


def test_a_second_connection_replaces_the_first() -> None:
    first, second = connection(), connection()
    second._open_sessions = first._open_sessions
    sessions.register(first)
    sessions.register(first)
    assert (first.ended, first.websocket_handler.closed) == (0, False)
    sessions.register(second)
    assert (first.ended, first.websocket_handler.closed) == (1, True)
    assert second._open_sessions == {f"{KERNEL}:s": second.websocket_handler}
    sessions.unregister(first)
    assert second._open_sessions, "it is no longer the first one's to give back"
    sessions.unregister(second)
    assert second._open_sessions == {}


# how long


def test_a_session_that_is_not_resumed_in_time_ends(loop: Loop, registry: dict[str, Any]) -> None:
    kept = mailbox("a", detached_at=0.0)
    sessions.keep(connection(timeout=60.0), kept)
    loop.move_to(59.0)
    assert not kept.closed
    loop.move_to(60.0)
    assert kept.closed
    assert registry == {}


def test_a_session_that_came_back_is_not_ended_by_its_old_timer(loop: Loop) -> None:
    kept = mailbox("a", detached_at=0.0)
    sessions.keep(connection(timeout=60.0), kept)
    kept.stats.detached_at = None
    loop.move_to(60.0)
    assert not kept.closed
    kept.stats.detached_at = 60.0
    sessions.keep(connection(timeout=60.0), kept)
    loop.move_to(119.0)
    assert not kept.closed
    loop.move_to(121.0)
    assert kept.closed


MAILBOXES = st.lists(
    st.tuples(
        st.none() | st.integers(0, 100).map(float),
        st.booleans(),
        st.sampled_from([KERNEL, "other"]),
        st.integers(0, 50),
        st.integers(0, 50),
    ),
    max_size=8,
    unique_by=lambda entry: entry[0] if entry[0] is not None else object(),
)


def held(one: Any) -> tuple[int, int]:
    """Bytes in memory and on disk."""
    return one.outbox.upkeep(), one.overflow.disk_bytes


def filled(entries: list[tuple[float | None, bool, str, int, int]]) -> list[Any]:
    sessions._mailboxes.clear()
    return [
        mailbox(str(number), detached_at=detached_at, left=left, kernel_id=kernel_id, memory=memory, disk=disk)
        for number, (detached_at, left, kernel_id, memory, disk) in enumerate(entries)
    ]


def first_to_go(known: list[Any]) -> list[Any]:
    """Pages that were closed before connections that were lost, each the oldest first."""
    detached = [one for one in known if one.stats.detached_at is not None]
    return sorted(detached, key=lambda one: (not one.stats.left, one.stats.detached_at))


@fuzzed(entries=MAILBOXES, most=st.integers(0, 4))
def test_too_many_detached_sessions_of_a_kernel_end_closed_pages_first(entries: Any, most: int) -> None:
    known, loop = filled(entries), Loop()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asyncio, "get_running_loop", lambda: loop)
        new = mailbox("new", detached_at=101.0)
        sessions.keep(connection(most=most), new)
    candidates = first_to_go([one for one in [*known, new] if one.identity.kernel_id == KERNEL])
    ended = candidates[: max(0, len(candidates) - most)]
    assert [one for one in known if one.closed] == [one for one in known if one in ended]
    assert all(len(one.logged) == 1 and "max_detached_sessions" in one.logged[0] for one in ended)
    assert sessions._mailboxes.keys() >= {one.identity.key for one in known if not one.closed}


def test_a_connection_that_was_lost_outlives_pages_that_were_closed(loop: Loop) -> None:
    """A laptop loses its connection, and another tab is reloaded nine times."""
    laptop = mailbox("laptop", detached_at=0.0)
    for number in range(1, 10):
        tab = mailbox(f"tab {number}", detached_at=float(number), left=True)
        loop.now = float(number)
        sessions.keep(connection(most=8), tab)
    assert not laptop.closed
    assert [key for key in sessions._mailboxes if key != "laptop"] == [f"tab {number}" for number in range(3, 10)]


def test_who_comes_back_for_a_session_that_was_ended_is_told_why_once() -> None:
    sessions.evict(mailbox(f"{KERNEL}:s", detached_at=0.0), "max_detached_sessions", 8)
    client = connection()
    client.session_key = f"{KERNEL}:s"
    stranger = connection(user="mallory")
    stranger.session_key = client.session_key
    assert sessions.why_discarded(stranger) is None
    notice = sessions.why_discarded(client)
    assert notice is not None
    assert "max_detached_sessions (now 8)" in notice
    assert sessions.why_discarded(client) is None


@fuzzed(entries=MAILBOXES, memory=st.integers(0, 150), disk=st.integers(0, 150))
def test_over_the_bounds_of_the_server_detached_sessions_end_closed_pages_first(entries: Any, memory: int, disk: int) -> None:
    """Only detached ones, and no more than necessary."""
    known = filled(entries)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("kernelws._core.live_bytes", lambda: 0)
        sessions.enforce_limits(memory, disk)

    def over(left: list[Any]) -> bool:
        in_memory = sum(held(one)[0] for one in left)
        return in_memory > memory or sum(held(one)[1] for one in left) > disk

    left = [one for one in known if not one.closed]
    detached = first_to_go(known)
    ended = [one for one in detached if one.closed]
    assert ended == detached[: len(ended)]
    assert all(one.closed is False for one in known if one.stats.detached_at is None)
    assert not over(left) or len(ended) == len(detached)
    assert not ended or over([*left, ended[-1]])


def test_a_kernel_that_is_gone_takes_its_detached_sessions_along(registry: dict[str, Any]) -> None:
    detached, attached, others = mailbox("a", detached_at=1.0), mailbox("b"), mailbox("c", detached_at=1.0, kernel_id="other")
    sessions.end_detached(KERNEL)
    assert (detached.closed, attached.closed, others.closed) == (True, False, False)
    assert set(registry) == {"b", "c"}


def test_a_closed_mailbox_is_not_claimed() -> None:
    left: Any = mailbox(f"{KERNEL}:s", detached_at=1.0)
    client = connection()
    sessions.register(client)
    assert sessions.claim(client) == left
    left.closed = True
    assert sessions.claim(client) is None
    client.session_key = "unknown"
    assert sessions.claim(client) is None


# restarts


class Callbacks:
    """The restart callbacks of a kernel."""

    def __init__(self) -> None:
        self.registered: list[tuple[str, Callable[[], None]]] = []

    def __contains__(self, kernel_id: str) -> bool:
        return kernel_id == KERNEL

    def add_restart_callback(self, kernel_id: str, callback: Callable[[], None], event: str = "restart") -> None:
        assert kernel_id == KERNEL
        self.registered.append((event, callback))

    def remove_restart_callback(self, kernel_id: str, callback: Callable[[], None], event: str = "restart") -> None:
        assert kernel_id == KERNEL
        self.registered.remove((event, callback))


def test_a_detached_session_is_told_of_a_restart_until_somebody_comes() -> None:
    manager, kept = Callbacks(), mailbox("a", detached_at=1.0)
    feed: Any = SimpleNamespace(after_drain=lambda then: then())
    end = restarts.watch_detached(manager, feed, kept)
    ((event, callback),) = manager.registered
    callback()
    assert (event, kept.told) == ("restart", ["restarting"])
    end()
    assert manager.registered == []


@pytest.mark.parametrize(
    ("attached_at", "requested_at", "told"), [(1.0, 2.0, True), (4.0, 0.0, False), (1.0, 3.0, False), (3.0, 3.0, False)]
)
def test_who_has_come_back_or_asked_for_work_since_a_restart_is_not_told_of_it(
    attached_at: float, requested_at: float, told: bool
) -> None:
    assert restarts.is_told(attached_at, requested_at, restarted_at=3.0) is told


@pytest.mark.parametrize(
    ("msg_type", "counts"),
    [("execute_request", True), ("kernel_info_request", False), ("complete_request", False), ("comm_msg", False)],
)
def test_only_a_request_for_work_says_that_a_client_knows_the_process(msg_type: str, counts: bool) -> None:
    asked: list[str] = []
    client: Any = SimpleNamespace(mailbox=SimpleNamespace(requested=lambda: asked.append(msg_type)))
    message: Any = SimpleNamespace(msg_type=msg_type)
    restarts.note_request(client, message)
    assert asked == [msg_type] * counts
    client.mailbox = None
    restarts.note_request(client, message)


def test_a_connection_hears_of_restart_and_death_until_it_ends() -> None:
    manager, client = Callbacks(), connection()
    client.multi_kernel_manager = manager
    client.on_kernel_restarted = client.on_restart_failed = lambda: None
    restarts.watch(client)
    assert [event for event, _ in manager.registered] == ["restart", "dead"]
    restarts.unwatch(client)
    assert manager.registered == []


# the manager's buffer


def test_what_others_have_buffered_is_replayed_in_order_in_runs_of_a_channel() -> None:
    seen: list[tuple[str, list[Any]]] = []
    receiver = SimpleNamespace(split=lambda channel, messages: (channel, messages))
    client: Any = SimpleNamespace(
        mailbox=SimpleNamespace(receive=seen.append),
        new_receiver=lambda verify: receiver,
        verify_signatures=True,
        log=SimpleNamespace(info=lambda *_: None),
    )
    names = ["iopub", "iopub", "shell", "iopub"]
    buffers.replay(client, [(channel, [channel, number]) for number, channel in enumerate(names)])
    assert seen == [
        ("iopub", [["iopub", 0], ["iopub", 1]]),
        ("shell", [["shell", 2]]),
        ("iopub", [["iopub", 3]]),
    ]


@pytest.mark.parametrize(("key", "lent", "taken"), [("mine", False, True), ("mine", True, False), ("other", False, False)])
def test_only_this_sessions_buffer_is_taken_and_not_what_was_lent(key: str, lent: bool, taken: bool) -> None:
    channel = buffers.Lent("shell") if lent else SimpleNamespace()
    info = {"session_key": key, "channels": {"shell": channel}, "buffer": []}
    manager = SimpleNamespace(get_buffer=lambda kernel_id, session_key: info)
    client: Any = SimpleNamespace(multi_kernel_manager=manager, kernel_id=KERNEL, session_key="mine")
    assert (buffers.take_back(client) is info) is taken
