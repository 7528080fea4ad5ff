"""The rate window against upstream's ``_limit_rate``, on a clock that the test moves, and batches against single messages.

Upstream's method runs on a stand-in for its connection. Limits and the window change while it runs, and the clock now and
then goes backwards. A window of 0, by which upstream divides, is left to the unit tests.
"""

import json
from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace
from typing import Any
from unittest import mock

from hypothesis import strategies as st

from kernelws import _core
from kernelws.messages import notices

from .messages import DELIMITER
from .registry import fuzzed
from .upstream import Stock, session_for


@dataclass(frozen=True)
class Limits:
    messages: float
    data: float
    window: float


@dataclass(frozen=True)
class Arrival:
    """A message: so many seconds after the one before, under these limits."""

    after: float
    msg_type: str
    state: str
    size: int
    limits: Limits


LIMITS = st.builds(
    Limits,
    st.sampled_from([0, 1, 2, 2.5, 5, -1, 1000]),
    st.sampled_from([0, 10, 100.0, 250, -1, 1_000_000]),
    st.sampled_from([3, 1, 0.5, 0.1, 7]),
)
ARRIVALS = st.builds(
    Arrival,
    st.sampled_from([0, 0, 0, 0.01, 0.1, 0.5, 1, 3, 10, -0.5]) | st.floats(0, 4),
    st.sampled_from(["stream"] * 4 + ["status", "comm_open", "execute_input", "display_data", "error"]),
    st.sampled_from(["busy", "idle", "busy"]),
    st.sampled_from([0, 1, 30, 100, 1000]),
    LIMITS,
)
"""Each message with limits of its own; ``in_phases`` lets them stand for a while."""


@st.composite
def in_phases(draw: st.DrawFn) -> list[Arrival]:
    found: list[Arrival] = []
    for limits in draw(st.lists(LIMITS, min_size=1, max_size=3)):
        arrivals = draw(st.lists(ARRIVALS, max_size=25))
        found += [Arrival(one.after, one.msg_type, one.state, one.size, limits) for one in arrivals]
    return found


class Upstream:
    """The stock class's accounting, with its notices and log lines as events."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.events: list[str] = []
        connection: Any = SimpleNamespace(
            limit_rate=True,
            log=SimpleNamespace(warning=self._logged),
            session=session_for(b""),
            write_stderr=self._told,
            _iopub_window_msg_count=0,
            _iopub_window_byte_count=0,
            _iopub_msgs_exceeded=False,
            _iopub_data_exceeded=False,
            _iopub_window_byte_queue=[],
        )
        connection.get_part = partial(Stock.get_part, connection)
        self.connection = connection

    def _logged(self, text: str) -> None:
        assert text == "iopub messages resumed"
        self.events.append("resumed")

    def _told(self, text: str, _parent: Any) -> None:
        connection = self.connection
        window = connection.rate_limit_window
        if text == notices.message_rate_exceeded(connection.iopub_msg_rate_limit, window):
            self.events.append("msg_rate_exceeded")
        else:
            assert text == notices.data_rate_exceeded(connection.iopub_data_rate_limit, window)
            self.events.append("data_rate_exceeded")

    def takes(self, arrival: Arrival, parts: list[bytes]) -> tuple[bool, list[str]]:
        connection, self.events = self.connection, []
        connection.iopub_msg_rate_limit = arrival.limits.messages
        connection.iopub_data_rate_limit = arrival.limits.data
        connection.rate_limit_window = arrival.limits.window
        message = {"header": None, "parent_header": None, "content": None}
        loop = SimpleNamespace(current=lambda: SimpleNamespace(time=lambda: self.now))
        with mock.patch("jupyter_server.services.kernels.connection.channels.IOLoop", loop):
            held = Stock._limit_rate(connection, "iopub", message, parts)
        return not held, self.events


def parts_of(arrival: Arrival) -> list[bytes]:
    content = {"execution_state": arrival.state} if arrival.msg_type == "status" else {"text": "x" * arrival.size}
    return [json.dumps(part).encode() for part in ({"msg_type": arrival.msg_type}, {}, {}, content)]


def ours(window: _core.RateWindow, now: float, arrival: Arrival, parts: list[bytes]) -> tuple[bool, list[str]]:
    idle = arrival.msg_type == "status" and arrival.state == "idle"
    limits = arrival.limits
    size = sum(map(len, parts))
    forward, events = window.check(now, arrival.msg_type, idle, size, limits.messages, limits.data, limits.window)
    return forward, list(events)


@fuzzed(arrivals=in_phases() | st.lists(ARRIVALS, max_size=30))
def test_each_message_is_judged_as_upstream_judges_it(arrivals: list[Arrival]) -> None:
    upstream, window = Upstream(), _core.RateWindow()
    for arrival in arrivals:
        upstream.now += arrival.after
        parts = parts_of(arrival)
        assert ours(window, upstream.now, arrival, parts) == upstream.takes(arrival, parts)


@fuzzed(arrivals=in_phases(), sizes=st.lists(st.integers(1, 12), min_size=1, max_size=5))
def test_a_batch_is_judged_as_its_messages_one_by_one(arrivals: list[Arrival], sizes: list[int]) -> None:
    """Verdicts and events, message for message; the messages of a batch arrive at one time, under the same limits."""
    upstream, window = Upstream(), _core.RateWindow()
    while arrivals:
        size, sizes = sizes[0], [*sizes[1:], sizes[0]]
        batch, arrivals = arrivals[:size], arrivals[size:]
        first = batch[0]
        upstream.now += first.after
        batch = [Arrival(0, one.msg_type, one.state, one.size, first.limits) for one in batch]
        messages = [parts_of(arrival) for arrival in batch]
        expected = [upstream.takes(*pair) for pair in zip(batch, messages, strict=True)]
        assert by_admit(window, messages, upstream.now, first.limits) == expected


def by_admit(window: _core.RateWindow, messages: list[list[bytes]], now: float, limits: Limits) -> list[tuple[bool, list[str]]]:
    """The runs of ``admit`` as a verdict and events for each message."""
    receiver = _core.Receiver(b"", "hmac-sha256")
    batch = receiver.split("iopub", [[DELIMITER, b"", *parts] for parts in messages])
    verdicts: list[tuple[bool, list[str]]] = [(False, []) for _ in messages]
    end = 0
    for start, stop, events in window.admit(batch, now, limits.messages, limits.data, limits.window):
        assert end <= start <= stop, "runs are in order and do not overlap"
        end = stop
        for index in range(start, stop):
            verdicts[index] = (True, verdicts[index][1])
        for event in events:
            verdicts[start if event == "resumed" else stop][1].append(event)
    return verdicts
