"""Reads facts from the code that the documentation shows or is checked against: traits, texts, faults, tests, commands, files.

Must not define facts itself, except the units of inherited traits. Traits are read from the classes, texts from the package's
syntax trees, and the rest with regular expressions. Cost: parses the package once.
"""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from traitlets import Bool, Enum

from kernelws.cli import trait_values
from kernelws.trait_types import allowed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from traitlets import HasTraits

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "python" / "kernelws"
# Folders whose code prints to the terminal instead of a server's log
COMMANDS = ("cli",)
LEVELS = {"info": "info", "warning": "warning", "error": "error", "exception": "error", "critical": "critical"}
HOLE = "\N{HORIZONTAL ELLIPSIS}"
"""Replaces the values in a text."""
PARTS = {
    "Channel is closed",  # raised to code that uses a closed channel
    f"The '{HOLE}' trait of a {HOLE} instance is no path: {HOLE}",
    f"The '{HOLE}' trait of a {HOLE} instance must be finite, not {HOLE}",
    "the session has ended",  # raised in a cancelled write
    "assuming shell",  # the end of a listed line
    "it holds a NUL",  # the end of the trait error above
    f"{HOLE}, {HOLE}: {HOLE}{HOLE}{HOLE}",  # formats that contain listed texts: of a malformed message,
    f"kernel {HOLE}: {HOLE}",  # of a TimeoutError,
    f"{HOLE}: {HOLE}",  # of a close reason
}
"""Texts that users do not see, or see only as a part of a listed text."""
_WORDS = {"sec": "seconds", "msgs/sec": "messages a second", "bytes/sec": "bytes a second"}
_UNITS_OF_OTHERS = {
    "kernel_ws_protocol": "name of a subprotocol",
    "session": "a `jupyter_client.session.Session`",
}


# traits


class Setting(NamedTuple):
    """One configurable trait."""

    owner: str
    name: str
    unit: str
    default: Any
    allowed: str
    meaning: str
    own: bool
    """Whether kernelws adds the trait to jupyter_server's class."""

    @property
    def shown_default(self) -> str:
        """The default as a configuration file has it; for bytes from 1 KiB on, also in a larger unit."""
        written = repr(self.default)
        return f"`{written}` ({_binary(self.default)})" if self.unit == "bytes" and self.default >= 1 << 10 else f"`{written}`"


def settings() -> list[Setting]:
    """All configurable traits of the connection class, in the order of the source."""
    from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection as Stock

    from kernelws import ZMQChannelsWebsocketConnection as Ours

    return [setting(Ours, name, own=name not in Stock.class_traits()) for name in _order(Ours)]


def setting(owner: type[HasTraits], name: str, *, own: bool = False) -> Setting:
    """One trait. Raises ValueError if neither its help nor its type has a unit."""
    trait: Any = owner.class_traits()[name]
    found = trait_values.unit(trait)
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
    return Setting(owner.__name__, name, unit, trait.default(), allowed(trait), trait_values.meaning(trait), own)


def heeded() -> list[tuple[type[HasTraits], str]]:
    """Traits of other classes that kernelws uses."""
    from jupyter_client.session import Session
    from jupyter_server.serverapp import ServerApp
    from jupyter_server.services.kernels.kernelmanager import MappingKernelManager

    return [
        (ServerApp, "websocket_ping_interval"),
        (ServerApp, "websocket_ping_timeout"),
        (MappingKernelManager, "allow_tracebacks"),
        (MappingKernelManager, "traceback_replacement_message"),
        (MappingKernelManager, "allowed_message_types"),
        (MappingKernelManager, "buffer_offline_messages"),
        (MappingKernelManager, "kernel_info_timeout"),
        (Session, "signature_scheme"),
        (Session, "digest_history_size"),
    ]


def _order(owner: type[HasTraits]) -> list[str]:
    """The names of configurable traits in the order of the source, base classes first."""
    configurable = owner.class_traits(config=True).keys() - {"config", "parent", "log"}
    return [name for name in dict.fromkeys(name for cls in reversed(owner.__mro__) for name in vars(cls)) if name in configurable]


