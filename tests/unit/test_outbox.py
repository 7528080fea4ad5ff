"""The outbox as lists of operations against a small model: order, nothing lost within bounds, gaps to the byte, all freed.

The model knows nothing of merging windows, rates or zones. It knows what was appended, and judges what comes out.
"""

import json
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from jupyter_server.services.kernels.connection.base import deserialize_msg_from_ws_v1

from kernelws import _core

DELIMITER = b"<IDS|MSG>"
MSG_TYPE = {"display": "display_data", "update": "update_display_data", "notice": "stream"}
TERMS: dict[str, Any] = {
    "hold": False,
    "msg_limit": 0,
    "data_limit": 0,
    "rate_window": 1,
    "merge_window": 0,
    "backlog_limit": 0,
    "memory_limit": 0,
    "high_water": 1 << 20,
}
Protocol = Literal["v1", "legacy"]


@dataclass
class Message:
    number: int
    kind: str
    parent: str = "p0"
    name: str = "stdout"
    filler: str = ""
    channel: str = "iopub"

    @property
    def text(self) -> str:
        return f"<{self.number}:{self.filler}>"

    @property
    def lane(self) -> str:
        return "iopub" if self.channel == "iopub" or self.kind == "input_request" else "replies"

    def parts(self) -> list[bytes]:
        content: dict[str, Any] = {"number": self.number}
        if self.kind == "stream":
            content = {"name": self.name, "text": self.text}
        elif self.kind in ("display", "update"):
            content["transient"] = {"display_id": self.name}
        elif self.kind == "status":
            content["execution_state"] = "idle" if self.filler else "busy"
        header = {"msg_id": str(self.number), "msg_type": MSG_TYPE.get(self.kind, self.kind), "version": "5.4"}
        header["date"] = "2026-01-01T00:00:00Z"
        parts = [header, {"msg_id": self.parent, "session": "s"}, {}, content]
        return [json.dumps(part).encode() for part in parts]

    def missing_bytes(self, protocol: Protocol) -> int:
        if self.kind == "stream":
            return len(json.dumps(self.text)) - 2
        return len(batch_of([self]).payload(0, protocol))


def batch_of(messages: list[Message]) -> _core.Batch:
    receiver = _core.Receiver(b"", "hmac-sha256")
    return receiver.split(messages[0].channel, [[DELIMITER, b"", *message.parts()] for message in messages])


def split_frames(wire: bytes) -> list[bytes | str]:
    """RFC 6455, section 5.2, as a server writes it."""
    payloads: list[bytes | str] = []
    while wire:
        size = {126: 2, 127: 8}.get(wire[1], 0)
        length = int.from_bytes(wire[2 : 2 + size]) if size else wire[1]
        payload, rest = wire[2 + size : 2 + size + length], wire[2 + size + length :]
        assert len(payload) == length
        payloads.append(payload.decode() if wire[0] == 0x81 else payload)
        wire = rest
    return payloads


