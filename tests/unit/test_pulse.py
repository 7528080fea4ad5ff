"""Heartbeats: three without an answer make a kernel unresponsive, one answer makes it responsive again, and nothing else happens.

The test calls ``beat`` in place of the timer; the kernel's end is a real socket.
"""

import asyncio
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import zmq

from kernelws.kernel.pulse import MOST_MISSED, Pulse
from kernelws.record.counters import TOTALS
from tests.support.wait import TIMEOUT, eventually


class Heart:
    """A kernel manager, and the kernel's end of its heartbeat port."""

    def __init__(self, context: "zmq.Context[Any]") -> None:
        self.context = context
        self.opened: list[zmq.Socket[bytes]] = []
        self.fault: Exception | None = None
        self.bound: list[zmq.Socket[bytes]] = []
        self.bind()

    @property
    def beats(self) -> "zmq.Socket[bytes]":
        return self.bound[-1]

    def bind(self) -> None:
        """Another process listens, on another port."""
        self.bound.append(self.context.socket(zmq.ROUTER))
        self.port = self.beats.bind_to_random_port("tcp://127.0.0.1")

    def connect_hb(self) -> "zmq.Socket[bytes]":
        if self.fault is not None:
            raise self.fault
        socket: zmq.Socket[bytes] = self.context.socket(zmq.REQ)
        socket.connect(f"tcp://127.0.0.1:{self.port}")
        self.opened.append(socket)
        return socket

    def echo(self) -> None:
        """Answers one heartbeat, as a kernel's thread does."""
        assert self.beats.poll(round(1000 * TIMEOUT))
        self.beats.send_multipart(self.beats.recv_multipart())
        assert self.opened[-1].poll(round(1000 * TIMEOUT)), "the answer has arrived"

    @property
    def open(self) -> int:
        return sum(not socket.closed for socket in self.opened)


@pytest.fixture
def heart() -> Iterator[Heart]:
    context: zmq.Context[Any] = zmq.Context()
    yield Heart(context)
    context.destroy(linger=0)


class Looks:
    """How often the process was looked at."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self) -> None:
        self.times += 1


@pytest.fixture
async def pulse(heart: Heart) -> Any:
    pulse = Pulse(lambda: heart, Looks(), logging.getLogger("pulse"), "k")
    pulse.start(3600.0)
    yield pulse
    pulse.close()
    assert heart.open == 0


async def test_three_missed_heartbeats_and_not_two(pulse: Pulse, heart: Heart, caplog: pytest.LogCaptureFixture) -> None:
    before = TOTALS.unresponsive_kernels
    pulse.beat()
    heart.echo()
    pulse.beat()
    for _ in range(MOST_MISSED):
        assert not pulse.unresponsive
        pulse.beat()
    assert pulse.unresponsive
    assert TOTALS.unresponsive_kernels == before + 1
    for _ in range(2 * MOST_MISSED):
        pulse.beat()
    assert [record.message for record in caplog.records] == ["kernel k is unresponsive: 3 heartbeats had no answer"]
    assert heart.open <= 1


async def test_one_answer_is_enough(pulse: Pulse, heart: Heart, caplog: pytest.LogCaptureFixture) -> None:
    """Also to a question that was asked anew, since the first may have been lost with a connection."""
    caplog.set_level(logging.INFO)
    before = TOTALS.unresponsive_kernels
    pulse.beat()
    heart.echo()
    for _ in range(1 + MOST_MISSED + 1):
        pulse.beat()
    assert TOTALS.unresponsive_kernels == before + 1
    heart.beats.recv_multipart()  # the one that had no answer
    heart.echo()
    pulse.beat()
    assert not pulse.unresponsive
    assert TOTALS.unresponsive_kernels == before
    assert caplog.records[-1].message == "kernel k answers heartbeats again"


async def test_a_kernel_that_has_never_answered_is_starting(pulse: Pulse) -> None:
    for _ in range(5 * MOST_MISSED):
        pulse.beat()
    assert not pulse.unresponsive


async def test_a_new_process_is_asked_anew(pulse: Pulse, heart: Heart) -> None:
    before = TOTALS.unresponsive_kernels
    pulse.beat()
    heart.echo()
    for _ in range(1 + MOST_MISSED):
        pulse.beat()
    assert TOTALS.unresponsive_kernels == before + 1
    pulse.reset()
    assert (pulse.unresponsive, TOTALS.unresponsive_kernels, heart.open) == (False, before, 0)
    heart.bind()
    pulse.beat()
    heart.echo()
    pulse.beat()
    assert heart.open == 1


async def test_a_manager_that_cannot_connect_costs_nothing(pulse: Pulse, heart: Heart) -> None:
    heart.fault = OSError("no descriptors")
    for _ in range(3):
        pulse.beat()
    heart.fault = None
    pulse.beat()
    heart.echo()
    assert heart.open == 1


async def test_the_process_is_looked_at_before_each_heartbeat(heart: Heart) -> None:
    looks = Looks()
    pulse = Pulse(lambda: heart, looks, logging.getLogger("pulse"), "k")
    pulse.start(0.001)
    await eventually(lambda: looks.times > 3, "the timer")
    pulse.start(0.001)
    pulse.start(0.0)
    assert heart.open == 0
    seen = looks.times
    await asyncio.sleep(0)
    assert looks.times == seen


async def test_a_kernel_manager_that_is_gone_ends_it(heart: Heart) -> None:
    managers: list[Any] = [heart, None]
    pulse = Pulse(lambda: managers.pop(0), Looks(), logging.getLogger("pulse"), "k")
    pulse.start(3600.0)
    pulse.beat()
    assert heart.open == 1
    pulse.beat()
    assert heart.open == 0
    assert pulse._timer is None
