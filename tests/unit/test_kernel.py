"""A kernel on a real subscription, without a server: what it passes on, to which subscribers, and when it is proven.

tests/contract/test_feed.py has kernels and clients.
"""

import asyncio
import gc
import json
import logging
import time
import weakref
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import zmq
from jupyter_client.session import Session

from kernelws import _core
from kernelws.kernel.kernel import Kernel, kernel_of
from kernelws.record.counters import TOTALS
from kernelws.session.registry import registry_of
from tests.parity.messages import DELIMITER, signature
from tests.support.session import KernelManager, MultiManager, a_session
from tests.support.wait import eventually

KEY = b"key"


class Manager:
    """A kernel manager with one IOPub socket. ``publish`` is what its kernel says."""

    def __init__(self, context: zmq.Context[Any]) -> None:
        self.context = context
        self.kernel_id = "kernel-1"
        self.log = logging.getLogger("feed")
        self.session = Session(key=KEY)
        self.parent = SimpleNamespace(allow_tracebacks=True)
        self.ports = [1, 2, 3, 4, 5]
        self.publisher: zmq.Socket[bytes] = context.socket(zmq.XPUB)
        self.publisher.set_hwm(0)
        self.publisher.bind("inproc://iopub")

    def connect_iopub(self) -> zmq.Socket[bytes]:
        socket: zmq.Socket[bytes] = self.context.socket(zmq.SUB)
        socket.subscribe(b"")
        socket.connect("inproc://iopub")
        assert self.publisher.recv() == b"\x01"
        self.subscription = socket
        return socket

    def publish(
        self, number: int, *, msg_type: str = "stream", session: str = "kernel", parent: str = "client", buffer: bytes = b""
    ) -> None:
        header = f'{{"msg_type":"{msg_type}","msg_id":"{number}","session":"{session}"}}'.encode()
        parts = [header, f'{{"session":"{parent}"}}'.encode(), b"{}", b"{}", buffer]
        self.publisher.send_multipart([b"topic", DELIMITER, signature(KEY, "hmac-sha256", parts), *parts])


@pytest.fixture
def manager() -> Iterator[Manager]:
    context: zmq.Context[Any] = zmq.Context()
    manager = Manager(context)
    yield manager
    context.destroy(linger=0)


class Subscriber:
    """Keeps the headers that it was given, or raises."""

    def __init__(self, fault: BaseException | None = None) -> None:
        self.fault = fault
        self.calls = 0
        self.seen: list[str] = []

    def __call__(self, batch: _core.Batch) -> None:
        self.calls += 1
        if self.fault is not None:
            raise self.fault
        self.seen += [batch.parts(index)[0].decode() for index in range(len(batch))]

    def has(self, count: int) -> bool:
        return len(self.seen) == count


@pytest.mark.parametrize("fault", [ValueError("a mistake"), _core.PanicException("a panic in Rust, which is no Exception")])
async def test_a_subscriber_that_fails_keeps_nothing_from_the_others(
    manager: Manager, caplog: pytest.LogCaptureFixture, fault: BaseException
) -> None:
    kernel = Kernel(manager)
    bad, good = Subscriber(fault), Subscriber()
    kernel.subscribe(bad)
    token = kernel.subscribe(good)
    kernel.open()
    for number in range(3):
        manager.publish(number)
    await eventually(lambda: good.has(3), "all messages")
    assert bad.calls >= 1
    assert "the others go on" in caplog.text
    kernel.unsubscribe(token)
    before = bad.calls
    manager.publish(3)
    await eventually(lambda: bad.calls > before, "a message for who is left")
    assert good.has(3)
    kernel.close()


@pytest.mark.parametrize(("slow", "messages"), [("journal", 256), ("subscriber", 128)])
async def test_only_the_time_for_clients_decides_how_much_a_turn_reads(
    manager: Manager, monkeypatch: pytest.MonkeyPatch, slow: str, messages: int
) -> None:
    """What the journal takes does not count: with smaller turns a flood would cost more for each of its messages."""
    seconds = [1e9]
    monkeypatch.setattr(time, "time", lambda: seconds[0])

    def takes_long(*_: object) -> Any:
        seconds[0] += 0.05
        return []

    kernel = Kernel(manager)
    kernel.subscribe(takes_long if slow == "subscriber" else Subscriber())
    journal: Any = SimpleNamespace(core=SimpleNamespace(append=takes_long), waits={}, inherited={}, followed={})
    kernel.journal = journal if slow == "journal" else None
    kernel.open()
    manager.publish(1)
    await eventually(lambda: seconds[0] > 1e9, "a slow turn")
    reader = kernel.feed.reader
    assert reader is not None
    assert reader.budget.messages == messages
    kernel.close()


async def test_nothing_is_lost_while_the_loop_is_busy(manager: Manager) -> None:
    """RCVHWM is 0; with libzmq's default only 1,000 messages would wait. The publisher's own queue has no limit here."""
    kernel, subscriber = Kernel(manager), Subscriber()
    kernel.subscribe(subscriber)
    kernel.open()
    for number in range(5000):
        manager.publish(number)
    await eventually(lambda: subscriber.has(5000), "all messages")
    assert manager.subscription.get(zmq.RCVHWM) == 0
    kernel.close()


