"""Strategies for JSON texts, ordinary and odd. Texts are drawn, not values, because the core reads texts.

What kernels and clients really write comes first; then what is legal and rare (escapes in keys, duplicate members, NaN, lone
surrogates, 2^70, dates of all shapes) and what is damaged (cut, overwritten, not UTF-8). Must not know messages.
"""

import json

from hypothesis import strategies as st

SPACE = st.sampled_from(["", "", "", "", " ", "\n", "\t \r"])
CHARACTERS = st.characters(codec="utf-8")

ODD_STRINGS = st.sampled_from(
    [
        r'"\ud800"',
        r'"\udc00\ud800"',
        r'"\ud83d\ude00"',
        r'"\udc80"',
        r'"\/\b\f\n\r\t\"\\"',
        r'"\u0000"',
        '"\x7f"',
        '"\u2028\ufeff"',
        '""',
    ]
)
NUMBERS = st.one_of(
    st.integers(-(2**70), 2**70).map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.sampled_from(["0", "-0", "-0.0", "1e400", "-1E-400", "1E+5", "9" * 400, "0.1e0", str(2**70)]),
)
NOT_FINITE = st.sampled_from(["NaN", "Infinity", "-Infinity"])
CONSTANTS = st.sampled_from(["true", "false", "null"])


def spelled(text: str, way: int) -> str:
    """A string in one of the ways to write it."""
    if way == 0:
        return json.dumps(text, ensure_ascii=False)
    if way == 1:
        return json.dumps(text)
    units = text.encode("utf-16-be", "surrogatepass")
    return '"' + "".join(f"\\u{units[at]:02x}{units[at + 1]:02X}" for at in range(0, len(units), 2)) + '"'


WAY = st.sampled_from([0, 0, 0, 1, 2])
STRINGS = st.one_of(st.builds(spelled, st.text(CHARACTERS, max_size=12), WAY), ODD_STRINGS)


def two_digits(values: st.SearchStrategy[int]) -> st.SearchStrategy[str]:
    return values.map(lambda value: f"{value:02}")


DATES = st.one_of(
    st.datetimes().map(lambda moment: moment.isoformat() + "Z"),
    st.builds(
        "{}-{}-{}T{}:{}:{}{}{}".format,
        st.sampled_from(["2026", "2024", "1900", "2000", "0001", "9999", "0000", "\u0662026", "26"]),
        two_digits(st.sampled_from([1, 2, 2, 12, 0, 13])),
        two_digits(st.sampled_from([1, 28, 29, 30, 31, 0, 32])),
        two_digits(st.sampled_from([0, 4, 23, 24, 25])),
        two_digits(st.sampled_from([0, 0, 59, 60])),
        two_digits(st.sampled_from([0, 0, 59, 60])),
        st.sampled_from(["", "", ".", ".0", ".5", ".123", ".000000", ".123456", ".000001", ".1234567", ",5"]),
        st.sampled_from(
            ["Z", "Z", "", "z", "+00:00", "-00:00", "+0530", "-05:30", "+05", "+24:00", "+05:60", "+5:30", "Z\n", " "]
        ),
    ),
)
"""Valid ones, ones without a zone, and ones that only look like a date."""
DATE_TEXTS = st.builds(spelled, DATES, WAY)

SCALARS = st.one_of(STRINGS, NUMBERS, CONSTANTS, DATE_TEXTS, NOT_FINITE)


def array(items: list[str], space: str) -> str:
    return "[" + space + f"{space},".join(items) + space + "]"


def object_of(members: list[tuple[str, str]], space: str = "") -> str:
    """An object of keys and values that are JSON texts already; a key may occur twice."""
    return "{" + space + f"{space},{space}".join(f"{key}{space}:{space}{value}" for key, value in members) + space + "}"


def objects(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.builds(object_of, st.lists(st.tuples(STRINGS, values), max_size=4), SPACE)


VALUES = st.recursive(
    SCALARS,
    lambda values: st.one_of(st.builds(array, st.lists(values, max_size=4), SPACE), objects(values)),
    max_leaves=8,
)
OBJECTS = objects(VALUES)


def nested(depth: int, way: int) -> str:
    """An object that is ``depth`` containers deep."""
    if way == 0:
        return '{"a":' * depth + "0" + "}" * depth
    return '{"a":' + "[" * (depth - 1) + "]" * (depth - 1) + "}"


DEEP = st.builds(nested, st.sampled_from([2, 100, 511, 512, 513, 700, 2000, 100_000]), st.sampled_from([0, 1]))
LONG_INTEGER = st.sampled_from(['{"n":' + "9" * digits + "}" for digits in (4299, 4301, 5000)])

NOT_UTF8 = st.sampled_from([b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xf0\x80\x80", b"\xe2\x82", b"\xc0\xaf", b"\xf4\x90\x80\x80"])


@st.composite
def damaged(draw: st.DrawFn, texts: st.SearchStrategy[bytes]) -> bytes:
    """A text that something has happened to; it may still be JSON."""
    text = draw(texts)
    at = draw(st.integers(0, len(text)))
    kind = draw(st.sampled_from(["cut", "bytes", "overwritten", "trailing", "bom", "empty", "doubled"]))
    if kind == "cut":
        return text[:at]
    if kind == "bytes":
        return text[:at] + draw(NOT_UTF8) + text[at:]
    if kind == "overwritten":
        return text[:at] + draw(st.binary(min_size=1, max_size=2)) + text[at + 1 :]
    if kind == "trailing":
        return text + draw(st.sampled_from([b" ", b"\n", b"x", b"\0", b"{}", b",", b"\xc2\xa0"]))
    return {"bom": b"\xef\xbb\xbf" + text, "empty": b"", "doubled": text + text}[kind]


def encoded(texts: st.SearchStrategy[str]) -> st.SearchStrategy[bytes]:
    return texts.map(str.encode)
