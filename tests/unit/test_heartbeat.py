"""Pings that carry sequence numbers, and the pongs that come back: any bytes a client may send, in any order."""

from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest
from hypothesis import strategies as st
from tornado.websocket import WebSocketClosedError

from kernelws.client import heartbeat
from kernelws.client.heartbeat import PREFIX, Heartbeat
from tests.parity.registry import fuzzed


class Handler:
    """A WebSocket handler that keeps its pings. ``seen`` are the pongs that reached its own ``on_pong``."""

    def __init__(self, *, closed: bool = False) -> None:
        self.settings: dict[str, Any] = {}
        self.pings: list[bytes] = []
        self.seen: list[bytes] = []
        self.closed = closed

    def ping(self, data: bytes) -> None:
        if self.closed:
            raise WebSocketClosedError
        self.pings.append(data)

    def on_pong(self, data: bytes) -> None:
        self.seen.append(data)


def beating(*, closed: bool = False) -> tuple[Any, Heartbeat, list[int]]:
    handler: Any = Handler(closed=closed)
    acknowledged: list[int] = []
    return handler, Heartbeat(handler, acknowledged.append), acknowledged


def at(now: float) -> Any:
    """A patch under which the event loop says that time."""
    clock = SimpleNamespace(time=lambda: now)
    return mock.patch.object(heartbeat, "IOLoop", SimpleNamespace(current=lambda: clock))


STEPS = st.lists(
    st.tuples(st.just("ping"), st.none())
    | st.tuples(st.just("pong"), st.integers(0, 12))
    | st.tuples(st.just("noise"), st.binary(max_size=20) | st.just(PREFIX) | st.just(PREFIX + b"\xff" * 9)),
    max_size=40,
)


@fuzzed(steps=STEPS)
def test_a_pong_acknowledges_what_was_asked_for_once(steps: list[tuple[str, Any]]) -> None:
    """A pong acknowledges all messages before its ping, so a late pong to an older ping acknowledges nothing."""
    handler, beat, acknowledged = beating()
    asked: list[int] = []
    for number, (step, argument) in enumerate(steps):
        before = list(acknowledged)
        if step == "ping":
            with at(number):
                beat.ping(number)
            asked.append(number)
            assert handler.pings[-1] == PREFIX + number.to_bytes(8, "big")
            continue
        data = argument if step == "noise" else PREFIX + argument.to_bytes(8, "big")
        with at(number):
            handler.on_pong(data)
        assert handler.seen[-1] == data, "the handler's own on_pong is called as ever"
        if step == "pong" and argument in asked:
            asked = [later for later in asked if later > argument]
            before.append(argument)
        assert acknowledged == before
    assert acknowledged == sorted(set(acknowledged))
    assert beat.answered == bool(acknowledged)


def test_silence_is_counted_from_when_the_first_ping_left_until_the_first_pong() -> None:
    handler, beat, _ = beating()
    assert beat.silent_for(100.0) == 0.0
    for now in (10.0, 12.0):
        with at(now):
            beat.ping(int(now))
    assert beat.silent_for(15.0) == 0.0, "the pings are still in this process"
    for now in (10.5, 14.0):
        beat.flushed(now)
    assert beat.silent_for(15.5) == 5.0
    with at(16.0):
        handler.on_pong(PREFIX + (10).to_bytes(8, "big"))
    assert beat.silent_for(100.0) == 0.0
    assert beat.round_trip == 6.0


def test_a_ping_to_a_client_that_is_gone_is_not_waited_for() -> None:
    _, beat, _ = beating(closed=True)
    with at(1.0):
        beat.ping(1)
    beat.flushed(2.0)
    assert beat.silent_for(100.0) == 0.0


def test_a_ping_can_be_written_together_with_what_it_follows() -> None:
    handler, beat, acknowledged = beating()
    payload = PREFIX + (7).to_bytes(8, "big")
    with at(1.0):
        assert beat.frame(7) == bytes([0x89, len(payload)]) + payload
    with at(1.5):
        handler.on_pong(payload)
    assert (acknowledged, beat.round_trip, handler.pings) == ([7], 0.5, [])


@pytest.mark.parametrize("settings", [{}, {"websocket_ping_interval": 0}, {"ws_ping_interval": 1}])
def test_without_a_ping_interval_the_handlers_own_keep_alive_is_left_alone(settings: dict[str, Any]) -> None:
    handler: Any = Handler()
    handler.settings = settings
    handler.ping_callback = callback = SimpleNamespace()
    Heartbeat(handler, lambda _: None)
    assert handler.ping_callback is callback
