"""What the pages in docs/ are generated from and checked against: traits, log texts, notices, faults, tests and commands.

Reads the code; must not hold a fact of its own but the units of traits that are not ours. Cost: parses the package once.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from traitlets import Bool, Enum

from kernelws.cli import limits
from kernelws.trait_types import allowed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from traitlets import HasTraits

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "python" / "kernelws"
# What these say is said to the person who has called them, not in a server's log
COMMANDS = ("cli",)
LEVELS = {"info": "info", "warning": "warning", "error": "error", "exception": "error", "critical": "critical"}
HOLE = "\N{HORIZONTAL ELLIPSIS}"
"""What stands in a text for whatever the program puts in."""
NOT_FOR_USERS = {
    "Channel is closed": "a caller's mistake, raised into the caller",
    "assuming shell": "the end of a line that is listed from its beginning",
    f"The '{HOLE}' trait of a {HOLE} instance is no path: {HOLE}": "the same",
    f"The '{HOLE}' trait of a {HOLE} instance must be finite, not {HOLE}": "the same",
    "it holds a NUL": "a part of the one before",
    "the session has ended": "raised into a write that was cancelled",
    f"{HOLE}, {HOLE}: {HOLE}{HOLE}{HOLE}": "the frame of a fault, whose sentences are listed one by one",
    f"kernel {HOLE}: {HOLE}": "the frame of a TimeoutError, whose sentences are listed one by one",
    f"{HOLE}: {HOLE}": "the frame of a close reason that is listed itself",
}
_WORDS = {"sec": "seconds", "msgs/sec": "messages a second", "bytes/sec": "bytes a second"}
_UNITS_OF_OTHERS = {
    "kernel_ws_protocol": "name of a subprotocol",
    "session": "a `jupyter_client.session.Session`",
}


# traits


@dataclass(frozen=True)
class Setting:
    """One configurable trait."""

    owner: str
    name: str
    unit: str
    default: Any
    allowed: str
    meaning: str
    own: bool
    """Whether jupyter_server's class does not have it."""

    @property
    def shown_default(self) -> str:
        """As it is written in a configuration file, and in a larger unit where that is easier to read."""
        written = repr(self.default)
        return f"`{written}` ({_binary(self.default)})" if self.unit == "bytes" and self.default >= 1 << 10 else f"`{written}`"


def settings() -> list[Setting]:
    """Every configurable trait of the connection class, in the order of the code."""
    from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection as Stock

    from kernelws import ZMQChannelsWebsocketConnection as Ours

    return [setting(Ours, name, own=name not in Stock.class_traits()) for name in _order(Ours)]


def setting(owner: type[HasTraits], name: str, *, own: bool = False) -> Setting:
    """One trait. Raises ValueError for one whose unit neither its help nor its kind tells."""
    trait: Any = owner.class_traits()[name]
    found = limits.unit(trait)
    if isinstance(trait, Enum):
        unit = "one of " + ", ".join(f"`{value}`" for value in trait.values or ())
    elif isinstance(trait, Bool):
        unit = "`True` or `False`"
    elif found:
        unit = _WORDS.get(found, found)
    elif name in _UNITS_OF_OTHERS:
        unit = _UNITS_OF_OTHERS[name]
    else:
        raise ValueError(f"the help of {owner.__name__}.{name} does not begin with its unit in parentheses")
    return Setting(owner.__name__, name, unit, trait.default(), allowed(trait), limits.meaning(trait), own)


def heeded() -> list[tuple[type[HasTraits], str]]:
    """Traits of other classes that the package reads."""
    from jupyter_client.session import Session
    from jupyter_server.serverapp import ServerApp
    from jupyter_server.services.kernels.kernelmanager import MappingKernelManager

    of_manager = (
        "allow_tracebacks traceback_replacement_message allowed_message_types buffer_offline_messages kernel_info_timeout"
    )
    return [
        (ServerApp, "websocket_ping_interval"),
        (ServerApp, "websocket_ping_timeout"),
        *((MappingKernelManager, name) for name in of_manager.split()),
        (Session, "signature_scheme"),
        (Session, "digest_history_size"),
    ]