def decoded(payload: bytes | str) -> tuple[str, dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Channel, header, parent_header, content."""
    if isinstance(payload, str):
        message = json.loads(payload)
        return message["channel"], message["header"], message["parent_header"], message["content"]
    channel, parts = deserialize_msg_from_ws_v1(payload)
    return channel, json.loads(parts[0]), json.loads(parts[1]), json.loads(parts[3])


@dataclass
class Model:
    """What was appended, in order, and what of it came out."""

    appended: dict[str, list[Message]] = field(default_factory=lambda: {"iopub": [], "replies": []})
    seen: dict[str, int] = field(default_factory=lambda: {"iopub": 0, "replies": 0})
    again: dict[str, list[Any]] = field(default_factory=lambda: {"iopub": [], "replies": []})
    unacknowledged: list[tuple[str, Any, int]] = field(default_factory=list)
    missing: list[Message] = field(default_factory=list)
    gaps: Counter[tuple[str, str]] = field(default_factory=Counter)

    def arrives(self, payload: bytes | str, high_water: int) -> None:
        message = decoded(payload)
        channel, header, parent, content = message
        lane = "iopub" if channel == "iopub" or header["msg_type"] == "input_request" else "replies"
        size = len(payload) + (2 if len(payload) < 126 else 4)
        waiting = sum(length for other, _, length in self.unacknowledged if other == lane)
        assert waiting == 0 or waiting + size <= high_water
        self.unacknowledged.append((lane, message, size))
        if self.again[lane]:
            assert message == self.again[lane].pop(0), "a repeat is what it was"
        elif header["msg_id"] != "notice":
            self.is_next(lane, header, parent, content)

    def is_next(self, lane: str, header: dict[str, Any], parent: dict[str, Any], content: dict[str, Any]) -> None:
        queue, start = self.appended[lane], self.seen[lane]
        stream = header["msg_type"] == "stream"
        numbers = [int(n) for n in re.findall(r"<(\d+):", content["text"])] if stream else [content["number"]]
        first = next(i for i in range(start, len(queue)) if queue[i].number == numbers[0])
        come = queue[first : first + len(numbers)]
        assert [message.number for message in come] == numbers, "only neighbours become one"
        assert {message.parent for message in come} == {parent["msg_id"]}
        assert header["msg_id"] == str(numbers[0])
        if stream:
            assert content == {"name": come[0].name, "text": "".join(message.text for message in come)}
            assert {message.name for message in come} == {content["name"]}
        skipped = queue[start:first]
        while skipped and same_display(skipped[-1], come[0]):
            skipped.pop()
        self.missing += skipped
        self.seen[lane] = first + len(numbers)

    def detach(self) -> None:
        for lane in self.again:
            self.again[lane] = [m for other, m, _ in self.unacknowledged if other == lane] + self.again[lane]
        self.unacknowledged.clear()


def same_display(old: Message, new: Message) -> bool:
    return old.kind == new.kind == "update" and (old.parent, old.name) == (new.parent, new.name)


KINDS = st.sampled_from(["stream"] * 6 + ["display", "update", "update", "status", "error"])
FILLERS = st.sampled_from(["", "x", "\n\\", "é😀", "y" * 60, "z" * 200])


class Operations(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.now, self.count = 100.0, 0
        self.terms = dict(TERMS)
        self.model = Model()
        self.blocks: dict[int, bytes] = {}
        self.pings: list[tuple[int, int]] = []
        self.taken = 0
        self.text_bound = 0.0
        self.lost = False

    @initialize(protocol=st.sampled_from(["v1", "legacy"]))
    def start(self, protocol: Protocol) -> None:
        self.outbox = _core.Outbox(protocol)
        self.configure(0.016, 0, 0, 1 << 20)

    @rule(
        merge=st.sampled_from([0, 0.016]),
        backlog=st.sampled_from([0, 100, 1000]),
        rate=st.sampled_from([0, 3, 20]),
        high_water=st.sampled_from([0, 700, 3000, 1 << 20]),
    )
    def configure(self, merge: float, backlog: int, rate: int, high_water: int) -> None:
        self.terms.update(hold=rate > 0, msg_limit=rate, data_limit=rate * 300, merge_window=merge)
        self.terms.update(backlog_limit=backlog, high_water=high_water)
        self.outbox.configure(**self.terms)
        self.text_bound = max(self.text_bound, backlog or float("inf"))

    @rule(
        batch=st.lists(
            st.tuples(KINDS, st.sampled_from(["p0", "p1"]), st.sampled_from(["stdout", "stderr"]), FILLERS),
            min_size=1,
            max_size=12,
        ),
        cut=st.integers(0, 2),
    )
    def append(self, batch: list[tuple[str, str, str, str]], cut: int) -> None:
        messages = [Message(self.number(), *args) for args in batch]
        self.outbox.append(batch_of(messages), cut, len(messages), self.now)
        self.model.appended["iopub"] += messages[cut:]
        if not self.outbox.attached:
            self.check_text()

    @rule(channel=st.sampled_from(["shell", "control", "stdin"]), kind=st.sampled_from(["input_request", "reply"]))
    def reply(self, channel: str, kind: str) -> None:
        kind = "execute_reply" if channel != "stdin" else kind
        message = Message(self.number(), kind, channel=channel)
        self.outbox.append(batch_of([message]), 0, 1, self.now)
        self.model.appended[message.lane].append(message)

    def number(self) -> int:
        self.count += 1
        return self.count

    @rule(max_bytes=st.sampled_from([1, 1500, 1 << 20]), single=st.booleans())
    def take(self, max_bytes: int, single: bool) -> None:
        self.take_once(max_bytes, single)

    def take_once(self, max_bytes: int, single: bool) -> bool:
        """False: nothing now."""
        take = self.outbox.take_messages if single else self.outbox.take
        taken = take(self.now, max_bytes)
        if taken is None:
            self.check_text()
            return False
        if isinstance(taken, _core.Gap):
            self.fill(taken)
        elif isinstance(taken, int):
            assert self.outbox.restore(taken, self.blocks.pop(taken))
        else:
            payloads = taken if isinstance(taken, list) else split_frames(taken)
            assert len(payloads) == 1 or sum(map(len, payloads)) <= max_bytes
            self.taken += len(payloads)
            for payload in payloads:
                self.model.arrives(payload, self.terms["high_water"])
        return True

    def fill(self, gap: _core.Gap) -> None:
        parent = json.loads(gap.parent_header)
        self.model.gaps[parent.get("msg_id", ""), "messages"] += gap.messages
        self.model.gaps[parent.get("msg_id", ""), "bytes"] += gap.bytes
        header = {"msg_id": "notice", "msg_type": "stream", "date": None, "version": "5.4"}
        parts = [json.dumps(part).encode() for part in (header, parent, {}, {"name": "stderr", "text": gap.reason})]
        encode = _core.encode_v1 if self.outbox.protocol == "v1" else _core.encode_legacy
        assert not self.outbox.fill_gap(gap.id + 1, b"")
        assert self.outbox.fill_gap(gap.id, encode("iopub", parts))

    def check_text(self) -> None:
        text = self.outbox.stats().text
        assert text <= self.text_bound
        if text == 0:
            self.text_bound = self.terms["backlog_limit"] or float("inf")

    @rule(dt=st.sampled_from([0.001, 0.02, 0.5, 5.0, -0.01, -50.0]))
    def tick(self, dt: float) -> None:
        self.now += dt

    @rule()
    def ping(self) -> None:
        due = self.outbox.ping_at
        number = self.outbox.ping_due(self.now)
        if due is not None and self.now >= due:
            assert number is not None
        if number is not None:
            self.pings.append((number, self.taken))

    @precondition(lambda self: self.pings)
    @rule(data=st.data())
    def pong(self, data: st.DataObject) -> None:
        number, upto = data.draw(st.sampled_from(self.pings))
        assert self.outbox.acknowledge(number)
        assert not self.outbox.acknowledge(number)
        del self.model.unacknowledged[: len(self.model.unacknowledged) - (self.taken - upto)]
        self.pings = [ping for ping in self.pings if ping[0] > number]

    @rule(number=st.sampled_from([0, 10**6, 2**64 - 1]))
    def stray_pong(self, number: int) -> None:
        assert not self.outbox.acknowledge(number)

    @rule()
    def acknowledge_all(self) -> None:
        self.outbox.acknowledge_all()
        self.model.unacknowledged.clear()
        self.pings.clear()

    @rule()
    def detach(self) -> None:
        self.outbox.detach()
        self.model.detach()
        for number, _ in self.pings:
            assert not self.outbox.acknowledge(number)
        self.pings.clear()
        assert self.outbox.take(self.now, 1 << 20) is None

    @rule(protocol=st.sampled_from(["v1", "legacy"]))
    def attach(self, protocol: Protocol) -> None:
        self.outbox.attach(protocol)
        self.model.detach()
        self.pings.clear()

    @rule(max_bytes=st.sampled_from([1, 2000]))
    def spill(self, max_bytes: int) -> None:
        if spilled := self.outbox.spill(max_bytes):
            self.blocks[spilled[0]] = spilled[1]

    def updates_wait(self) -> bool:
        return any(message.kind == "update" for message in self.model.appended["iopub"][self.model.seen["iopub"] :])

    # What was superseded and what was left out look the same to the model, so these wait until no updates do
    @precondition(lambda self: self.blocks and not self.updates_wait())
    @rule(data=st.data())
    def lose(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(sorted(self.blocks)))
        del self.blocks[number]
        assert self.outbox.lost(number)
        assert not self.outbox.lost(number)
        self.lost = True

    @precondition(lambda self: not self.updates_wait())
    @rule()
    def drop_display(self) -> None:
        before = sum(messages for messages, _ in self.outbox.stats().left_out.values())
        dropped = self.outbox.drop_oldest_display()
        assert sum(messages for messages, _ in self.outbox.stats().left_out.values()) == before + dropped

    @rule()
    def drop_text(self) -> None:
        before = self.outbox.stats().text
        assert (self.outbox.stats().text < before) == self.outbox.drop_text() or self.outbox.stats().text < before

    @invariant()
    def every_message_is_somewhere(self) -> None:
        stats = self.outbox.stats()
        left_out = sum(messages for messages, _ in stats.left_out.values())
        assert stats.appended == stats.sent + stats.waiting + left_out + stats.refused
        assert stats.refused == 0
        assert stats.unacknowledged == sum(size for _, _, size in self.model.unacknowledged)
        assert stats.disk == sum(map(len, self.blocks.values()))
        assert stats.memory >= stats.unacknowledged

    def teardown(self) -> None:
        protocol = self.outbox.protocol
        self.attach(protocol)
        while self.take_once(1 << 20, False) or self.outbox.wake_at is not None:
            if self.outbox.wake_at is not None:
                self.now = self.outbox.wake_at
            self.acknowledge_all()
        self.acknowledge_all()
        model, stats = self.model, self.outbox.stats()
        for lane, queue in model.appended.items():
            model.missing += queue[model.seen[lane] :]
        assert stats.waiting == stats.memory == stats.disk == stats.unacknowledged == stats.text == stats.replay == 0
        expected: Counter[tuple[str, str]] = Counter()
        for message in model.missing:
            assert self.lost or message.kind in ("stream", "display")
            assert message.lane == "iopub"
            expected[message.parent, "messages"] += 1
            expected[message.parent, "bytes"] += message.missing_bytes(protocol)
        if self.lost:
            # A lost block is one gap, of the first parent in it; its bytes are those of the subprotocol of then
            expected, model.gaps = (
                Counter({(parent, what): n for (parent, what), n in totals(counter).items() if what == "messages"})
                for counter in (expected, model.gaps)
            )
        elif any(message.kind != "stream" for message in model.missing):
            expected, model.gaps = messages_only(expected), messages_only(model.gaps)
        assert expected == model.gaps


def totals(counter: Counter[tuple[str, str]]) -> Counter[tuple[str, str]]:
    summed: Counter[tuple[str, str]] = Counter()
    for (_, what), n in counter.items():
        summed["", what] += n
    return summed


def messages_only(counter: Counter[tuple[str, str]]) -> Counter[tuple[str, str]]:
    return Counter({key: n for key, n in counter.items() if key[1] == "messages"})


Operations.TestCase.settings = settings(max_examples=150, stateful_step_count=50, deadline=None)
TestOperations = pytest.mark.timeout(300)(Operations.TestCase)
