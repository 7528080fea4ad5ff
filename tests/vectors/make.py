"""Writes the named malformed inputs of this folder; the files are what tests read, this says what is wrong with each.

``client/v1`` and ``client/legacy`` hold WebSocket messages, NAME.bin as binary and NAME.txt as text; ``kernel`` holds kernel
messages as JSON: multipart messages whose parts are latin-1 strings, ``<signature>`` standing for the right one. ``found``
is not written by this program. After a change run ``python -m tests.vectors.make``. Must stay deterministic.
"""

import json
import struct
from pathlib import Path

FOLDER = Path(__file__).parent
SECRET = "a-content-that-must-not-be-logged"
HEADER = {
    "msg_id": "vector_1",
    "session": "vector",
    "username": "client",
    "date": "2026-01-02T03:04:05.678901Z",
    "msg_type": "execute_request",
    "version": "5.4",
}
CONTENT = {"code": SECRET}
PARTS = [json.dumps(part).encode() for part in (HEADER, {}, {}, CONTENT)]
DEEP = b"[" * 100_000 + b"]" * 100_000
WORST = 1 << 64


def v1(
    parts: list[bytes] = PARTS, channel: bytes = b"shell", count: int | None = None, at: dict[int, int] | None = None
) -> bytes:
    """A v1 message whose count or single offsets may lie; ``at`` maps an offset's index to what stands there."""
    offsets = [8 * (3 + len(parts))]
    for piece in (channel, *parts):
        offsets.append(offsets[-1] + len(piece))
    for index, offset in (at or {}).items():
        offsets[index] = offset
    table = [len(offsets) if count is None else count, *offsets]
    return b"".join(number.to_bytes(8, "little") for number in table) + channel + b"".join(parts)


def v1_with(index: int, part: bytes) -> bytes:
    """A well-framed v1 message with another header (0), parent_header (1), metadata (2) or content (3)."""
    return v1([*PARTS[:index], part, *PARTS[index + 1 :]])


def header(**changes: object) -> bytes:
    """The header with fields changed, or left out where None."""
    return json.dumps({name: value for name, value in (HEADER | changes).items() if value is not None}).encode()


def legacy(**changes: object) -> bytes:
    """A legacy text message with members changed, or left out where None."""
    message = {"header": HEADER, "parent_header": {}, "metadata": {}, "content": CONTENT, "channel": "shell"}
    return json.dumps({name: value for name, value in (message | changes).items() if value is not None}).encode()


def binary(text: bytes = legacy(), buffers: tuple[bytes, ...] = (b"one", b"two"), at: dict[int, int] | None = None) -> bytes:
    """A legacy binary message; ``at`` maps an index of its numbers (0 is the count) to what stands there."""
    pieces = [text, *buffers]
    numbers = [len(pieces), 4 * (1 + len(pieces))]
    for piece in pieces[:-1]:
        numbers.append(numbers[-1] + len(piece))
    for index, number in (at or {}).items():
        numbers[index] = number
    return struct.pack(f"!{len(numbers)}I", *numbers) + b"".join(pieces)


