"""The frames of a client that stock forwards and we refuse or change, each with its reason.

``test_shapes.py`` puts each value of ``SHAPES`` in the place of each field, in a legacy text, a legacy binary and a v1 frame,
and compares what both do. The differences must be exactly those listed here. ``divergences.py`` has the reasons for frames with
wrong lengths and for frames that are not JSON.
"""

import json

SHAPES = {
    shape: json.loads(shape)
    for shape in ("null", "false", "true", "0", '""', "[]", "{}", '"x"', '"{}"', "[1]", "5", '{"a": {"b": [1]}}', "[[], {}]")
}
FRAMES = ("text", "binary", "v1")
LEGACY = ("text", "binary")
ABSENT = "absent"
"""The field is not there."""

_NOT_OBJECTS = ["false", "true", "0", "[1]", "5", '"x"', '"{}"', "[[], {}]"]
_NO_HEADER = (
    "every kernel reads msg_id and msg_type of it, so that none answers; and what is signed with the kernel's key is a message"
)
_NO_TYPE = "no allow-list can judge it, and no kernel has a handler for it"

Frames = tuple[str, ...]
REFUSED: list[tuple[Frames, str, list[str], str]] = [
    (FRAMES, "header", [*_NOT_OBJECTS, "null", '""', "[]"], _NO_HEADER),
    (FRAMES, "header", ["{}", '{"a": {"b": [1]}}'], _NO_TYPE),
    (FRAMES, "header.msg_type", [ABSENT, *_NOT_OBJECTS[:5], "null", "[]", "[[], {}]", "{}", '{"a": {"b": [1]}}'], _NO_TYPE),
    (FRAMES, "parent_header", _NOT_OBJECTS, "no client is known to send it; kernels with typed readers drop the message"),
    (FRAMES, "metadata", _NOT_OBJECTS, "no client is known to send it; ipykernel drops the request, for one"),
    (("v1",), "content", [*_NOT_OBJECTS, '""', "[]"], "kernels look for members of it; stock itself refuses it in legacy"),
    (LEGACY, "content", ['"x"'], "a string is a content that is packed already, and this is no JSON: no kernel can read it"),
    (LEGACY, "content", ['""'], "the same: an empty frame"),
]
"""Frames, field, values, and why they are refused."""

EMPTIED: list[tuple[Frames, str, list[str], str]] = [
    (FRAMES, "parent_header", ['""', "[]"], "clients send it for no parent; kernels with typed readers drop the message"),
    (FRAMES, "metadata", ["null", '""', "[]"], "clients send it for no metadata; ipykernel drops a request with null"),
    (("v1",), "content", ["null"], "as stock does in legacy; ipykernel drops most requests with null"),
]
"""Frames, field, values that reach the kernel as ``{}``, and why not as they are."""
