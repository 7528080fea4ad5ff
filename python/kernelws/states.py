"""The state machines of a kernel's process, a session and a WebSocket.

Two rules: only ``Machine.on`` changes a state, and a callback that may run late checks the state first. An event that is
not in the table changes nothing, and ``on`` returns False.

A kernel's process, as seen through the messages of its feed::

    UNHEARD --hear--> PROVEN --replace--> RESTARTING --hear--> PROVEN
    PROVEN --resubscribe--> UNHEARD          UNHEARD --replace--> RESTARTING

A session, which outlives its WebSockets::

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
    """No message has arrived on the current subscription."""
    PROVEN = "proven"
    """A message of the current process has arrived on the current subscription, so its later messages will arrive too."""
    RESTARTING = "restarting"
    """The process was replaced, and no message of the new one has arrived. ``execution_state`` is still the old one's."""


class ProcessEvent(Enum):
    HEAR = "hear"
    REPLACE = "replace"
    RESUBSCRIBE = "resubscribe"


class SessionState(Enum):
    ATTACHED = "attached"
    """It has a client, or its first client is connecting."""
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
    """A current state and its table of transitions, ``(state, event) -> next state``."""

    __slots__ = ("_table", "state")

    def __init__(self, table: Mapping[tuple[S, E], S], state: S) -> None:
        self._table = table
        self.state = state

    def on(self, event: E) -> bool:
        """Changes the state as the table says. Returns False, and changes nothing, if the table has no such transition."""
        after = self._table.get((self.state, event))
        if after is None:
            return False
        self.state = after
        return True
