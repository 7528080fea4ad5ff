"""Each tolerated difference between upstream and kernelws: name, where, when, and in the comment why.

``Case`` says what both sides did. A difference that no line allows fails a test, and so does a line that no example of
``test_divergences.py`` needs. A condition must be no wider than upstream's fault.
"""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from jupyter_client.jsonutil import extract_dates

from kernelws import _core

from . import upstream
from .compare import Case, Outcome, as_text, canonical, depth, is_finite, loaded, spelled, stock
from .messages import binary_frame, v1_frame

FROM_KERNEL, FROM_LEGACY, FROM_V1 = "kernel to legacy client", "legacy client to kernel", "v1 client to kernel"
ANY = (FROM_KERNEL, FROM_LEGACY, FROM_V1)


MET: Counter[str] = Counter()
"""How often each line was needed in this process."""


@dataclass(frozen=True)
class Divergence:
    name: str
    where: str | tuple[str, ...]
    when: Callable[[Case], bool]


def explain(case: Case, where: str) -> str:
    """The name of the line that allows the difference; an AssertionError that shows both sides if there is none."""
    for divergence in DIVERGENCES:
        if where in divergence.where and divergence.when(case):
            MET[divergence.name] += 1
            return divergence.name
    raise AssertionError(f"{where}: an unknown difference\n{case}")


def agree(case: Case, where: str) -> None:
    """Both sides did the same, or a line allows the difference."""
    if not case.equal:
        explain(case, where)


# conditions


def _stock_says(word: str) -> Callable[[Case], bool]:
    return lambda case: not case.ours.refused and word in f"{type(case.stock.error).__name__}: {case.stock.error}"


def _only_ours_refuses(*kinds: str) -> Callable[[Case], bool]:
    return lambda case: not case.stock.refused and case.ours.kind in kinds


def _too_deep(case: Case) -> bool:
    texts = case.parts or (case.frame,)
    # a legacy message adds one level to the depth of its parts
    return case.ours.kind == "too_deep" and max(map(depth, texts)) >= _core.MAX_DEPTH


def _deep_for_stock(case: Case) -> bool:
    texts = case.parts or (case.frame,)
    return _stock_says("RecursionError")(case) and max(map(depth, texts)) > 100


def _dates_as_sent(case: Case) -> bool:
    """Upstream has parsed what looks like a date and printed it again, or has failed at it."""
    return not case.ours.refused and replace(case, ours=stock(_respelled, case.ours.value)).equal


def _respelled(message: dict[str, Any]) -> dict[str, Any]:
    with upstream.quietly():
        return message | {name: extract_dates(message[name]) for name in ("header", "parent_header")}


def _header(case: Case) -> dict[str, Any]:
    header = loaded(case.parts[0])
    return header if isinstance(header, dict) else {}


def _version_is_no_version(case: Case) -> bool:
    """Upstream's ``int(header["version"].split(".")[0])`` fails."""
    version = _header(case).get("version", "4")
    return not case.ours.refused and (not isinstance(version, str) or not _is_int(version.split(".")[0]))


def _is_int(text: str) -> bool:
    try:
        int(text)
    except ValueError:
        return False
    return True


def _not_adapted(case: Case) -> bool:
    """Upstream's adapter for protocol 4 fails at the content, and upstream then refuses the message."""
    version = _header(case).get("version", "4")
    old = isinstance(version, str) and version.split(".")[0].strip() == "4"
    return case.stock.refused and not case.ours.refused and old


def _type_is_no_text(case: Case) -> bool:
    return _only_ours_refuses("msg_type_not_string", "no_member")(case) and not isinstance(_header(case).get("msg_type"), str)


def _part_is_no_object(case: Case) -> bool:
    found = [loaded(part) for part in case.parts[:4]]
    return _only_ours_refuses("not_object", "not_json")(case) and not all(isinstance(part, dict) for part in found)


def _v1_table_lies(case: Case) -> bool:
    if case.stock.refused or not case.ours.refused or not isinstance(case.frame, bytes):
        return False
    channel, parts = case.stock.value
    return case.frame != v1_frame(channel.encode(), parts)


def _too_few_parts(case: Case) -> bool:
    return not case.stock.refused and case.ours.kind == "missing_parts" and len(case.stock.value[1]) < 4


def _binary_table_lies(case: Case) -> bool:
    """Upstream reads parts from the frame, but encoding these parts gives another frame."""
    if not case.ours.refused or not isinstance(case.frame, bytes):
        return False
    count = int.from_bytes(case.frame[:4])
    ends = [int.from_bytes(case.frame[at : at + 4]) for at in range(4, 4 * (min(count, 1000) + 1), 4)]
    pieces = [case.frame[start:stop] for start, stop in zip(ends, [*ends[1:], None], strict=True)]
    return case.frame != binary_frame(pieces)


def _odd_numbers(case: Case) -> bool:
    """Upstream's packer refuses NaN, and then sends the text ``nan`` instead."""
    if case.stock.refused or case.ours.refused:
        return False
    fields = ("header", "msg_id", "parent_header", "metadata", "content")
    odd = [name for name in fields if not is_finite(case.ours.value[1][name])]
    kept = {name: value for name, value in case.stock.value[1].items() if name not in odd}
    our_kept = {name: case.ours.value[1][name] for name in kept}
    return bool(odd) and (spelled(our_kept) == spelled(kept) or _packed_by_stock(our_kept) == spelled(kept))


def _surrogates(case: Case) -> bool:
    """Upstream's packer cannot encode some surrogates, and makes bytes that are no UTF-8 of the others."""
    if case.stock.refused or case.ours.refused:
        return _stock_says("UnicodeEncodeError")(case)
    return _packed_by_stock(case.ours.value) == spelled(case.stock.value)


