"""The Session's own path, for messages that only it can read: other packers, protocols below 5, no date.

Rewrites single messages of a batch with what ``Session.deserialize`` would make of them, so that everything after it sees
current JSON. Signatures are checked before, in Rust. Must not touch ordinary messages. Cost: upstream's, a message.
"""

import contextlib
import json
from typing import Any

from jupyter_client._version import protocol_version_info
from jupyter_client.adapter import adapt
from jupyter_client.jsonutil import json_default
from jupyter_client.session import (
    Session,
    json_packer,
    json_unpacker,
    orjson_packer,
    orjson_unpacker,
)

from .. import _core
from ..errors import MalformedMessage

_JSON_PACKERS = (json_packer, orjson_packer)
_JSON_UNPACKERS = (json_unpacker, orjson_unpacker)
_FIELDS = ("header", "parent_header", "metadata", "content")


def packs_json(session: Session) -> bool:
    """Whether the parts that this Session packs and unpacks are JSON."""
    return session.pack in _JSON_PACKERS and session.unpack in _JSON_UNPACKERS


def is_old_kernel(session: Session) -> bool:
    """Whether the kernel of this Session speaks a protocol that has to be adapted, below 5."""
    return 0 < session.adapt_version < protocol_version_info[0]


def message_of(parts: list[Any], session: Session) -> dict[str, Any]:
    """The message dictionary of verified parts, adapted to the current protocol, as ``Session.deserialize`` makes it, but
    with dates as they were sent."""
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
    """The parts of a message dictionary as JSON, whatever the Session packs."""
    parts: list[Any] = [json.dumps(message[field], default=json_default).encode() for field in _FIELDS]
    return parts + list(message.get("buffers") or ())


def describe(batch: _core.Batch, session: Session) -> None:
    """Gives the messages of another packer the JSON that rules and legacy clients read; v1 clients get the original."""
    if not packs_json(session):
        for_legacy(batch, session)


def for_legacy(batch: _core.Batch, session: Session) -> None:
    """Rewrites, for legacy clients only, what their protocol cannot show as it came."""
    for index in batch.unusual():
        _rewrite(batch, index, session, legacy_only=True)


def for_old_kernel(batch: _core.Batch, session: Session) -> None:
    """Rewrites every message of a kernel with a protocol below 5, for all clients."""
    for index in range(len(batch)):
        _rewrite(batch, index, session, legacy_only=False)


def _rewrite(batch: _core.Batch, index: int, session: Session, *, legacy_only: bool) -> None:
    """A message that even the Session cannot read stays as it is: encoding it will say what is wrong with it."""
    parts = batch.parts(index)
    with contextlib.suppress(Exception):  # whatever the packer raises
        parts = json_parts(message_of(parts, session))
    with contextlib.suppress(MalformedMessage):  # no header can be read from what stayed as it is
        batch.rewrite(index, parts, legacy_only=legacy_only)
