"""Outcomes of upstream and of kernelws, whether they are equal, and functions that the tolerated differences use.

Values are compared as a client parses them: NaN equals NaN, 1 differs from 1.0, and the order of members counts. All errors are
equal, whatever their texts. kernelws may refuse only with ``MalformedMessage``; ``ours`` does not catch anything else, because
it is a bug.
"""

import contextlib
import itertools
import json
import re
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from jupyter_client.jsonutil import json_default

from kernelws import MalformedMessage

from . import upstream


@dataclass(frozen=True)
class Outcome:
    value: Any = None
    error: Exception | None = None

    @property
    def refused(self) -> bool:
        return self.error is not None

    @property
    def kind(self) -> str:
        """The kind of a ``MalformedMessage``; otherwise empty."""
        return self.error.kind if isinstance(self.error, MalformedMessage) else ""


def stock(function: Callable[..., Any], *arguments: Any) -> Outcome:
    try:
        return Outcome(function(*arguments))
    except Exception as error:  # noqa: BLE001 - whatever upstream raises is how it refuses
        return Outcome(error=error)


def ours(function: Callable[..., Any], *arguments: Any) -> Outcome:
    try:
        return Outcome(function(*arguments))
    except MalformedMessage as error:
        return Outcome(error=error)


@dataclass(frozen=True)
class Case:
    """One input through both sides. ``parts``: header, parent_header, metadata, content, as far as they are known."""

    stock: Outcome
    ours: Outcome
    parts: tuple[bytes, ...] = ()
    frame: str | bytes = b""

    @property
    def equal(self) -> bool:
        if self.stock.refused or self.ours.refused:
            return self.stock.refused == self.ours.refused
        return canonical(self.stock.value) == canonical(self.ours.value)

    def __str__(self) -> str:
        return f"stock: {self.stock}\n ours: {self.ours}\nparts: {self.parts}\nframe: {self.frame!r}"


def canonical(value: Any) -> str:
    """A value spelled out; two are equal if they are spelled alike."""
    return json.dumps(value, default=_bytes_or_date)


def spelled(value: Any) -> str:
    """As ``canonical``, but characters that are not ASCII, and surrogates, are not escaped."""
    return json.dumps(value, default=_bytes_or_date, ensure_ascii=False)


def _bytes_or_date(value: Any) -> Any:
    if isinstance(value, bytes | memoryview):
        return {"bytes": bytes(value).hex()}
    return json_default(value)


def client_reads(payload: str | bytes) -> dict[str, Any]:
    """The message that a legacy client parses; a binary one is split as JupyterLab does, and checked with upstream's function."""
    if isinstance(payload, str):
        return parsed(payload)
    (count,) = struct.unpack_from("!I", payload)
    offsets = [*struct.unpack_from(f"!{count}I", payload, 4), len(payload)]
    pieces = [payload[start:stop] for start, stop in itertools.pairwise(offsets)]
    message = parsed(pieces[0].decode()) | {"buffers": pieces[1:]}
    with contextlib.suppress(ValueError, RecursionError), upstream.quietly():  # see ``divergences``
        assert upstream.deserialize_binary_message(payload)["buffers"] == pieces[1:]
    return message


def parsed(text: str) -> dict[str, Any]:
    """JSON as a client reads it: with integers of any length, which Python refuses to convert."""
    message: dict[str, Any] = json.loads(text, parse_int=lambda digits: int(digits) if len(digits) < 4300 else digits)
    return message


def as_text(string: str) -> str:
    """The string with U+FFFD in place of each lone surrogate."""
    return string.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


# facts


def loaded(part: bytes | str) -> Any:
    """A part as Python reads it, None if it does not."""
    try:
        return json.loads(part.decode(errors="replace") if isinstance(part, bytes) else part)
    except (ValueError, RecursionError):
        return None


def depth(part: bytes | str) -> int:
    """How deeply arrays and objects are nested."""
    text = part.decode(errors="replace") if isinstance(part, bytes) else part
    deepest = level = 0
    for bracket in re.sub(r'"(?:[^"\\]|\\.)*"|[^][{}]', "", text, flags=re.DOTALL):
        level += 1 if bracket in "[{" else -1
        deepest = max(deepest, level)
    return deepest


def leaves(value: Any) -> Iterator[Any]:
    """The scalars in a value, without keys; no recursion, since a value may be deep."""
    waiting = [value]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)
        else:
            yield value


def is_finite(value: Any) -> bool:
    return not any(isinstance(leaf, float) and leaf - leaf != 0 for leaf in leaves(value))
