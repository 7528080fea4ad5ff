"""The tables of ``states.py``: each equals its diagram, and follows it for all lists of events.

A session and a WebSocket are checked by the rule of their tables. A kernel's process is checked through ``Proof``, with
subscriptions, restarts, checks and messages, against definitions over everything that has happened.
"""

import itertools
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, NamedTuple

import pytest
from hypothesis import strategies as st

from kernelws.kernel.proof import Proof
from kernelws.states import (
    LINK_TRANSITIONS,
    PROCESS_TRANSITIONS,
    SESSION_TRANSITIONS,
    LinkEvent,
    LinkState,
    Machine,
    ProcessEvent,
    ProcessState,
    SessionEvent,
    SessionState,
)
from tests.parity.registry import fuzzed

# the tables


class Table(NamedTuple):
    """A table of ``states.py``, and the picture of it at the head of that file."""

    table: dict[Any, Any]
    states: type[Enum]
    events: type[Enum]
    picture: set[tuple[Any, Any, Any]]


TABLES = {
    "process": Table(
        PROCESS_TRANSITIONS,
        ProcessState,
        ProcessEvent,
        {
            (ProcessState.UNHEARD, ProcessEvent.HEAR, ProcessState.PROVEN),
            (ProcessState.PROVEN, ProcessEvent.REPLACE, ProcessState.RESTARTING),
            (ProcessState.RESTARTING, ProcessEvent.HEAR, ProcessState.PROVEN),
            (ProcessState.PROVEN, ProcessEvent.RESUBSCRIBE, ProcessState.UNHEARD),
            (ProcessState.UNHEARD, ProcessEvent.REPLACE, ProcessState.RESTARTING),
        },
    ),
    "session": Table(
        SESSION_TRANSITIONS,
        SessionState,
        SessionEvent,
        {
            (SessionState.ATTACHED, SessionEvent.DETACH, SessionState.DETACHED),
            (SessionState.DETACHED, SessionEvent.ATTACH, SessionState.ATTACHED),
            (SessionState.ATTACHED, SessionEvent.ATTACH, SessionState.ATTACHED),
            (SessionState.ATTACHED, SessionEvent.END, SessionState.ENDED),
            (SessionState.DETACHED, SessionEvent.END, SessionState.ENDED),
        },
    ),
    "websocket": Table(
        LINK_TRANSITIONS,
        LinkState,
        LinkEvent,
        {
            (LinkState.NEW, LinkEvent.CONNECT, LinkState.CONNECTING),
            (LinkState.CONNECTING, LinkEvent.READY, LinkState.LIVE),
            *((state, LinkEvent.END, LinkState.ENDED) for state in LinkState if state is not LinkState.ENDED),
        },
    ),
}
LONGEST = 5
"""The length of the lists. A path through a table without a repeated state has three events at most."""


@pytest.mark.parametrize("name", TABLES)
def test_the_table_is_the_picture(name: str) -> None:
    table, _, _, picture = TABLES[name]
    assert {(before, event, after) for (before, event), after in table.items()} == picture


@pytest.mark.parametrize("name", TABLES)
def test_every_list_of_events_from_every_state_follows_the_table_and_nothing_else(name: str) -> None:
    """All lists of ``LONGEST`` events, and with them all that are shorter."""
    _, states, events, picture = TABLES[name]
    for first in states:
        for steps in itertools.product(events, repeat=LONGEST):
            machine: Machine[Any, Any] = Machine(TABLES[name].table, first)
            for event in steps:
                before = machine.state
                ways = [after for start, happens, after in picture if (start, happens) == (before, event)]
                assert machine.on(event) == bool(ways)
                assert [machine.state] == (ways or [before])


@pytest.mark.parametrize(("name", "end"), [("session", SessionState.ENDED), ("websocket", LinkState.ENDED)])
def test_every_state_can_end_and_nothing_leaves_the_end(name: str, end: Enum) -> None:
    table, states, events, _ = TABLES[name]
    assert {before for (before, event), after in table.items() if after is end} == set(states) - {end}
    for event in events:
        machine: Machine[Any, Any] = Machine(table, end)
        assert not machine.on(event)
        assert machine.state is end


@fuzzed(events=st.lists(st.sampled_from(SessionEvent), max_size=12))
def test_a_session_is_detached_exactly_while_its_last_client_is_gone_and_it_has_not_ended(events: list[SessionEvent]) -> None:
    session = Machine(SESSION_TRANSITIONS, SessionState.ATTACHED)
    for count, event in enumerate(events, 1):
        session.on(event)
        if SessionEvent.END in events[:count]:
            assert session.state is SessionState.ENDED
        else:
            assert session.state is (SessionState.ATTACHED if event is SessionEvent.ATTACH else SessionState.DETACHED)


@fuzzed(events=st.lists(st.sampled_from(LinkEvent), max_size=8))
def test_a_connection_connects_once_goes_live_once_and_ends_once(events: list[LinkEvent]) -> None:
    lifecycle = Machine(LINK_TRANSITIONS, LinkState.NEW)
    taken = [event for event in events if lifecycle.on(event)]
    ways = [[], [LinkEvent.CONNECT], [LinkEvent.CONNECT, LinkEvent.READY]]
    assert taken in [*ways, *([*way, LinkEvent.END] for way in ways)]
    assert (lifecycle.state is LinkState.ENDED) == (LinkEvent.END in events)


