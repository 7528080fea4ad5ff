"""The state machines: of a kernel's process, of a session and of a WebSocket. Two rules: only ``Machine.on`` changes a state;
what arrives late asks here first. Whatever is not in a table does nothing and returns False.

A kernel's process, as its feed hears it::

    UNHEARD --hear--> PROVEN --replace--> RESTARTING --hear--> PROVEN
    PROVEN --resubscribe--> UNHEARD          UNHEARD --replace--> RESTARTING

A session, which outlives WebSockets::

    ATTACHED --detach--> DETACHED --attach--> ATTACHED      any --end--> ENDED

A WebSocket::

    NEW --connect--> CONNECTING --ready--> LIVE             any --end--> ENDED

Must hold no behaviour but the transitions.
"""

from collections.abc import Mapping
from enum import Enum
from typing import Generic, TypeVar


class ProcessState(Enum):
    UNHEARD = "unheard"
    """Nothing was heard on the present subscription."""
    PROVEN = "proven"
    """The present process was heard: whatever it publishes arrives."""
    RESTARTING = "restarting"
    """Another process was heard before, and the present one was not yet: the tracked state is the other's."""


class ProcessEvent(Enum):
    HEAR = "hear"
    REPLACE = "replace"
    RESUBSCRIBE = "resubscribe"


class SessionState(Enum):
    ATTACHED = "attached"
    """It has a client, or was made for one that connects."""
    DETACHED = "detached"
    ENDED = "ended"


class SessionEvent(Enum):
    ATTACH = "attach"
    DETACH = "detach"
    END = "end"


class LinkState(Enum):
    NEW = "new"
    CONNECTING = "connecting"
    LIVE = "live"
    ENDED = "ended"


class LinkEvent(Enum):
    CONNECT = "connect"
    READY = "ready"
    END = "end"


PROCESS_TRANSITIONS = {
    (ProcessState.UNHEARD, ProcessEvent.HEAR): ProcessState.PROVEN,
    (ProcessState.UNHEARD, ProcessEvent.REPLACE): ProcessState.RESTARTING,
    (ProcessState.PROVEN, ProcessEvent.REPLACE): ProcessState.RESTARTING,
    (ProcessState.PROVEN, ProcessEvent.RESUBSCRIBE): ProcessState.UNHEARD,
    (ProcessState.RESTARTING, ProcessEvent.HEAR): ProcessState.PROVEN,
}

SESSION_TRANSITIONS = {
    (SessionState.ATTACHED, SessionEvent.ATTACH): SessionState.ATTACHED,  # a newer WebSocket takes the session over
    (SessionState.ATTACHED, SessionEvent.DETACH): SessionState.DETACHED,
    (SessionState.DETACHED, SessionEvent.ATTACH): SessionState.ATTACHED,
    (SessionState.ATTACHED, SessionEvent.END): SessionState.ENDED,
    (SessionState.DETACHED, SessionEvent.END): SessionState.ENDED,
}

LINK_TRANSITIONS = {
    (LinkState.NEW, LinkEvent.CONNECT): LinkState.CONNECTING,
    (LinkState.CONNECTING, LinkEvent.READY): LinkState.LIVE,
    (LinkState.NEW, LinkEvent.END): LinkState.ENDED,
    (LinkState.CONNECTING, LinkEvent.END): LinkState.ENDED,
    (LinkState.LIVE, LinkEvent.END): LinkState.ENDED,
}

S = TypeVar("S", bound=Enum)
E = TypeVar("E", bound=Enum)


class Machine(Generic[S, E]):
    """One state and its table."""

    __slots__ = ("_table", "state")

    def __init__(self, table: Mapping[tuple[S, E], S], state: S) -> None:
        self._table = table
        self.state = state

    def on(self, event: E) -> bool:
        """Takes the transition of the table; False if there is none, and then nothing has changed."""
        after = self._table.get((self.state, event))
        if after is None:
            return False
        self.state = after
        return True
