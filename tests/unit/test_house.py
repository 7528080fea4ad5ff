"""Rules for all source files: how long a file may be, where pyo3 and unsafe code may be, and that imports have no circles.

Reads text only: no compiler, no git. The path of a ``use`` is taken as an import of the longest module in it. Files for tests
may import in circles, because a module's tests import that module.
"""

import ast
import re
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from itertools import takewhile
from pathlib import Path

import pytest

from scripts.docs_facts import ROOT

RUST = ROOT / "rust"
LONGEST = 350
"""Lines of a file. ``_core.pyi`` is documentation, and has as many as it needs."""

FOR_TESTS = r"#\[cfg\((?:test|any\(test, fuzzing\))\)\]\s+(?:#\[allow\(\w+\)\]\s+)?(?:pub(?:\(crate\))? )?mod (\w+);"

Module = tuple[str, ...]


def sources() -> Iterator[Path]:
    for folder in ("python", "rust", "scripts", "tests", "tools"):
        for pattern in ("*.py", "*.rs"):
            yield from (ROOT / folder).rglob(pattern)


def code(path: Path) -> str:
    """A Rust file without its comments."""
    return re.sub(r"//.*", "", path.read_text())


def named(word: str) -> set[str]:
    """The Rust files in whose code the word is."""
    return {str(path.relative_to(RUST)) for path in RUST.rglob("*.rs") if re.search(rf"\b{word}\b", code(path))}


def test_no_file_is_too_long() -> None:
    long = {str(path.relative_to(ROOT)) for path in sources() if len(path.read_text().splitlines()) > LONGEST}
    assert not long


def test_python_is_known_in_one_folder() -> None:
    elsewhere = {path for path in named("pyo3") | named("pyo3_bytes") if not path.startswith("python/")}
    assert not elsewhere


def test_unsafe_code_is_in_one_file() -> None:
    assert named("unsafe") == {"intake.rs", "intake/fake.rs"}, "with the libzmq that its tests make up"


# circles of imports


def module_of(path: Path) -> Module:
    parts = path.relative_to(RUST).with_suffix("").parts
    return parts[:-1] if parts[-1] in ("lib", "mod") else parts


def modules() -> dict[Module, str]:
    """The code of each file that is not for tests."""
    found = {module_of(path): code(path) for path in RUST.rglob("*.rs")}
    for_tests = {(*at, name) for at, text in found.items() for name in re.findall(FOR_TESTS, text)}
    return {at: text for at, text in found.items() if not any(at[: len(test)] == test for test in for_tests)}


def paths_in(tree: str) -> Iterator[str]:
    """``a::{b, c::{d, e}}`` as a::b, a::c::d, a::c::e."""
    head, brace, inside = tree.strip().partition("{")
    if not brace:
        yield head
        return
    depth, start, inside = 0, 0, inside.rsplit("}", 1)[0] + ","
    for at, char in enumerate(inside):
        depth += (char == "{") - (char == "}")
        if char == "," and depth == 0:
            yield from (head + path for path in paths_in(inside[start:at]) if path)
            start = at + 1


def module_named(path: str, at: Module, known: dict[Module, str]) -> Module:
    """The module that the path of a ``use`` in ``at`` names; ``at`` itself if it names no file of ours."""
    steps = path.split(maxsplit=1)[0].split("::")
    up = len(list(takewhile(lambda step: step == "super", steps)))
    if steps[0] == "crate":
        found = tuple(steps[1:])
    elif up:
        found = (*at[: len(at) - up], *steps[up:])
    else:
        found = (*at, *steps[steps[0] == "self" :])
    while found not in known:
        found = found[:-1]
    return found


def imports(known: dict[Module, str]) -> dict[Module, set[Module]]:
    found = {}
    for at, text in known.items():
        trees = re.findall(r"^(?:pub(?:\(\w+\))? )?use ([^;]+);", text, re.MULTILINE)
        found[at] = {module_named(path, at, known) for tree in trees for path in paths_in(tree)} - {at}
    return found


def test_rust_files_import_each_other_in_one_direction() -> None:
    try:
        order = list(TopologicalSorter(imports(modules())).static_order())
    except CycleError as error:
        pytest.fail("a circle: " + " <- ".join("/".join(at) for at in error.args[1]))
    assert order.index(("flow", "disk")) < order.index(("flow", "lane")) < order.index(("flow", "spill"))


@pytest.mark.parametrize(
    ("use", "expected"),
    [
        ("use crate::a::{self, X};", {("a",)}),
        ("pub use crate::{a::{Y, b::Z}, c};", {("a",), ("a", "b"), ("c",)}),
        ("use super::b;\nuse super::super::c::X as Y;", {("a", "b"), ("c",)}),
        ("pub(super) use self::e::X;\nuse std::fmt;\nuse bytes::Bytes;", {("a", "d", "e")}),
        ("    use super::b; // of a test", set()),
        ("", set()),
    ],
)
def test_an_import_is_found_however_it_is_written(use: str, expected: set[Module]) -> None:
    at = ("a", "d")
    known: dict[Module, str] = dict.fromkeys([(), ("a",), ("a", "b"), ("c",), ("a", "d", "e")], "") | {at: use}
    assert imports(known)[at] == expected


def test_a_circle_is_found() -> None:
    known = {("a",): "use crate::b::X;", ("b",): "use super::c;", ("c",): "use crate::{\n    a::Y,\n};", (): ""}
    with pytest.raises(CycleError):
        TopologicalSorter(imports(known)).prepare()


# Python


def python_imports(path: Path) -> set[str]:
    """The files of the package that a file imports, for types too."""
    package, found = ROOT / "python" / "kernelws", set()
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.ImportFrom) or not node.level:
            continue
        folder = path.parents[node.level - 1].joinpath(*(node.module or "").split("."))
        for file in (folder.with_suffix(".py"), *(folder / f"{alias.name}.py" for alias in node.names)):
            if file.is_file():
                found.add(str(file.relative_to(package)))
    return found


def test_python_files_import_each_other_in_one_direction() -> None:
    package = ROOT / "python" / "kernelws"
    imported = {str(path.relative_to(package)): python_imports(path) for path in package.rglob("*.py")}
    assert sum(map(len, imported.values())) > 200
    try:
        TopologicalSorter(imported).prepare()
    except CycleError as error:
        pytest.fail("a circle: " + " <- ".join(error.args[1]))


def test_no_module_keeps_state_in_a_dictionary() -> None:
    """What has an owner is kept there. Tables that nothing is written to are constants, in capitals."""
    kept = [
        f"{path.name}: {target.id}"
        for path in (ROOT / "python" / "kernelws").rglob("*.py")
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Dict) and not node.value.keys
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name)
    ]
    assert not kept
