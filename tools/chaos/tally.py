"""The books: which numbered messages arrived, which came twice, which the server says it left out, and what is missing.

What it does: reads the numbers out of the text of `stream` messages (merging keeps text, not messages) and of comm messages,
for every flood apart; reads the notices that stand in gaps; notes states. What it must not do: time anything.
Strategy: a flood is known by the msg_id of its parent. Text is counted as the kernel wrote it, between the quotes of its
JSON, as the notices count it. A number that came before is a repeat; a new one below one that came before is out of order.
Cost: about 1 us a number.
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
class Flood:
    """What is known of the numbers of one parent."""

    seen: set[int] = field(default_factory=set)
    top: int = -1
    last: int = -1
    """The number that came last on this connection."""


@dataclass
class Tally:
    """What one session received, over all its connections."""

    floods: dict[bytes, Flood] = field(default_factory=dict)
    arrived: int = 0
    arrived_bytes: int = 0
    repeated: int = 0
    repeated_bytes: list[int] = field(default_factory=lambda: [0])
    """Text that came twice, for every connection."""
    disordered: int = 0
    left_out: int = 0
    left_out_bytes: int = 0
    notices: dict[str, str] = field(default_factory=dict)
    states: list[tuple[bytes, str]] = field(default_factory=list)
    """Every status: the msg_id of its parent, and the state."""
    ids: set[str] = field(default_factory=set)
    """The msg_id of everything that is not numbered text."""
    largest: int = 0

    def reconnected(self) -> None:
        """A new WebSocket: what was not acknowledged may come again, from here on upwards."""
        self.repeated_bytes.append(0)
        for flood in self.floods.values():
            flood.last = -1

    def add(self, messages: Iterable[Message]) -> None:
        """Enter what was read."""
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
        flood = self.floods.setdefault(parent_id(message.parent), Flood())
        for line in LINE.finditer(text):
            # A newline is two bytes in JSON.
            self._number(flood, int(line[1]), len(line[0]) + line[0].endswith("\n"))

    def _number(self, flood: Flood, number: int, size: int) -> None:
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
    """The msg_id in a parent header, empty where there is none."""
    found = PARENT_ID.search(parent)
    return found[1] if found else b""
