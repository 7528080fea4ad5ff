"""The outbox as lists of operations against the model: order, nothing lost within bounds, gaps to the byte, all freed."""

import json
from collections import Counter
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from kernelws import _core
from tests.parity.registry import QUICK, machine
from tests.unit.outbox_model import UNLIMITED, Message, Model, Protocol, batch_of, split_frames

KINDS = st.sampled_from(["stream"] * 6 + ["display", "update", "update", "status", "error"])
FILLERS = st.sampled_from(["", "x", "\n\\", "é😀", "y" * 60, "z" * 200])

CONFIGURATIONS = st.fixed_dictionaries(
    {
        "merge": st.sampled_from([0, 0.016]),
        "backlog": st.sampled_from([0, 100, 1000]),
        "rate": st.sampled_from([0, 3, 20]),
        "high_water": st.sampled_from([0, 700, 3000, 1 << 20]),
        "interrupt": st.sampled_from([0, 20, 500]),
    }
)


@machine
class Outbox(RuleBasedStateMachine):
    """Runs operations in random order. The model checks what leaves the outbox; the rest is checked here."""

    def __init__(self) -> None:
        super().__init__()
        self.now, self.count = 100.0, 0
        self.terms = dict(UNLIMITED)
        self.model = Model()
        self.blocks: dict[int, bytes] = {}
        self.on_their_way: dict[int, bytes] = {}
        self.pings: list[tuple[int, int]] = []
        self.taken = 0
        self.text_bound = 0.0
        self.lost, self.attached = False, True
        self.process = 0
        self.announced = 0

    @initialize(protocol=st.sampled_from(["v1", "legacy"]), configuration=CONFIGURATIONS)
    def start(self, protocol: Protocol, configuration: dict[str, Any]) -> None:
        self.outbox, self.protocol = _core.Outbox(protocol), protocol
        self.configure(**configuration)

    @rule(configuration=CONFIGURATIONS)
    def change(self, configuration: dict[str, Any]) -> None:
        self.configure(**configuration)

    def configure(self, merge: float, backlog: int, rate: int, high_water: int, interrupt: int) -> None:
        self.terms.update(hold=rate > 0, msg_limit=rate, data_limit=rate * 300, merge_window=merge)
        self.terms.update(backlog_limit=backlog, high_water=high_water, interrupt_limit=interrupt)
        self.outbox.configure(**self.terms)
        self.text_bound = max(self.text_bound, backlog or float("inf"))

    @rule(
        batch=st.lists(
            st.tuples(KINDS, st.sampled_from(["p0", "p1"]), st.sampled_from(["stdout", "stderr"]), FILLERS),
            min_size=1,
            max_size=20,
        ),
        cut=st.integers(0, 2),
    )
    def append(self, batch: list[tuple[str, str, str, str]], cut: int) -> None:
        messages = [Message(self.number(), *args, process=f"process {self.process}") for args in batch]
        self.outbox.append(batch_of(messages), cut, len(messages), self.now)
        self.model.appended["iopub"] += messages[cut:]
        if not self.attached:
            self.check_text()

    @precondition(lambda self: self.process)
    @rule(kind=KINDS)
    def append_of_process_before(self, kind: str) -> None:
        """Appends a late message of the process before the restart, which had waited in a socket."""
        message = Message(self.number(), kind, process=f"process {self.process - 1}", ended=True)
        self.outbox.append(batch_of([message]), 0, 1, self.now)
        self.model.appended["iopub"].append(message)

    @rule()
    def restart(self) -> None:
        for number in self.outbox.end_process(f"process {self.process}"):
            self.blocks.pop(number, None)
        self.model.end_process()
        self.process += 1

    @rule()
    def interrupt(self) -> None:
        self.outbox.interrupt()

    @rule()
    def announce(self) -> None:
        self.announced += 1
        header = {"msg_id": "announcement", "msg_type": "status", "date": None, "version": "5.4"}
        parts = [json.dumps(part).encode() for part in (header, {"msg_id": "p0"}, {}, {"number": self.announced})]
        encode = _core.encode_v1 if self.protocol == "v1" else _core.encode_legacy
        self.outbox.announce(encode("iopub", parts))

    @rule()
    def request(self) -> None:
        self.outbox.withdraw_announcements()
        self.model.known |= set(range(self.announced + 1))
        self.model.know([])

    @rule(kinds=st.lists(st.sampled_from(["display", "update", "stream", "status"]), min_size=1, max_size=3))
    def append_large(self, kinds: list[str]) -> None:
        """Appends large buffers, which are shared, between small messages, which are copied."""
        sizes = (1 << 16, 1, 70_000)
        process = f"process {self.process}"
        messages = [Message(self.number(), kind, buffer=size, process=process) for kind, size in zip(kinds, sizes, strict=False)]
        messages.append(Message(self.number(), "status", process=process))
        self.outbox.append(batch_of(messages), 0, len(messages), self.now)
        self.model.appended["iopub"] += messages
        if not self.attached:
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
        take: Any = self.outbox.take_messages if single else self.outbox.take
        taken = take(self.now, max_bytes)
        if taken is None:
            self.check_text()
            return False
        if isinstance(taken, _core.Gap):
            self.fill(taken)
        elif isinstance(taken, int):
            assert self.outbox.restore(taken, self.blocks.pop(taken))
        else:
            payloads = taken if single else split_frames(b"".join(taken))
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
        encode = _core.encode_v1 if self.protocol == "v1" else _core.encode_legacy
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

    @rule(heard=st.booleans())
    def detach(self, heard: bool) -> None:
        assert self.outbox.detach(heard=heard) == self.model.detach(heard)
        self.attached = False
        for number, _ in self.pings:
            assert not self.outbox.acknowledge(number)
        self.pings.clear()
        assert self.outbox.take(self.now, 1 << 20) is None

    @rule(protocol=st.sampled_from(["v1", "legacy"]))
    def attach(self, protocol: Protocol) -> None:
        assert self.outbox.attach(protocol) == self.model.detach()
        self.attached, self.protocol = True, protocol
        self.pings.clear()

    @rule(max_bytes=st.sampled_from([1, 2000]))
    def spill(self, max_bytes: int) -> None:
        if spilled := self.outbox.spill(max_bytes):
            number, pieces = spilled
            self.on_their_way[number] = b"".join(pieces)

    @rule(count=st.integers(1, 3))
    def disk_writes(self, count: int) -> None:
        """Blocks are written in order. The outbox says whether it still needs a block."""
        for number in list(self.on_their_way)[:count]:
            block = self.on_their_way.pop(number)
            wanted = self.outbox.on_its_way(number)
            assert self.outbox.written(number) == wanted
            if wanted:
                self.blocks[number] = block

    @rule()
    def disk_is_full(self) -> None:
        if self.on_their_way:
            self.outbox.unspill(min(self.on_their_way))
            assert not any(map(self.outbox.on_its_way, self.on_their_way))
            self.on_their_way.clear()

    def updates_wait(self) -> bool:
        return any(message.kind == "update" for message in self.model.appended["iopub"][self.model.seen["iopub"] :])

    # The model cannot tell a superseded update from one that was left out, so these two rules run only if no update waits.
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
        before = self.left_out()
        dropped = self.outbox.drop_oldest_display()
        assert self.left_out() == before + dropped

    @rule()
    def cut_text(self) -> None:
        """Cuts the waiting text to its limit, as when the socket accepts nothing."""
        self.outbox.cut_text()
        self.check_text()

    @rule()
    def drop_text(self) -> None:
        before = self.left_out()
        dropped = self.outbox.drop_text()
        assert (self.left_out() > before) == dropped

    def left_out(self) -> int:
        return sum(messages for messages, _ in self.outbox.stats().left_out.values())

    @invariant()
    def every_message_is_somewhere(self) -> None:
        stats = self.outbox.stats()
        assert stats.appended == stats.sent + stats.waiting + self.left_out() + stats.refused
        assert stats.refused == 0
        assert stats.unacknowledged == sum(size for _, _, size in self.model.unacknowledged)
        assert stats.disk == sum(map(len, self.blocks.values()))
        assert stats.memory >= stats.unacknowledged

    def teardown(self) -> None:
        protocol = self.protocol
        self.append([("status", "p0", "stdout", "")], 0)  # the gap of a restarted process is sent before this message
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
            assert self.lost or message.ended or message.kind in ("stream", "display")
            assert message.lane == "iopub"
            expected[message.parent, "messages"] += 1
            expected[message.parent, "bytes"] += message.missing_bytes(protocol)
        # Only text has the same size in both subprotocols. A lost block or process is one gap, with one parent.
        texts_only = all(message.kind == "stream" for message in model.missing)
        for what in ["messages", "bytes"] if texts_only else ["messages"]:
            for parent in ["p0", "p1"]:
                assert self.lost or self.process or expected[parent, what] == model.gaps[parent, what]
            assert sum_of(expected, what) == sum_of(model.gaps, what)


def sum_of(counter: Counter[tuple[str, str]], what: str) -> int:
    return sum(n for key, n in counter.items() if key[1] == what)


TestOutbox = Outbox.TestCase
TestOutbox.settings = settings(QUICK, max_examples=300, stateful_step_count=50)
