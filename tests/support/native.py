"""Calls the native objects as the server does, and returns what clients and kernels get. For tests only.

A batch is written by a new outbox. A signature is made by a client's message, and checked by a receiver.
"""

from collections.abc import Callable, Sequence
from typing import Any, Literal

from typing_extensions import Buffer

from kernelws import MalformedMessage, SignatureError, _core

Protocol = Literal["v1", "legacy"]


def _taken(batch: _core.Batch, protocol: Protocol, start: int, stop: int, take: Callable[..., Any]) -> list[Any]:
    outbox, found = _core.Outbox(protocol), list[Any]()
    outbox.append(batch, start, stop, 0.0)
    while (taken := take(outbox, 0.0, 1 << 40)) is not None:
        found += taken
        outbox.acknowledge_all()
    return found


def pieces(batch: _core.Batch, protocol: Protocol, start: int, stop: int) -> list[bytes | memoryview]:
    """The frames of the messages ``start:stop``, as they are written."""
    return _taken(batch, protocol, start, stop, _core.Outbox.take)


def wire(batch: _core.Batch, protocol: Protocol, start: int, stop: int) -> bytes:
    return b"".join(pieces(batch, protocol, start, stop))


def payload(batch: _core.Batch, index: int, protocol: Protocol) -> Any:
    """One message: ``str`` is text, ``bytes`` is binary. Raises the fault for which it is left out."""
    found = [_taken(batch, protocol, at, at + 1, _core.Outbox.take_messages) for at in range(index + 1)]
    if not found[index]:
        raise MalformedMessage(*batch.refused(protocol)[found.count([]) - 1])
    (message,) = found[index]
    return message


def sign(signer: _core.Signer, parts: Sequence[bytes]) -> bytes:
    """Of the first four parts; what is missing is empty, which changes no digest."""
    four = [*parts, *[b""] * (4 - len(parts))]
    return _core.decode_v1(_core.encode_v1("shell", four), json=False).signed(signer)[1]


def verify(key: bytes, scheme: str, signature: Buffer, parts: Sequence[Buffer]) -> None:
    """Raises ``SignatureError`` unless the signature is that of the parts."""
    receiver = _core.Receiver(key, scheme, json=False, digest_history_size=0)
    for kind, sentence in receiver.split("shell", [[b"<IDS|MSG>", signature, *parts]]).malformed:
        raise SignatureError(kind, sentence)