def _order(owner: type[HasTraits]) -> list[str]:
    """Configurable traits, a base class's first, as they stand in the source."""
    names = [name for cls in reversed(owner.__mro__) for name in vars(cls)]
    configurable = owner.class_traits(config=True)
    return [name for name in dict.fromkeys(names) if name in configurable and name not in _EVERY_CONFIGURABLE]


_EVERY_CONFIGURABLE = frozenset({"config", "parent", "log"})


def _binary(size: int) -> str:
    for factor, name in ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
        if size >= factor:
            return f"{size / factor:g} {name}"
    return f"{size} bytes"


# what a user can read


@dataclass(frozen=True)
class Text:
    """A sentence of the package's."""

    text: str
    kind: str
    """Where it shows: a log level, ``notice`` (in the notebook), ``close`` (of the WebSocket), ``HTTP``, ``receive path``, or
    ``raised`` where it becomes part of another line."""
    where: str
    """Its file."""


@cache
def texts() -> dict[str, Text]:
    """Every text that the package logs, shows, raises or closes with, with ``HOLE``s, by itself."""
    found = [Text(_normal(text), "notice", "messages/notices.py") for text in _notices()]
    found += [Text(text, "receive path", "rust/intake.rs") for text in _of_rust()]
    for path in sorted(PACKAGE.rglob("*.py")):
        if path.relative_to(PACKAGE).parts[0] in COMMANDS:
            continue
        where = str(path.relative_to(PACKAGE))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            for kind, expressions in _spoken(node):
                found += [Text(text, kind, where) for text in _strings(expressions) if text]
    return {text.text: text for text in reversed(found) if text.text not in NOT_FOR_USERS}


def _of_rust() -> Iterator[str]:
    """Why libzmq's functions cannot be reached, from rust/intake.rs."""
    source = (ROOT / "rust" / "intake.rs").read_text(encoding="utf-8")
    for sentence in re.findall(r"(?:write_str\(|write!\(\s*f,\s*)\"([^\"]+)\"", source):
        yield re.sub(r"(\{[^}]*\}\.?)+", HOLE, sentence)


class _Hole:
    """A value that is written as a hole."""

    def __repr__(self) -> str:
        return HOLE


def _notices() -> Iterator[str]:
    from kernelws.messages import notices

    hole: Any = _Hole()
    yield notices.message_rate_exceeded(hole, hole)
    yield notices.data_rate_exceeded(hole, hole)
    yield from (notices.left_out(reason, hole, hole, hole) for reason in notices._WHY)
    yield from (notices.discarded(trait, hole) for trait in notices._WHY_DISCARDED)
    yield notices.STARTED_AFTER_FAILURE


def _spoken(node: ast.AST) -> Iterator[tuple[str, list[ast.expr]]]:
    """What a statement or a call says, and where that shows."""
    if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
        yield _RAISED.get(_last_name(node.exc.func), "raised"), node.exc.args[-1:]
    elif isinstance(node, ast.Assign) and _last_name(node.targets[0]) == "reason":
        yield "receive path" if isinstance(node.targets[0], ast.Attribute) else "close", [node.value]
    elif isinstance(node, ast.Call):
        yield from _said_by_call(node)


def _said_by_call(call: ast.Call) -> Iterator[tuple[str, list[ast.expr]]]:
    name = _last_name(call.func)
    owner = _last_name(call.func.value) if isinstance(call.func, ast.Attribute) else ""
    if owner.endswith("log") and name in LEVELS:
        yield LEVELS[name], call.args[:1]
    elif name == "log":
        yield "warning", call.args[:1]
    elif name in {"add", "tell"} and owner in {"faults", "_faults"}:
        yield "warning", [*call.args[2:3], *(keyword.value for keyword in call.keywords)]
    elif name in {"close", "end"}:
        yield "close", call.args[-1:]
    elif name == "Fallback":
        yield "receive path", call.args


_RAISED = {"HTTPError": "HTTP", "MalformedMessage": "warning", "IntakeUnavailable": "receive path"}


def _last_name(node: ast.expr) -> str:
    return str(getattr(node, "attr", getattr(node, "id", "")))