def _packed_by_stock(value: Any) -> str:
    """A value as a kernel reads it after upstream's packer."""
    try:
        return spelled(value).encode(errors="surrogateescape").decode(errors="replace")
    except UnicodeEncodeError:
        return ""


def _large_integers(case: Case) -> bool:
    """Upstream's unpacker, orjson where it is installed, makes floats of integers beyond 64 bits, as JavaScript does."""
    if case.stock.refused or case.ours.refused:
        return False
    respelled = stock(_respelled, json.loads(canonical(case.ours.value), parse_int=_as_orjson))
    return replace(case, ours=respelled).equal


def _as_orjson(digits: str) -> int | float:
    number = int(digits)
    return number if -(2**63) <= number < 2**64 else float(number)


def _empty_is_an_object(case: Case) -> bool:
    """Stock forwards an empty value where kernelws sends ``{}``; all else is equal, or allowed by another line."""
    if case.stock.refused or case.ours.refused:
        return False
    emptied = replace(case, stock=Outcome(_emptied(case.stock.value)))
    others = (_odd_numbers, _surrogates, _channel_is_a_surrogate)
    return emptied != case and (
        emptied.equal or any(explains(emptied) for explains in others if isinstance(case.stock.value[1], dict))
    )


def _emptied(value: Any) -> Any:
    """``(channel, parts)`` or ``(channel, message)``, with ``{}`` in place of empty values that are not objects."""
    channel, message = value
    empty: dict[str, tuple[Any, ...]] = {"parent_header": ("", []), "metadata": (None, "", []), "content": (None,)}
    if isinstance(message, dict):
        return channel, message | {name: {} for name, values in empty.items() if message[name] in values}
    texts = {name: [json.dumps(value).encode() for value in values] for name, values in empty.items()}
    parts = list(message)
    for at, name in enumerate(texts, start=1):
        if b"".join(parts[at].split()) in texts[name]:
            parts[at] = b"{}"
    return channel, parts


def _channel_is_a_surrogate(case: Case) -> bool:
    """kernelws shows a surrogate in the channel as U+FFFD. Neither channel exists. The rest is equal or as in ``_surrogates``."""
    if case.stock.refused or case.ours.refused or not isinstance(case.stock.value[0], str):
        return False
    channel, message = case.stock.value
    same = spelled(case.ours.value[1]) == spelled(message) or _packed_by_stock(case.ours.value[1]) == spelled(message)
    return as_text(channel) != channel and case.ours.value[0] == as_text(channel) and same


def _channel_is_no_text(case: Case) -> bool:
    return case.ours.kind == "channel_not_string" and (case.stock.refused or not isinstance(case.stock.value[0], str | None))


DIVERGENCES = (
    # a bound of 512, so that nobody after us runs out of stack; stock's bound depends on its caller
    Divergence("depth", ANY, _too_deep),
    # stock walks over dates by recursion, and gives up within JSON's own limits
    Divergence("recursion", ANY, _deep_for_stock),
    # Python converts 4,300 digits at most; the parts of a message need no conversion
    Divergence("long_integers", ANY, _stock_says("Exceeds the limit")),
    # stock respells the dates of header and parent_header (of the server's zone where they have none), and loses a message
    # because a string looks like a date and is none (30 February, Unicode digits, a line feed); clients read them as sent
    Divergence("dates_as_sent", (FROM_KERNEL,), _dates_as_sent),
    # stock loses a message whose header.version it cannot read; clients read the rest
    Divergence("no_version", (FROM_KERNEL, FROM_LEGACY), _version_is_no_version),
    # stock loses a message of protocol 4 that its adapter fails at; here it is shown as it came
    Divergence("not_adapted", (FROM_KERNEL,), _not_adapted),
    # no rule (allow-list, rate, activity) can judge a message whose msg_type is no string
    Divergence("type_is_no_text", ANY, _type_is_no_text),
    # an integer of any length stays as the kernel wrote it; stock rounds it where orjson is its unpacker
    Divergence("large_integers", (FROM_KERNEL,), _large_integers),
    # stock signs with the kernel's key whatever a client calls a header
    Divergence("part_is_no_object", (FROM_LEGACY, FROM_V1), _part_is_no_object),
    # stock cuts at any offsets, so that what it signs is not what the client sent
    Divergence("v1_table_lies", (FROM_V1,), _v1_table_lies),
    # stock signs and sends incomplete messages
    Divergence("too_few_parts", (FROM_V1,), _too_few_parts),
    # each buffer becomes a ZMQ frame, and an empty one costs the client 4 or 8 bytes
    Divergence("too_many_buffers", (FROM_LEGACY, FROM_V1), _only_ours_refuses("too_many_buffers")),
    # as v1_table_lies
    Divergence("binary_table_lies", (FROM_LEGACY,), _binary_table_lies),
    # clients send null, [] or "" where they have no metadata, parent or content; not every kernel reads that as empty
    Divergence("empty_is_an_object", (FROM_LEGACY, FROM_V1), _empty_is_an_object),
    # NaN from a client stays NaN, as in v1; stock makes the text "nan" of it
    Divergence("odd_numbers", (FROM_LEGACY,), _odd_numbers),
    # a lone surrogate from a client passes, as in v1; stock drops the WebSocket or sends what is no UTF-8
    Divergence("surrogates", (FROM_LEGACY,), _surrogates),
    # a lone surrogate in the channel's name is shown as U+FFFD; neither names a channel
    Divergence("channel_is_a_surrogate", (FROM_LEGACY,), _channel_is_a_surrogate),
    # the same refusal, earlier: there is no channel called 5
    Divergence("channel_is_no_text", (FROM_LEGACY,), _channel_is_no_text),
)
