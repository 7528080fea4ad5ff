"""The oracle: jupyter_server's and jupyter_client's own functions, called on what a test has drawn. Never copied.

The stock class's methods run on light stand-ins that have what those methods read. Must not correct what upstream does: its
exceptions are outcomes too. Cost: one Session for each key, scheme and packer.
"""

import functools
import json
import warnings
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast
from unittest import mock

from jupyter_client import session as session_module
from jupyter_client.session import Session
from jupyter_server.services.kernels.connection.base import (
    deserialize_binary_message,
    deserialize_msg_from_ws_v1,
    serialize_binary_message,
    serialize_msg_to_ws_v1,
)
from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection as Stock

__all__ = [
    "Stock",
    "client_to_kernel_legacy",
    "deserialize_binary_message",
    "deserialize_msg_from_ws_v1",
    "fixed_now",
    "kernel_reads",
    "kernel_to_legacy",
    "parts_of",
    "serialize_binary_message",
    "serialize_msg_to_ws_v1",
    "session_for",
]

NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


@functools.lru_cache(maxsize=64)
def _session(key: bytes, scheme: str, packer: str) -> Session:
    return Session(key=key, signature_scheme=scheme, packer=packer, session="the-server", username="server")


def session_for(key: bytes, scheme: str = "hmac-sha256", packer: str = "json") -> Session:
    """A Session that has seen no message yet."""
    session = _session(key, scheme, packer)
    session.digest_history.clear()
    return session


def fixed_now() -> Any:
    """Patches ``utcnow`` to a constant: upstream gives messages without a date the time of their arrival."""
    return mock.patch.object(session_module, "utcnow", return_value=NOW)


def quietly() -> Any:
    """Ignores upstream's warnings about dates without a time zone and about NaN, which are test inputs here."""
    return warnings.catch_warnings(action="ignore")


def parts_of(session: Session, frames: list[bytes]) -> list[bytes]:
    """Identities off, signature checked: what the stock v1 path would forward if it checked signatures."""
    _, message = session.feed_identities(frames)
    signature, parts = message[0], message[1:]
    if session.auth is not None and (not signature or signature != session.sign(parts[:4])):
        raise ValueError("Invalid Signature")
    return cast("list[bytes]", parts)


def kernel_to_legacy(session: Session, frames: list[bytes], channel: str | None) -> str | bytes:
    """What the stock class writes to a legacy client for the frames of a kernel."""
    with fixed_now(), quietly():
        stand_in: Any = SimpleNamespace(session=session)
        shown: str | bytes = Stock._reserialize_reply(stand_in, frames, channel=channel)
    return shown


class Wire:
    """A socket that keeps what is sent."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []

    def send_multipart(self, frames: list[Any], *_: Any, **__: Any) -> None:
        self.frames = [bytes(frame) for frame in frames]


def client_to_kernel_legacy(session: Session, frame: str | bytes) -> tuple[Any, list[bytes]]:
    """Channel and frames that the stock class sends to the kernel for a legacy client, as its
    ``handle_incoming_message`` calls upstream's functions (which also logs, and looks up the channel)."""
    wire: Any = Wire()
    with quietly():
        message = deserialize_binary_message(frame) if isinstance(frame, bytes) else json.loads(frame)
        channel = message.pop("channel", None)
        session.send(wire, message)
    return channel, wire.frames


def kernel_reads(key: bytes, scheme: str, frames: list[bytes]) -> dict[str, Any]:
    """The message that a kernel with the same key reads from the frames of its socket."""
    session = session_for(key, scheme)
    with fixed_now(), quietly():
        message: dict[str, Any] = session.deserialize(session.feed_identities(frames)[1])
    message["buffers"] = [bytes(buffer) for buffer in message["buffers"]]
    return message
