"""Which sessions are kept and how long: the registry of a server, with a loop whose time the test moves.

tests/contract tests what sessions contain, test_session_keys.py which connection may take one.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st

from kernelws.session.registry import Registry, registry_of
from kernelws.session.session import ClientSession
from kernelws.session.spool import Spool
from tests.parity.registry import fuzzed
from tests.support.session import LOG, MultiManager, a_session, default_limits
from tests.unit.test_session import batch

KERNEL = "kernel-1"


class Timer:
    """What is called at a time, unless it is cancelled."""

    def __init__(self, when: float, call: Callable[[], None]) -> None:
        self.when = when
        self.call = call
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class Loop:
    """An event loop that only keeps timers."""

    def __init__(self) -> None:
        self.now = 0.0
        self._timers: list[Timer] = []

    def time(self) -> float:
        return self.now

    @property
    def timers(self) -> list[Timer]:
        return [timer for timer in self._timers if not timer.cancelled]

    def call_at(self, when: float, callback: Callable[..., None], *arguments: Any) -> Timer:
        return self.call_later(when - self.now, callback, *arguments)

    def call_later(self, delay: float, callback: Callable[..., None], *arguments: Any, context: Any = None) -> Timer:
        timer = Timer(self.now + delay, lambda: callback(*arguments))
        self._timers.append(timer)
        return timer

    def move_to(self, now: float) -> None:
        due = [timer for timer in self.timers if timer.when <= now]
        self._timers = [timer for timer in self.timers if timer.when > now]
        self.now = now
        for timer in due:
            timer.call()


@contextmanager
def moved_by_hand() -> Iterator[Loop]:
    """The running loop is this one."""
    loop = Loop()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asyncio, "get_running_loop", lambda: loop)
        yield loop


@pytest.fixture
def loop() -> Iterator[Loop]:
    with moved_by_hand() as loop:
        yield loop


@pytest.fixture
def manager() -> MultiManager:
    return MultiManager(KERNEL, "other")


def detached(
    loop: Loop, manager: MultiManager, key: str, at: float | None, *, left: bool = False, kernel_id: str = KERNEL, **limits: Any
) -> ClientSession:
    """A session that was detached ``at`` this time, or not at all."""
    session = a_session(f"{kernel_id}:{key}", manager, limits=default_limits(**limits))
    if at is not None:
        loop.now = at
        session.detach()
    session.stats.page_closed = left
    return session


# how long


def test_a_session_that_is_not_resumed_in_time_ends(loop: Loop, manager: MultiManager) -> None:
    kept: Any = detached(loop, manager, "a", 0.0, resume_timeout=60.0)
    registry_of(manager).keep(kept)
    loop.move_to(59.0)
    assert not kept.closed
    loop.move_to(60.0)
    assert kept.closed
    assert registry_of(manager).sessions == []


def test_a_session_that_came_back_is_not_ended_by_its_old_timer(loop: Loop, manager: MultiManager) -> None:
    kept: Any = detached(loop, manager, "a", 0.0, resume_timeout=60.0)
    registry_of(manager).keep(kept)
    kept.stats.detached_at = None
    loop.move_to(60.0)
    assert not kept.closed
    kept.stats.detached_at = 60.0
    registry_of(manager).keep(kept)
    loop.move_to(119.0)
    assert not kept.closed
    loop.move_to(121.0)
    assert kept.closed


SESSIONS = st.lists(
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


def held(one: ClientSession) -> tuple[int, int]:
    """Bytes in memory and on disk."""
    return one.outbox.upkeep(), one.spill.disk_bytes


@contextmanager
def filled(entries: list[tuple[float | None, bool, str, int, int]], **limits: Any) -> Iterator[tuple[Loop, Registry, list[Any]]]:
    """A registry with these sessions: their messages, and what they have on disk."""
    manager = MultiManager(KERNEL, "other")
    registry, known = registry_of(manager), []
    with moved_by_hand() as loop:
        for number, (at, left, kernel_id, messages, disk) in enumerate(entries):
            one = detached(loop, manager, str(number), at, left=left, kernel_id=kernel_id, session_disk_limit=0, **limits)
            for message in range(messages):
                one.append_shared(batch("iopub", "display_data", message))
            one.spill._spool = Spool(Path(), 1 << 40)
            one.spill._spool.bytes = disk
            known.append(one)
        yield loop, registry, known
        for one in known:
            one.close()


@contextmanager
def logged() -> Iterator[list[str]]:
    """The lines of the sessions' log."""
    lines: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())  # type: ignore[method-assign]
    level = LOG.level
    LOG.addHandler(handler)
    LOG.setLevel(logging.INFO)
    try:
        yield lines
    finally:
        LOG.setLevel(level)
        LOG.removeHandler(handler)