async def test_a_busy_trickle_is_handed_on_in_fewer_turns_than_it_has_messages(manager: Manager) -> None:
    """One message arrives in each turn of the event loop. The feed rests after a turn, so it reads several at a time."""
    kernel, subscriber, count = Kernel(manager), Subscriber(), 300
    kernel.subscribe(subscriber)
    kernel.open()
    for number in range(count):
        manager.publish(number)
        await asyncio.sleep(0)
    await eventually(lambda: subscriber.has(count), "all messages")
    assert [json.loads(header)["msg_id"] for header in subscriber.seen] == [str(number) for number in range(count)]
    assert subscriber.calls < count / 2
    manager.publish(count)
    kernel.close()  # also works while the feed rests
    assert kernel.closed()


@pytest.mark.parametrize("size", [1 << 20, 5 << 20])
async def test_a_large_message_now_and_then_is_no_lag(manager: Manager, caplog: pytest.LogCaptureFixture, size: int) -> None:
    """The message fills the limit of a turn, but no message waits behind it."""
    kernel, subscriber = Kernel(manager), Subscriber()
    kernel.subscribe(subscriber)
    kernel.open(lag_limit=0.0)
    before = TOTALS.intake_lags
    for number in range(10):
        manager.publish(number, buffer=bytes(size))
        await eventually(lambda: subscriber.has(number + 1), "the message")  # noqa: B023 - it is waited for here
        assert kernel.feed.behind_since is None
    said = [record.getMessage() for record in caplog.records if record.name == "feed"]  # not asyncio's warnings of slow callbacks
    assert (TOTALS.intake_lags - before, said, kernel.faults.last_fault.kind) == (0, [], "")
    kernel.close()


async def test_a_lag_is_said_once_until_the_socket_was_drained(manager: Manager, caplog: pytest.LogCaptureFixture) -> None:
    """It is logged once, even if the feed is given more time several times."""
    kernel, subscriber = Kernel(manager), Subscriber()
    slow = kernel.subscribe(lambda _: time.sleep(0.003))
    kernel.subscribe(subscriber)
    kernel.open(lag_limit=0.0)
    before = TOTALS.intake_lags
    for number in range(3000):
        manager.publish(number)
    await eventually(lambda: kernel.feed.behind_since is not None, "a lag")
    await eventually(lambda: subscriber.has(3000), "all messages")
    await eventually(lambda: kernel.feed.behind_since is None, "the end of it")
    assert TOTALS.intake_lags - before > 1
    assert [record.getMessage() for record in caplog.records if record.name == "feed"] == [
        "kernel kernel-1, iopub: sends faster than this server reads; it gets more of the event loop's time"
    ]
    assert (kernel.faults.last_fault.kind, kernel.faults.last_fault.times) == ("intake_lag", 1)
    kernel.unsubscribe(slow)
    kernel.close()


async def test_probes_and_welcomes_are_shown_to_nobody_and_prove_the_feed(manager: Manager) -> None:
    kernel, subscriber = Kernel(manager), Subscriber()
    kernel.subscribe(subscriber)
    kernel.open()
    assert not kernel.proven
    manager.publish(0, msg_type="iopub_welcome")
    await eventually(lambda: kernel.proven, "a proof")
    manager.publish(1, msg_type="status", parent=kernel.proof.ask())
    manager.publish(2)
    await eventually(lambda: subscriber.has(1), "the client's own message")
    assert '"msg_id":"2"' in subscriber.seen[0]
    kernel.close()


async def test_the_old_process_does_not_prove_the_new_one(manager: Manager) -> None:
    kernel, subscriber = Kernel(manager), Subscriber()
    kernel.subscribe(subscriber)
    kernel.open()
    manager.publish(0, session="old")
    await eventually(lambda: kernel.proven, "a proof")
    kernel.new_incarnation()
    assert not kernel.proven
    manager.publish(1, session="old")
    await eventually(lambda: subscriber.has(2), "the old one's last word")
    assert not kernel.proven
    manager.publish(2, session="new")
    await eventually(lambda: kernel.proven, "a proof of the new one")
    kernel.close()


async def test_a_late_answer_to_a_probe_of_the_old_process_proves_nothing_and_is_shown_to_nobody(manager: Manager) -> None:
    """``header.session`` is the same in both processes, as some kernels have it, so only an answer to a new probe proves."""
    kernel, subscriber = Kernel(manager), Subscriber()
    kernel.subscribe(subscriber)
    kernel.open()
    manager.publish(0)
    await eventually(lambda: kernel.proven, "a proof")
    before = kernel.proof.ask()
    for _ in range(2):  # a restart may be noticed twice
        kernel.new_incarnation()
    manager.publish(1, msg_type="status", parent=before)
    manager.publish(2)
    await eventually(lambda: subscriber.has(2), "the old one's last word")
    assert not kernel.proven
    manager.publish(3, msg_type="status", parent=kernel.proof.ask())
    await eventually(lambda: kernel.proven, "a proof of the new one")
    assert [json.loads(header)["msg_id"] for header in subscriber.seen] == ["0", "2"]
    kernel.close()


async def test_a_closed_feed_releases_whoever_waits(manager: Manager) -> None:
    kernel = Kernel(manager)
    kernel.open()
    sessions = MultiManager("kernel-1")
    session = a_session("kernel-1:session", sessions, kernel=kernel)
    session.detach()
    kernel.close()
    await kernel.wait_proven()
    assert kernel.closed()
    assert session.closed
    assert registry_of(sessions).of_kernel("kernel-1") == []


async def test_a_kernels_feed_keeps_no_kernel_manager_alive() -> None:
    manager = KernelManager("kernel")
    kernel, gone = kernel_of(manager), weakref.ref(manager)
    del manager
    gc.collect()
    assert gone() is None
    assert kernel.receiver() is None