def _binary(size: int) -> str:
    power = (size.bit_length() - 1) // 10
    return f"{size / (1 << 10 * power):g} {('bytes', 'KiB', 'MiB', 'GiB')[power]}"


# texts that a user can read


class Text(NamedTuple):
    """A text that the package logs, shows, raises or closes with."""

    text: str
    kind: str
    """A log level, ``notice`` (in the notebook), ``close`` (of the WebSocket), ``HTTP``, ``receive path``, or ``raised`` if it
    becomes part of another line."""
    where: str
    """The file that has it."""


@cache
def texts() -> dict[str, Text]:
    """All texts of the package, by their text."""
    found = [Text(_normal(text.replace(repr(HOLE), HOLE)), "notice", "messages/notices.py") for text in _notices()]
    found += [Text(text, "receive path", "rust/intake.rs") for text in _of_rust()]
    for path in sorted(PACKAGE.rglob("*.py")):
        if path.relative_to(PACKAGE).parts[0] in COMMANDS:
            continue
        where = str(path.relative_to(PACKAGE))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            for kind, expressions in _texts_of(node):
                found += [Text(text, kind, where) for text in _strings(expressions) if text]
    return {text.text: text for text in reversed(found) if text.text not in PARTS}


def _of_rust() -> Iterator[str]:
    """The reasons for the fallback in rust/intake.rs."""
    source = (ROOT / "rust" / "intake.rs").read_text(encoding="utf-8")
    for sentence in re.findall(r"(?:write_str\(|write!\(\s*f,\s*)\"([^\"]+)\"", source):
        yield re.sub(r"(\{[^}]*\}\.?)+", HOLE, sentence)


def _notices() -> Iterator[str]:
    from kernelws.messages import notices

    hole: Any = HOLE
    yield notices.message_rate_exceeded(hole, hole)
    yield notices.data_rate_exceeded(hole, hole)
    yield from (notices.left_out(reason, hole, hole, hole) for reason in notices._WHY)
    yield from (notices.discarded(trait, hole) for trait in notices._WHY_DISCARDED)
    yield notices.STARTED_AFTER_FAILURE
    yield notices.died(hole)


def _texts_of(node: ast.AST) -> Iterator[tuple[str, list[ast.expr]]]:
    """The expressions of a statement or a call that make a text, with the kind of text."""
    if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
        yield _RAISED.get(_last_name(node.exc.func), "raised"), node.exc.args[-1:]
    elif isinstance(node, ast.Assign) and _last_name(node.targets[0]) == "reason":
        yield "receive path" if isinstance(node.targets[0], ast.Attribute) else "close", [node.value]
    elif isinstance(node, ast.Call):
        yield from _of_call(node)


def _of_call(call: ast.Call) -> Iterator[tuple[str, list[ast.expr]]]:
    name = _last_name(call.func)
    owner = _last_name(call.func.value) if isinstance(call.func, ast.Attribute) else ""
    if owner.endswith("log") and name in LEVELS:
        yield LEVELS[name], call.args[:1]
    elif name == "log":
        yield "warning", call.args[:1]
    elif name in {"add", "tell"} and owner in {"faults", "_faults"}:
        yield "warning", [*call.args[2:3], *(keyword.value for keyword in call.keywords)]
    elif name in {"close", "end", "_failed"}:
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


class Fault(NamedTuple):
    """A kind of malformed message."""

    kind: str
    sentence: str
    meaning: str


@cache
def faults() -> list[Fault]:
    """The kinds that Rust detects, from rust/error.rs. Those of Python are in ``texts``."""
    source = (ROOT / "rust" / "error.rs").read_text(encoding="utf-8")
    kinds = dict(re.findall(r"Self::(\w+)[^=\n]*=> \"(\w+)\"", source))
    meanings = {name: meaning for meaning, name in re.findall(r"^    /// (.+)\n    ([A-Z]\w+)", source, re.MULTILINE)}
    sentences = re.findall(r"Self::(\w+)[^=\n]*=> (?:write!\(f, |f\.write_str\()\"([^\"]+)\"", source)
    if {name for name, _ in sentences} != set(kinds):
        raise ValueError("rust/error.rs does not have the format that this function reads")
    return [Fault(kinds[name], re.sub(r"\{[^}]*\}", HOLE, sentence), meanings[name]) for name, sentence in sentences]


