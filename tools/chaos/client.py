"""The client of `kernelws.cli`, with decoded v1 messages.

Upstream's function splits a message; only its header is parsed. Must not judge messages. Cost: about 10 us a message.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, NamedTuple

from jupyter_server.services.kernels.connection.base import deserialize_msg_from_ws_v1

from kernelws.cli import client
from kernelws.cli.client import TIMEOUT

if TYPE_CHECKING:
    from kernelws.cli.child import Address
    from kernelws.cli.frames import Json

KEPT = 1 << 24
"""Bytes of a message that are kept; no message is larger."""


class Message(NamedTuple):
    """One v1 message: its header, the bytes of its parent's header, its content, and its size in bytes."""

    channel: str
    header: Json
    parent: bytes
    content: bytes
    size: int

    @property
    def msg_type(self) -> str:
        """The header's msg_type."""
        return str(self.header["msg_type"])

    @property
    def msg_id(self) -> str:
        """The header's msg_id."""
        return str(self.header["msg_id"])


class Client(client.Client):
    """One session with one kernel in v1."""

    def __init__(self, server: Address, kernel_id: str, *, port: int = 0, pongs: bool = True) -> None:
        super().__init__(server, kernel_id, kept=KEPT, port=port, pongs=pongs)

    def read(self, wait: float) -> list[Message]:
        """As `messages`, decoded."""
        return [_message(payload) for payload in self.messages(wait)]

    def prove(self, timeout: float = TIMEOUT) -> list[Message]:
        """Waits for the reply and the idle of a kernel_info_request, so that both directions and IOPub work. Returns all messages
        received. Raises TimeoutError."""
        asked, replied, idle = self.send("shell", "kernel_info_request"), False, False
        came: list[Message] = []
        deadline = time.monotonic() + timeout
        while not (replied and idle):
            if time.monotonic() > deadline:
                raise TimeoutError(f"no {'idle' if replied else 'reply'} to a kernel_info_request")
            for message in self.read(1.0):
                came.append(message)
                if asked in message.parent:
                    replied = replied or message.msg_type == "kernel_info_reply"
                    idle = idle or (message.msg_type == "status" and b"idle" in message.content)
        return came


def _message(payload: bytes) -> Message:
    channel, (head, parent, _, content, *_) = deserialize_msg_from_ws_v1(payload)
    return Message(channel, json.loads(head), parent, content, len(payload))