LENGTH = len(v1())
STARTS = [LENGTH - sum(map(len, PARTS[index:])) for index in range(4)]
"""Where the four parts of the good message begin."""
CLIENT_V1 = {
    "empty.bin": b"",
    "one_byte.bin": b"\x06",
    "seven_bytes.bin": b"\xff" * 7,  # stock works for 72 s on it
    "count_only.bin": (7).to_bytes(8, "little"),
    "count_zero.bin": v1(count=0),
    "count_one.bin": v1(count=1),
    "count_one_less.bin": v1(count=5),
    "count_one_more.bin": v1(count=7),
    "count_2_to_32.bin": v1(count=1 << 32),
    "count_2_to_63.bin": v1(count=1 << 63),
    "count_largest.bin": v1(count=WORST - 1),
    "first_offset_zero.bin": v1(at={0: 0}),
    "first_offset_in_table.bin": v1(at={0: 8}),
    "first_offset_leaves_gap.bin": v1(at={0: 8 * 7 + 2}),
    "offset_in_table.bin": v1(at={2: 16}),
    "offset_beyond_end.bin": v1(at={5: LENGTH + 1}),
    "offset_largest.bin": v1(at={5: WORST - 1}),
    "offset_bit_31.bin": v1(at={4: STARTS[3] | 1 << 31}),
    "offset_bit_32.bin": v1(at={4: STARTS[3] | 1 << 32}),
    "offset_bit_63.bin": v1(at={5: LENGTH | 1 << 63}),
    "offset_minus_eight.bin": v1(at={3: WORST - 8}),
    "offsets_descending.bin": v1(at={3: STARTS[0], 2: STARTS[0] + 9}),
    "offsets_overlapping.bin": v1(at={3: STARTS[1] - 1}),
    "last_offset_early.bin": v1(at={5: LENGTH - 1}),
    "trailing_bytes.bin": v1() + b"}",
    "truncated.bin": v1()[:-1],
    "channel_not_utf8.bin": v1(channel=b"\xff\xfe"),
    "channel_unknown.bin": v1(channel=b"nowhere"),
    "channel_empty.bin": v1(channel=b""),
    "channel_iopub.bin": v1(channel=b"iopub"),
    "no_parts.bin": v1([]),
    "three_parts.bin": v1(PARTS[:3]),
    "text.txt": legacy(),
    "header_empty.bin": v1_with(0, b""),
    "header_not_json.bin": v1_with(0, SECRET.encode()),
    "header_array.bin": v1_with(0, b"[]"),
    "header_null.bin": v1_with(0, b"null"),
    "header_without_msg_type.bin": v1_with(0, header(msg_type=None)),
    "header_msg_type_number.bin": v1_with(0, header(msg_type=7)),
    "parent_header_number.bin": v1_with(1, b"7"),
    "metadata_not_json.bin": v1_with(2, b"{"),
    "content_not_json.bin": v1_with(3, b'{"code": ' + SECRET.encode()),
    "content_string.bin": v1_with(3, b'"x"'),
    "content_trailing.bin": v1_with(3, b"{}{}"),
    "content_deep.bin": v1_with(3, b'{"code": ' + DEEP + b"}"),
    "header_deep.bin": v1_with(0, header()[:-1] + b', "x": ' + DEEP + b"}"),
    "content_deep_unclosed.bin": v1_with(3, b"[" * 100_000),
    "buffers_4097.bin": v1([*PARTS, *[b""] * 4097]),
    "buffers_16384.bin": v1([*PARTS, *[b""] * 16_384]),
}
TEXT = len(legacy())
CLIENT_LEGACY = {
    "empty.txt": b"",
    "not_json.txt": SECRET.encode(),
    "array.txt": b"[" + legacy() + b"]",
    "number.txt": b"7",
    "string.txt": json.dumps(legacy().decode()).encode(),
    "null.txt": b"null",
    "truncated.txt": legacy()[:-1],
    "trailing.txt": legacy() + b"{}",
    "header_missing.txt": legacy(header=None),
    "header_null.txt": legacy().replace(json.dumps(HEADER).encode(), b"null"),
    "header_string.txt": legacy(header="execute_request"),
    "header_without_msg_type.txt": legacy(header={"msg_id": "x"}),
    "header_msg_type_object.txt": legacy(header=HEADER | {"msg_type": {"a": 1}}),
    "parent_header_missing.txt": legacy(parent_header=None),
    "metadata_missing.txt": legacy(metadata=None),
    "metadata_array.txt": legacy(metadata=[1]),
    "content_number.txt": legacy(content=7),
    "channel_number.txt": legacy(channel=7),
    "channel_unknown.txt": legacy(channel="nowhere"),
    "channel_iopub.txt": legacy(channel="iopub"),
    "buffers_in_text.txt": legacy(buffers=["one"]),
    "deep.txt": legacy().replace(json.dumps(SECRET).encode(), DEEP),
    "deep_unclosed.txt": b'{"header": ' + b"[" * 100_000,
    "empty.bin": b"",
    "three_bytes.bin": b"\x00\x00\x00",
    "garbage.bin": bytes(range(255, 0, -1)),
    "count_zero.bin": binary(at={0: 0}),
    "count_one_more.bin": binary(at={0: 4}),
    "count_2_to_31.bin": binary(at={0: 1 << 31}),
    "count_largest.bin": binary(at={0: (1 << 32) - 1}),
    "first_offset_zero.bin": binary(at={1: 0}),
    "first_offset_in_table.bin": binary(at={1: 8}),
    "offset_beyond_end.bin": binary(at={3: len(binary()) + 1}),
    "offset_bit_31.bin": binary(at={2: (16 + TEXT) | 1 << 31}),
    "offset_largest.bin": binary(at={2: (1 << 32) - 1}),
    "offsets_descending.bin": binary(at={3: 16}),
    "offsets_overlapping.bin": binary(at={2: 15}),
    "truncated_table.bin": binary()[:11],
    "json_not_utf8.bin": binary(legacy().replace(b"client", b"cli\xffent")),
    "json_not_json.bin": binary(SECRET.encode()),
    "json_array.bin": binary(b"[]"),
    "json_empty.bin": binary(b""),
    "header_missing.bin": binary(legacy(header=None)),
    "buffers_4097.bin": binary(buffers=(b"",) * 4097),
    "buffers_16384.bin": binary(buffers=(b"",) * 16_384),
    "deep.bin": binary(legacy().replace(json.dumps(SECRET).encode(), DEEP)),
}
KERNEL_HEADER = HEADER | {"msg_type": "stream", "session": "kernel", "msg_id": "malformed"}
KERNEL_CONTENT = json.dumps({"name": "stdout", "text": SECRET})
KERNEL_PARTS = [json.dumps(KERNEL_HEADER), "{}", "{}", KERNEL_CONTENT]
DELIMITER, SIGNATURE = "<IDS|MSG>", "<signature>"
GOOD = [DELIMITER, SIGNATURE, *KERNEL_PARTS]
KERNEL = {
    "no_delimiter": [[SIGNATURE, *KERNEL_PARTS]],
    "no_frames_after_delimiter": [[DELIMITER]],
    "missing_parts": [[DELIMITER, SIGNATURE, *KERNEL_PARTS[:3]]],
    "no_parts": [[DELIMITER, SIGNATURE]],
    "empty_signature": [[DELIMITER, "", *KERNEL_PARTS]],
    "wrong_signature": [[DELIMITER, "0" * 64, *KERNEL_PARTS]],
    "signature_cut": [[DELIMITER, SIGNATURE + "<cut>", *KERNEL_PARTS]],
    "replayed": [GOOD, GOOD],
    "header_not_json": [[DELIMITER, SIGNATURE, SECRET, *KERNEL_PARTS[1:]]],
    "header_not_object": [[DELIMITER, SIGNATURE, "[]", *KERNEL_PARTS[1:]]],
    "header_deep": [[DELIMITER, SIGNATURE, DEEP.decode(), *KERNEL_PARTS[1:]]],
    "header_without_msg_type": [[DELIMITER, SIGNATURE, "{}", *KERNEL_PARTS[1:]]],
    "empty_frame": [[""]],
}


def main() -> None:
    """Writes all files and removes those that are no longer made."""
    made = set[Path]()
    for folder, inputs in (("client/v1", CLIENT_V1), ("client/legacy", CLIENT_LEGACY)):
        for name, frame in inputs.items():
            made.add(_write(folder, name, frame))
    for name, messages in KERNEL.items():
        made.add(_write("kernel", name + ".json", json.dumps(messages, indent=1).encode() + b"\n"))
    for folder in ("client/v1", "client/legacy", "kernel"):
        for path in set((FOLDER / folder).iterdir()) - made:
            path.unlink()


def _write(folder: str, name: str, content: bytes) -> Path:
    path = FOLDER / folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


if __name__ == "__main__":
    main()
