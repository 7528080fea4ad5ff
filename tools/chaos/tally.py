"""Counts the numbered messages that arrived, that arrived twice or out of order, and that the server says it left out.

Reads the numbers from the text of `stream` messages, since merging keeps text but not messages, and from comm messages. Each
flood is counted separately, by the msg_id of its parent. Also reads the notices of left-out output, and the statuses. Text is
counted as notices do: bytes of JSON between the quotes. A number that arrived before is a repeat; a new number that is lower
than an earlier one is out of order. Must not measure time. Cost: about 1 us a number.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .client import Message

LINE = re.compile(r"#(\d{7})#[^\n#]*\n?")
NOTICE = re.compile(r"(\d+) messages with (\d+) bytes of output were left out here")
PARENT_ID = re.compile(rb'"msg_id": ?"([^"]*)"')


@dataclass
class FloodCount:
    """The numbers that arrived with one parent."""

    seen: set[int] = field(default_factory=set)
    top: int = -1
    last: int = -1
    """The last number that arrived on the current connection."""


@dataclass
class Tally:
    """What one session received, over all its connections."""

    floods: dict[bytes, FloodCount] = field(default_factory=dict)
    arrived: int = 0
    arrived_bytes: int = 0
    repeated: int = 0
    repeated_bytes: list[int] = field(default_factory=lambda: [0])
    """Bytes of text that arrived twice, for each connection."""
    disordered: int = 0
    left_out: int = 0
    left_out_bytes: int = 0
    notices: dict[str, str] = field(default_factory=dict)
    states: list[tuple[bytes, str]] = field(default_factory=list)
    """Every status: the msg_id of its parent, and the state."""
    ids: set[str] = field(default_factory=set)
    """The msg_id of every message."""
    largest: int = 0

    def reconnected(self) -> None:
        """Starts a new connection, on which unacknowledged messages may arrive again, in order."""
        self.repeated_bytes.append(0)
        for flood in self.floods.values():
            flood.last = -1

    def add(self, messages: Iterable[Message]) -> None:
        """Counts these messages."""
        for message in messages:
            self.largest = max(self.largest, message.size)
            kind = message.msg_type
            if kind == "stream":
                self._stream(message)
            elif kind == "comm_msg":
                self._numbers(message, json.loads(message.content)["data"]["number"])
            elif kind == "status" and message.msg_id not in self.ids:
                self.states.append((parent_id(message.parent), json.loads(message.content)["execution_state"]))
            self.ids.add(message.msg_id)

    def _stream(self, message: Message) -> None:
        content = json.loads(message.content)
        found = NOTICE.search(content["text"])
        if content["name"] != "stderr" or not found:
            self._numbers(message, content["text"])
        elif message.msg_id not in self.notices:
            self.notices[message.msg_id] = content["text"]
            self.left_out += int(found[1])
            self.left_out_bytes += int(found[2])

    def _numbers(self, message: Message, text: str) -> None:
        flood = self.floods.setdefault(parent_id(message.parent), FloodCount())
        for line in LINE.finditer(text):
            # A newline has two bytes in JSON
            self._number(flood, int(line[1]), len(line[0]) + line[0].endswith("\n"))

    def _number(self, flood: FloodCount, number: int, size: int) -> None:
        repeat = number in flood.seen
        if number <= flood.last or (not repeat and number < flood.top):
            self.disordered += 1
        flood.last = number
        if repeat:
            self.repeated += 1
            self.repeated_bytes[-1] += size
            return
        flood.seen.add(number)
        flood.top = max(flood.top, number)
        self.arrived += 1
        self.arrived_bytes += size


def parent_id(parent: bytes) -> bytes:
    """The msg_id of a parent header; empty if it has none."""
    found = PARENT_ID.search(parent)
    return found[1] if found else b""