def first_to_go(known: list[Any]) -> list[Any]:
    """The detached sessions in the order in which they must end: first those of closed pages, each kind the oldest first."""
    detached = [one for one in known if one.stats.detached_at is not None]
    return sorted(detached, key=lambda one: (not one.stats.page_closed, one.stats.detached_at))


@fuzzed(entries=SESSIONS, most=st.integers(0, 4))
def test_too_many_detached_sessions_of_a_kernel_end_closed_pages_first(entries: Any, most: int) -> None:
    with logged() as lines, filled([*entries, (101.0, False, KERNEL, 0, 0)], max_detached_sessions=most) as (_, registry, all_):
        *known, new = all_
        registry.keep(new)
        candidates = first_to_go([one for one in all_ if one.identity.kernel_id == KERNEL])
        ended = candidates[: max(0, len(candidates) - most)]
        assert [one for one in known if one.closed] == [one for one in known if one in ended]
        for one in ended:
            (line,) = [line for line in lines if line.startswith(f"session {one.identity.key} ")]
            assert "max_detached_sessions" in line
        assert {one.identity.key for one in registry.sessions} >= {one.identity.key for one in known if not one.closed}


def test_a_connection_that_was_lost_outlives_pages_that_were_closed(loop: Loop, manager: MultiManager) -> None:
    """For example, a laptop loses its connection, and then another tab is reloaded nine times."""
    laptop = detached(loop, manager, "laptop", 0.0)
    for number in range(1, 10):
        tab = detached(loop, manager, f"tab {number}", float(number), left=True, max_detached_sessions=8)
        registry_of(manager).keep(tab)
    assert not laptop.closed
    keys = [one.identity.key for one in registry_of(manager).sessions if one is not laptop]
    assert keys == [f"{KERNEL}:tab {number}" for number in range(3, 10)]
    registry_of(manager).close()


def test_who_comes_back_for_a_session_that_was_ended_is_told_why_once(loop: Loop, manager: MultiManager) -> None:
    registry, key = registry_of(manager), f"{KERNEL}:s"
    registry.evict(detached(loop, manager, "s", 0.0), "max_detached_sessions", 8)
    assert registry.why_discarded(key, "mallory") is None
    notice = registry.why_discarded(key, None)
    assert notice is not None
    assert "max_detached_sessions (now 8)" in notice
    assert registry.why_discarded(key, None) is None


@fuzzed(entries=SESSIONS, memory=st.integers(0, 150), disk=st.integers(0, 150))
def test_over_the_bounds_of_the_server_detached_sessions_end_closed_pages_first(entries: Any, memory: int, disk: int) -> None:
    """Only detached sessions end, and no more than necessary. ``memory`` is in messages."""
    with filled(entries) as (_, registry, known), pytest.MonkeyPatch.context() as patch:
        patch.setattr("kernelws._core.live_bytes", lambda: 0)
        memory *= max((held(one)[0] for one in known), default=0) // 50
        before = {one.identity.key: held(one) for one in known}
        registry.enforce_limits(default_limits(outbox_memory_limit=memory, outbox_disk_limit=disk))

        def over(left: list[Any]) -> bool:
            in_memory = sum(before[one.identity.key][0] for one in left)
            return in_memory > memory or sum(before[one.identity.key][1] for one in left) > disk

        left = [one for one in known if not one.closed]
        candidates = first_to_go(known)
        ended = [one for one in candidates if one.closed]
        assert ended == candidates[: len(ended)]
        assert all(one.closed is False for one in known if one.stats.detached_at is None)
        assert not over(left) or len(ended) == len(candidates)
        assert not ended or over([*left, ended[-1]])


def test_a_kernel_that_is_gone_takes_its_detached_sessions_along(loop: Loop, manager: MultiManager) -> None:
    gone, attached = detached(loop, manager, "a", 1.0), detached(loop, manager, "b", None)
    others = detached(loop, manager, "c", 1.0, kernel_id="other")
    gone.kernel.close()
    assert (gone.closed, attached.closed, others.closed) == (True, False, False)
    assert set(registry_of(manager).sessions) == {attached, others}
    attached.close()
    others.close()