def _strings(nodes: list[ast.expr]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield _normal(re.sub(r"%[-.\d]*[a-z]", HOLE, node.value))
        elif isinstance(node, ast.JoinedStr):
            parts = [part.value if isinstance(part, ast.Constant) else HOLE for part in node.values]
            yield _normal("".join(map(str, parts)))


def _normal(text: str) -> str:
    return " ".join(text.split())


@dataclass(frozen=True)
class Fault:
    """One way in which a message can be malformed."""

    kind: str
    sentence: str
    meaning: str


@cache
def faults() -> list[Fault]:
    """Those that Rust finds, from rust/error.rs; Python's are among ``texts``."""
    source = (ROOT / "rust" / "error.rs").read_text(encoding="utf-8")
    kinds = dict(re.findall(r"Self::(\w+)[^=\n]*=> \"(\w+)\"", source))
    meanings = {name: meaning for meaning, name in re.findall(r"^    /// (.+)\n    ([A-Z]\w+)", source, re.MULTILINE)}
    sentences = re.findall(r"Self::(\w+)[^=\n]*=> (?:write!\(f, |f\.write_str\()\"([^\"]+)\"", source)
    if {name for name, _ in sentences} != set(kinds):
        raise ValueError("rust/error.rs is not written as this reads it")
    return [Fault(kinds[name], re.sub(r"\{[^}]*\}", HOLE, sentence), meanings[name]) for name, sentence in sentences]


# tests, commands, what a page holds


def is_test(name: str) -> bool:
    """Whether ``tests/x.py::test_y``, ``rust/x.rs::y`` or ``chaos:row`` is a test of ours."""
    if name.startswith("chaos:"):
        row = f'Row("{name.removeprefix("chaos:")}"'
        return any(row in path.read_text(encoding="utf-8") for path in (ROOT / "tools" / "chaos").glob("rows_*.py"))
    file, _, function = name.partition("::")
    path, defined = ROOT / file, rf"^(?:async def |def |fn |class ){re.escape(function)}\b|^{re.escape(function)} = "
    return path.is_file() and re.search(defined, path.read_text(encoding="utf-8"), re.MULTILINE) is not None


def targets() -> set[str]:
    """The Makefile's commands."""
    return set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


def code_spans(markdown: str) -> list[str]:
    """What stands between backticks, outside of blocks."""
    without_blocks = re.sub(r"^( *)(```+).*?^\1\2", "", markdown, flags=re.MULTILINE | re.DOTALL)
    return [_normal(found[1]) for found in re.findall(r"(`+)(.+?)\1", without_blocks, re.DOTALL)]


def mistakes(markdown: str) -> list[str]:
    """What a page says of the code that is not so: tests, traits and commands that do not exist."""
    known, found = {setting.name for setting in settings()}, []
    for span in code_spans(markdown):
        if re.fullmatch(r"(tests|rust)/[\w/]+\.\w+::\w+|chaos:[\w-]+", span) and not is_test(span):
            found.append(f"no such test: {span}")
        trait = re.search(r"ZMQChannelsWebsocketConnection\.([a-z]\w+)", span)
        if trait and trait[1] not in known:
            found.append(f"no such trait: {trait[1]}")
        command = re.fullmatch(r"make ([a-z][a-z-]*).*", span)
        if command and command[1] not in targets():
            found.append(f"no such command: {span}")
    return found


def unexplained(markdown: str) -> list[str]:
    """What the list of messages lacks, has too much, or shows in another place than where it shows."""
    rows = dict(re.findall(r"^\| (`+.+?`+) \| ([\w ]+) \|", markdown, re.MULTILINE))
    listed = {_normal(text.strip("`")): kind for text, kind in rows.items()}
    known = {text.text: text for text in texts().values()}
    found = [f"not explained: {text.text!r} of {text.where}" for name, text in known.items() if name not in listed]
    for text, kind in listed.items():
        if text not in known:
            found.append(f"nobody says: {text!r}")
        elif known[text].kind != kind:
            found.append(f"{text!r} is {known[text].kind}, not {kind}")
    return found
