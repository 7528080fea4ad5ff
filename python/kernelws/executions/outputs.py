"""Builds the JSON of an execution: its state, and its output in nbformat 4.5.

The journal holds the kernel's own JSON. It may hold what strict readers refuse (``NaN``, integers of any length), so values are
made plain here. Must not read a clock or a socket. Cost: one parse of each output that is asked for.
"""

import json
import math
from datetime import datetime, timedelta
from typing import Any

from ..kernel.journal import Facts

FIELDS = {
    "stream": ("name", "text"),
    "display_data": ("data", "metadata"),
    "execute_result": ("data", "metadata", "execution_count"),
    "error": ("ename", "evalue", "traceback"),
}
"""The members of each output type (nbformat 4.5, "output"), which are those of the message's content."""
EMPTY: dict[str, Any] = {"name": "stdout", "text": "", "ename": "", "evalue": "", "traceback": [], "execution_count": None}

EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - UTC; a list of 1,000 executions has 3,000 times, and a time zone makes each cost half more

Shown = tuple[str, bytes] | None
"""A message type with its content as JSON; None where messages are missing."""


def summary(facts: Facts) -> dict[str, Any]:
    """An execution without its outputs."""
    return {
        "id": facts.id,
        "cell_id": facts.cell_id,
        "state": facts.shown_state,
        "status": facts.status,
        "execution_count": facts.execution_count,
        "submitted": _time(facts.submitted),
        "started": _time(facts.started),
        "finished": _time(facts.finished),
        "source_sha256": facts.source_sha256.hex(),
    }


def _time(seconds: float | None) -> str | None:
    return None if seconds is None else (EPOCH + timedelta(0, seconds)).isoformat() + "Z"


def input_request(prompt: dict[str, Any] | None) -> dict[str, Any] | None:
    """What a pending prompt asks for."""
    if prompt is None:
        return None
    return {"prompt": str(prompt.get("prompt", "")), "password": prompt.get("password") is True}


def output(shown: Shown) -> dict[str, Any] | None:
    """One output; None for a gap, and for a content that is not an object."""
    if shown is None:
        return None
    msg_type, content = shown
    members = _parsed(content)
    if members is None:
        return None
    found = {name: members.get(name, EMPTY.get(name, {})) for name in FIELDS.get(msg_type, ())}
    return {"output_type": msg_type, **found}


def update(shown: Shown) -> dict[str, Any] | None:
    """The change of a display that the reader already has."""
    members = None if shown is None else _parsed(shown[1])
    if members is None:
        return None
    transient = members.get("transient")
    display_id = transient.get("display_id") if isinstance(transient, dict) else None
    return {"display_id": display_id, "data": members.get("data", {}), "metadata": members.get("metadata", {})}


def _parsed(content: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(content.decode(errors="replace"), parse_int=_whole, parse_constant=lambda _: None, parse_float=_real)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _whole(digits: str) -> int | float | None:
    """An integer. One of over 4,300 digits, which Python refuses to convert, is read as a float."""
    try:
        return int(digits)
    except ValueError:
        return _real(digits)


def _real(digits: str) -> float | None:
    """A finite number, else None: ``1e999`` becomes infinity, which JSON cannot write."""
    number = float(digits)
    return number if math.isfinite(number) else None
