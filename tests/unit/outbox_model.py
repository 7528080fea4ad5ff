"""A model of an outbox in a few lines: compares the messages that leave an outbox with those that were appended.

The model knows nothing of merging windows, rates, zones or blocks. It checks each message that leaves: it must be the next one,
or the text of adjacent messages, or equal to the message that it repeats. It also collects the messages that never left.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

from jupyter_server.services.kernels.connection.base import deserialize_binary_message, deserialize_msg_from_ws_v1

from kernelws import _core

DELIMITER = b"<IDS|MSG>"
MSG_TYPE = {"display": "display_data", "update": "update_display_data", "notice": "stream"}
Protocol = Literal["v1", "legacy"]
UNLIMITED: dict[str, Any] = {
    "hold": False,
    "msg_limit": 0,
    "data_limit": 0,
    "rate_window": 1,
    "merge_window": 0,
    "backlog_limit": 0,
    "interrupt_limit": 0,
    "memory_limit": 0,
    "high_water": 1 << 20,
}
"""The configuration of an outbox that keeps everything and sends it at once, up to the limit of unacknowledged bytes."""


@dataclass
class Message:
    number: int
    kind: str
    parent: str = "p0"
    name: str = "stdout"
    filler: str = ""
    channel: str = "iopub"
    buffer: int = 0
    """Length of its one buffer, 0 for none."""
    process: str = "process 0"
    ended: bool = False
    """Whether its process was restarted before it was written: then it never is."""

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
        header |= {"date": "2026-01-01T00:00:00Z", "session": self.process}
        parent = {"msg_id": self.parent, "session": "s", "msg_type": "execute_request"}
        parts = [header, parent, {"buffer": self.buffer}, content]
        return [json.dumps(part).encode() for part in parts] + [bytes([self.number % 251]) * self.buffer][: self.buffer]

    def missing_bytes(self, protocol: Protocol) -> int:
        if self.kind == "stream":
            return len(json.dumps(self.text)) - 2
        encode = _core.encode_v1 if protocol == "v1" else _core.encode_legacy
        return len(encode(self.channel, self.parts()))


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
    if payload[0] == 0:  # the big-endian count of legacy
        assert_buffer(deserialize_binary_message(payload)["metadata"], deserialize_binary_message(payload)["buffers"])
        first, second = (int.from_bytes(payload[at : at + 4]) for at in (4, 8))
        message = json.loads(payload[first:second])  # upstream's function makes dates of what looks like one
        return message["channel"], message["header"], message["parent_header"], message["content"]
    channel, parts = deserialize_msg_from_ws_v1(payload)
    assert_buffer(json.loads(parts[2]), parts[4:])
    return channel, json.loads(parts[0]), json.loads(parts[1]), json.loads(parts[3])


def assert_buffer(metadata: dict[str, Any], buffers: list[Any]) -> None:
    """A buffer holds one byte again and again, as often as the metadata says."""
    assert [len(buffer) for buffer in buffers] == ([metadata["buffer"]] if metadata.get("buffer") else [])
    assert all(len(set(bytes(buffer))) == 1 for buffer in buffers)


@dataclass
class Model:
    """What was appended, in order, and what of it came out."""

    appended: dict[str, list[Message]] = field(default_factory=lambda: {"iopub": [], "replies": []})
    seen: dict[str, int] = field(default_factory=lambda: {"iopub": 0, "replies": 0})
    again: dict[str, list[Any]] = field(default_factory=lambda: {"iopub": [], "replies": []})
    unacknowledged: list[tuple[str, Any, int]] = field(default_factory=list)
    missing: list[Message] = field(default_factory=list)
    gaps: Counter[tuple[str, str]] = field(default_factory=Counter)
    known: set[int] = field(default_factory=set)
    """Announcements that the client has heard, or that were withdrawn: they are not told again."""

    def arrives(self, payload: bytes | str, high_water: int) -> None:
        message = decoded(payload)
        channel, header, parent, content = message
        lane = "iopub" if channel == "iopub" or header["msg_type"] == "input_request" else "replies"
        size = len(payload) + (2 if len(payload) < 126 else 4 if len(payload) < 1 << 16 else 10)
        waiting = sum(length for other, _, length in self.unacknowledged if other == lane)
        assert waiting == 0 or waiting + size <= high_water
        self.unacknowledged.append((lane, message, size))
        if header["msg_id"] == "announcement":
            assert content["number"] not in self.known
        if self.again[lane]:
            assert message == self.again[lane].pop(0), "a repeat is what it was"
        elif header["msg_id"] not in ("notice", "announcement"):
            self.is_next(lane, header, parent, content)

    def is_next(self, lane: str, header: dict[str, Any], parent: dict[str, Any], content: dict[str, Any]) -> None:
        queue, start = self.appended[lane], self.seen[lane]
        stream = header["msg_type"] == "stream"
        numbers = [int(n) for n in re.findall(r"<(\d+):", content["text"])] if stream else [content["number"]]
        first = next(i for i in range(start, len(queue)) if queue[i].number == numbers[0])
        come = queue[first : first + len(numbers)]
        assert [message.number for message in come] == numbers, "only neighbours become one"
        assert not any(message.ended for message in come), "a process that was restarted is not heard any more"
        assert {message.parent for message in come} == {parent["msg_id"]}
        assert header["msg_id"] == str(numbers[0])
        if stream:
            assert content == {"name": come[0].name, "text": "".join(message.text for message in come)}
            assert {message.name for message in come} == {content["name"]}
        skipped = queue[start:first]
        while skipped and same_display(skipped[-1], come[0]) and not skipped[-1].ended:
            skipped.pop()
        self.missing += skipped
        self.seen[lane] = first + len(numbers)

    def detach(self, heard: bool = False) -> bool:
        """Returns whether an announcement may not have arrived. The outbox does not resend announcements: its caller does."""
        sent = [message for _, message, _ in self.unacknowledged if message[1]["msg_id"] == "announcement"]
        unsure = not heard and not all(self.knows(message) for message in sent)
        self.know(sent)
        for lane in self.again:
            sent = [m for other, m, _ in self.unacknowledged if other == lane and not self.knows(m)]
            self.again[lane] = sent + self.again[lane]
        self.unacknowledged.clear()
        return unsure

    def know(self, messages: Iterable[Any]) -> None:
        """Marks these announcements as received; repeats of them are not expected."""
        self.known |= {message[3]["number"] for message in messages if message[1]["msg_id"] == "announcement"}
        for lane in self.again:
            self.again[lane] = [message for message in self.again[lane] if not self.knows(message)]

    def knows(self, message: Any) -> bool:
        return message[1]["msg_id"] == "announcement" and message[3]["number"] in self.known

    def end_process(self) -> None:
        for message in self.appended["iopub"][self.seen["iopub"] :]:
            message.ended = True


def same_display(old: Message, new: Message) -> bool:
    return old.kind == new.kind == "update" and (old.parent, old.name) == (new.parent, new.name)