@fuzzed(events=st.lists(st.sampled_from(LinkEvent), max_size=8))
def test_nothing_leaves_the_end(events: list[LinkEvent]) -> None:
    lifecycle = Machine(LINK_TRANSITIONS, LinkState.NEW)
    assert lifecycle.on(LinkEvent.END)
    assert not any(lifecycle.on(event) for event in events)
    assert lifecycle.state is LinkState.ENDED


# a kernel's process


@dataclass
class Past:
    """All that has happened to a kernel, from which ``Proof``'s answers follow by their definitions."""

    happened: list[tuple[str, Any]] = field(default_factory=list)

    def spoke(self, until: int | None = None) -> str | None:
        """``header.session`` of the last message that had one."""
        sessions = [what[0] for kind, what in self.happened[:until] if kind == "message" and what[0] is not None]
        return sessions[-1] if sessions else None

    def last(self, *kinds: str) -> int:
        return max((at for at, (kind, _) in enumerate(self.happened) if kind in kinds), default=-1)

    def proofs(self) -> list[int]:
        """The messages that have proven a process. Those of the replaced process do not, unless they answer a probe."""
        found: list[int] = []
        proven, replaced = False, None
        for at, (kind, what) in enumerate(self.happened):
            if kind == "subscription":
                proven = False
            elif kind == "replacement":
                proven, replaced = False, self.spoke(at)
            elif kind == "message" and not proven:
                session, answered = what
                proven = answered or session is None or session != replaced
                found += [at] * proven
        return found

    @property
    def proven(self) -> bool:
        proofs = self.proofs()
        return bool(proofs) and proofs[-1] > self.last("subscription", "replacement")

    @property
    def restarted(self) -> bool:
        """Whether a process that had sent a message was replaced, and no process has been proven since."""
        proofs = self.proofs()
        since = range(proofs[-1] + 1 if proofs else 0, len(self.happened))
        return any(self.happened[at][0] == "replacement" and self.spoke(at) is not None for at in since) and not self.proven

    @property
    def restarts(self) -> int:
        """How often a process was proven that differs from the one proven before it."""
        named = [self.happened[at][1][0] for at in self.proofs() if self.happened[at][1][0] is not None]
        return sum(one != other for one, other in itertools.pairwise(named))

    def notices(self, incarnation: Any, managed: bool) -> bool:
        """Whether a look that finds another provisioner counts as an unannounced replacement. If the manager announces restarts,
        it does not count once the new process is proven."""
        looks = [what for kind, what in self.happened if kind == "look"]
        if not looks or looks[-1] == incarnation:
            return False
        at = self.last("replacement")
        return not managed or not self.proven or self.spoke() == (self.spoke(at) if at >= 0 else None)


class Provisioner:
    """One process: that of its ``pid``."""

    def __init__(self, pid: int) -> None:
        self.pid = pid


PROVISIONERS = [Provisioner(pid) for pid in range(2)]
MESSAGES = st.tuples(st.sampled_from(["one", "two", "three", None]), st.booleans())
LOOKS = st.tuples(st.sampled_from([0, 1]), st.booleans())
HAPPENINGS = st.lists(
    st.tuples(st.sampled_from(["subscription", "replacement"]), st.none())
    | st.tuples(st.just("look"), LOOKS)
    | st.tuples(st.just("message"), MESSAGES),
    max_size=25,
)
FEW = [
    ("subscription", None),
    ("replacement", None),
    *(("look", look) for look in ((0, True), (1, True), (1, False))),
    *(("message", message) for message in (("one", False), ("two", False), ("one", True), (None, False))),
]


def agree(happenings: Iterable[tuple[str, Any]]) -> None:
    """After each step ``Proof`` and ``Past`` must give the same answers."""
    proof, past = Proof(), Past()
    for kind, what in happenings:
        kept = what
        if kind == "subscription":
            proof.resubscribe()
        elif kind == "replacement":
            proof.new_incarnation()
        elif kind == "message":
            session, answered = what
            assert proof.is_another(session) == (None not in (session, past.spoke()) and session != past.spoke())
            proof.hear(session, answered=answered)
        else:
            kept, managed = what
            proof.check_incarnation("here", PROVISIONERS[kept], managed=managed)
            if past.notices(kept, managed):
                past.happened.append(("replacement", None))
        past.happened.append((kind, kept))
        assert (proof.proven, proof.restarted) == (past.proven, past.restarted)
        assert not (proof.proven and proof.restarted)
        assert (proof.kernel_session, proof.restarts) == (past.spoke(), past.restarts)
        assert proof.checked == any(kind == "look" for kind, _ in past.happened)


def test_what_is_known_of_a_kernels_process_follows_from_any_four_things_that_happen_to_it() -> None:
    for happenings in itertools.product(FEW, repeat=4):
        agree(happenings)


@fuzzed(happenings=HAPPENINGS)
def test_a_process_is_proven_by_its_first_word_on_the_subscription_and_by_no_other_process(
    happenings: list[tuple[str, Any]],
) -> None:
    agree(happenings)