# names of tests, commands and files


def is_test(name: str) -> bool:
    """Whether the test ``tests/x.py::test_y``, ``rust/x.rs::y`` or ``chaos:row`` exists."""
    if name.startswith("chaos:"):
        row = f'Row("{name.removeprefix("chaos:")}"'
        return any(row in path.read_text(encoding="utf-8") for path in (ROOT / "tools" / "chaos").glob("rows_*.py"))
    file, _, function = name.partition("::")
    path, defined = ROOT / file, rf"^(?:async def |def |fn |class ){re.escape(function)}\b|^{re.escape(function)} = "
    return path.is_file() and re.search(defined, path.read_text(encoding="utf-8"), re.MULTILINE) is not None


def targets() -> set[str]:
    """The Makefile's targets."""
    return set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


def modules(folder: str) -> set[str]:
    """The Python files in a folder of the package, without their suffix."""
    return {path.stem for path in (PACKAGE / folder).glob("*.py") if path.stem != "__init__"}


def code_spans(markdown: str) -> list[str]:
    """The texts in backticks, without code blocks."""
    without_blocks = re.sub(r"^( *)(```+).*?^\1\2", "", markdown, flags=re.MULTILINE | re.DOTALL)
    return [_normal(found[1]) for found in re.findall(r"(`+)(.+?)\1", without_blocks, re.DOTALL)]


CHECKS: tuple[tuple[str, str, Callable[[str], bool]], ...] = (
    ("test", r"((?:tests|rust)/[\w/]+\.\w+::\w+|chaos:[\w-]+)", is_test),
    ("file", r"((?:docs|python|requirements|rust|scripts|tests)/[\w./-]*)", lambda name: (ROOT / name).exists()),
    ("trait", r".*?ZMQChannelsWebsocketConnection\.([a-z]\w+).*", lambda name: name in {setting.name for setting in settings()}),
    ("command", r"make ([a-z][a-z-]*).*", lambda name: name in targets()),
)
"""What a code span may name: the kind, a pattern whose group is the name, and a function that says whether the name exists."""


def mistakes(markdown: str) -> list[str]:
    """The tests, files, traits and commands in a page that do not exist."""
    named = [(kind, re.fullmatch(pattern, span), exists) for span in code_spans(markdown) for kind, pattern, exists in CHECKS]
    return [f"no such {kind}: {found[1]}" for kind, found, exists in named if found and not exists(found[1])]


def misplaced(markdown: str) -> list[str]:
    """Differences between the files that docs/architecture.md names and those of the package."""
    found = []
    for folder, listed in re.findall(r"^\| `(\w+)/` \| [^|]* \| (`[^|]+) \|", markdown, re.MULTILINE):
        named, present = set(code_spans(listed)), modules(folder)
        found += [f"{folder}/{name} is listed but does not exist" for name in sorted(named - present)]
        found += [f"{folder}/{name} is not listed" for name in sorted(present - named)]
    spans = [re.fullmatch(r"([a-z]+)/([a-z_]+)", span) for span in code_spans(markdown)]
    return found + [
        f"{span[0]} does not exist" for span in spans if span and modules(span[1]) and span[2] not in modules(span[1])
    ]


def unexplained(markdown: str) -> list[str]:
    """Differences between the rows of docs/messages.md and the texts of the code."""
    rows = dict(re.findall(r"^\| (`+.+?`+) \| ([\w ]+) \|", markdown, re.MULTILINE))
    listed, known = {_normal(text.strip("`")): kind for text, kind in rows.items()}, texts()
    found = [f"not explained: {text.text!r} of {text.where}" for name, text in known.items() if name not in listed]
    found += [f"not in the code: {text!r}" for text in listed if text not in known]
    both = [(text, kind, known[text].kind) for text, kind in listed.items() if text in known]
    return found + [f"{text!r} is {actual}, not {kind}" for text, kind, actual in both if kind != actual]
