"""Rewrites messages that only the Session can read: those of other packers, of protocols below 5, or without a date.

Replaces such a message in its batch by what ``Session.deserialize`` would return, so that later code sees JSON of the current
protocol. Rust has checked the signatures before. Must not touch ordinary messages. Cost: upstream's, for each such message.
"""

import contextlib
import json
from typing import Any

import jupyter_client.session
from jupyter_client._version import protocol_version_info
from jupyter_client.adapter import adapt
from jupyter_client.jsonutil import json_default
from jupyter_client.session import Session

from .. import _core
from ..errors import MalformedMessage

# jupyter_client has those of orjson since 8.8
_JSON_PACKERS, _JSON_UNPACKERS = (
    [getattr(jupyter_client.session, f"{name}_{way}", None) for name in ("json", "orjson")] for way in ("packer", "unpacker")
)
_FIELDS = ("header", "parent_header", "metadata", "content")


def packs_json(session: Session) -> bool:
    """Whether this Session packs and unpacks messages as JSON."""
    return session.pack in _JSON_PACKERS and session.unpack in _JSON_UNPACKERS


def is_old_kernel(session: Session) -> bool:
    """Whether this Session's kernel speaks a protocol below 5, which has to be adapted."""
    return 0 < session.adapt_version < protocol_version_info[0]


def message_of(parts: list[Any], session: Session) -> dict[str, Any]:
    """The message of verified parts, adapted to the current protocol. As ``Session.deserialize`` returns it, except that dates
    stay strings."""
    header = session.unpack(parts[0])
    message = {
        "header": header,
        "msg_id": header["msg_id"],
        "msg_type": header["msg_type"],
        "parent_header": session.unpack(parts[1]),
        "metadata": session.unpack(parts[2]),
        "content": session.unpack(parts[3]),
        "buffers": [memoryview(part) for part in parts[4:]],
    }
    adapted: dict[str, Any] = adapt(message)
    return adapted


def json_parts(message: dict[str, Any]) -> list[Any]:
    """The parts of a message, packed as JSON even if the Session has another packer."""
    parts: list[Any] = [json.dumps(message[field], default=json_default).encode() for field in _FIELDS]
    return parts + list(message.get("buffers") or ())


def describe(batch: _core.Batch, session: Session) -> None:
    """Adds JSON to messages of another packer, for the limits and for legacy clients. v1 clients get the original."""
    if not packs_json(session):
        for_legacy(batch, session)


def for_legacy(batch: _core.Batch, session: Session) -> None:
    """Rewrites, for legacy clients only, the messages that their subprotocol cannot represent."""
    for index in batch.unusual():
        _rewrite(batch, index, session, legacy_only=True)


def for_old_kernel(batch: _core.Batch, session: Session) -> None:
    """Rewrites every message of a kernel with a protocol below 5, for all clients."""
    for index in range(len(batch)):
        _rewrite(batch, index, session, legacy_only=False)


def _rewrite(batch: _core.Batch, index: int, session: Session, *, legacy_only: bool) -> None:
    """Rewrites one message. One that the Session cannot read is not changed: encoding it for a client reports the fault."""
    parts = batch.parts(index)
    with contextlib.suppress(Exception):  # whatever the packer raises
        parts = json_parts(message_of(parts, session))
    with contextlib.suppress(MalformedMessage):  # the unreadable message has no readable header
        batch.rewrite(index, parts, legacy_only=legacy_only)
