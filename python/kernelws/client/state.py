"""The states of one connection. Two rules: only this file changes the state; what arrives late asks here first.

::

    NEW --connect--> CONNECTING --ready--> LIVE
     |                    |                  |
     +--------end---------+-------end--------+--> ENDED

Whatever is not in the table does nothing and says so by returning False: a nudge that outlives its WebSocket finds ENDED
and leaves the channels alone; a second ``disconnect`` finds ENDED and counts nobody twice.
"""

from enum import Enum


class State(Enum):
    NEW = "new"
    CONNECTING = "connecting"
    LIVE = "live"
    ENDED = "ended"


class Event(Enum):
    CONNECT = "connect"
    READY = "ready"
    END = "end"


TRANSITIONS = {
    (State.NEW, Event.CONNECT): State.CONNECTING,
    (State.CONNECTING, Event.READY): State.LIVE,
    (State.NEW, Event.END): State.ENDED,
    (State.CONNECTING, Event.END): State.ENDED,
    (State.LIVE, Event.END): State.ENDED,
}


class Lifecycle:
    """The state of one connection."""

    def __init__(self) -> None:
        self.state = State.NEW

    def on(self, event: Event) -> bool:
        """Takes the transition of the table; False if there is none, and then nothing has changed."""
        after = TRANSITIONS.get((self.state, event))
        if after is None:
            return False
        self.state = after
        return True

    @property
    def ended(self) -> bool:
        return self.state is State.ENDED
