"""docs/ against the code: it builds without a warning, fetches nothing, and says nothing that is not so.

What a page is checked for is scripts/docs_facts.py; here it is that those checks find what is wrong, and that pages are whole.
"""

import os
import re
import subprocess
import sys
import tomllib
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from traitlets import HasTraits, Int
from traitlets.config import Config

from kernelws import ZMQChannelsWebsocketConnection
from scripts import docs_facts as facts
from scripts import docs_hook as hook

DOCS = facts.ROOT / "docs"
PAGES = sorted(path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md"))
LOADED = {
    "script": "src",
    "img": "src",
    "link": "href",
    "iframe": "src",
    "source": "src",
    "video": "src",
    "object": "data",
    "use": "href",
}


def page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=facts.ROOT, env=environment, capture_output=True, text=True, check=False)  # noqa: S603 - ours
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    return folder


class Loads(HTMLParser):
    """The addresses that a browser fetches to show a page, other than those of links that somebody clicks on."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.classes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        self.classes.update((attributes.get("class") or "").split())
        address = attributes.get(LOADED.get(tag, ""))
        if address and attributes.get("rel") != "canonical":
            self.addresses.append(address)
        if "srcset" in attributes:
            self.addresses.append(attributes["srcset"] or "")


def test_a_built_page_fetches_nothing_from_elsewhere(site: Path) -> None:
    built = sorted(site.rglob("*.html"))
    assert len(built) > len(PAGES)
    for path in built:
        loads = Loads()
        loads.feed(path.read_text(encoding="utf-8"))
        assert loads.addresses
        assert not [address for address in loads.addresses if "//" in address], path
        assert not loads.classes & {"mermaid", "md-source"}, "the theme's script would fetch what these need"
    for path in site.rglob("*.css"):
        style = path.read_text(encoding="utf-8")
        assert not re.findall(r"(?:url\(|@import)\s*[\"']?(?:https?:)?//[^)]*", style), path


def test_every_page_is_reached_from_every_other(site: Path) -> None:
    index = (site / "index.html").read_text(encoding="utf-8")
    for name in PAGES:
        assert name == "index.md" or f'href="{name.removesuffix(".md")}.html"' in index, name


def test_every_configurable_trait_stands_there_with_unit_default_and_meaning() -> None:
    shown = {setting.name: setting for setting in facts.settings()}
    assert set(shown) == set(ZMQChannelsWebsocketConnection.class_trait_names(config=True)) - {"config", "parent", "log"}
    text = hook.filled(page("settings.md"))
    for name, setting in shown.items():
        section = text.split(f"### {name} {{ #{name} }}")[1].split("\n##")[0]
        unit, allowed, default = map(re.escape, (setting.unit, setting.allowed, setting.shown_default))
        terms = rf"{unit}\.( Allowed: {allowed}\.)? Default: {default}"
        assert re.search(rf"^(Unit|Value): {terms}\.$", section, re.MULTILINE)
        assert setting.unit
        assert setting.meaning in section
    assert shown["max_message_size"].shown_default == "`134217728` (128 MiB)"
    assert shown["resume_timeout"].unit == "seconds"
    assert shown["overload"].unit == "one of `hold`, `drop`"


def test_a_trait_without_a_unit_is_an_error() -> None:
    class Unclear(HasTraits):
        limit = Int(5, config=True, help="How much.")

    with pytest.raises(ValueError, match="does not begin with its unit"):
        facts.setting(Unclear, "limit")


@pytest.mark.parametrize("name", PAGES)
def test_a_page_says_nothing_of_the_code_that_is_not_so(name: str) -> None:
    assert facts.mistakes(page(name)) == []


@pytest.mark.parametrize(
    "wrong",
    [
        "`tests/unit/test_docs.py::test_that_is_not_there`",
        "`tests/unit/test_nowhere.py::test_x`",
        "`rust/flow/leave/tests.rs::no_such_thing`",
        "`chaos:nonsense`",
        "`c.ZMQChannelsWebsocketConnection.no_such_trait = 1`",
        "`make nothing`",
    ],
)
def test_a_page_that_names_what_is_not_there_is_found_out(wrong: str) -> None:
    assert len(facts.mistakes(f"See {wrong}.\n")) == 1


def test_every_guarantee_names_tests_that_exist() -> None:
    guarantees = re.split(
        r"^\*\*(?=[A-Z]\d+\.)", page("guarantees.md").split("## What is not guaranteed")[0], flags=re.MULTILINE
    )[1:]
    assert len(guarantees) > 30
    for guarantee in guarantees:
        tests = [span for span in facts.code_spans(guarantee) if re.match(r"(tests|rust)/.*::|chaos:", span)]
        assert tests, guarantee
        assert all(facts.is_test(test) for test in tests), guarantee


def test_every_message_is_explained_and_shows_where_it_is_said_to_show() -> None:
    assert facts.unexplained(page("messages.md")) == []


def test_a_list_of_messages_that_is_not_the_codes_is_found_out() -> None:
    row = "| `kernel … restarted` | warning | it died and was started again; its clients are told |\n"
    text = page("messages.md")
    assert row in text
    assert facts.unexplained(text.replace(row, "")) == ["not explained: 'kernel … restarted' of connection.py"]
    assert facts.unexplained(text.replace(row, row.replace("warning", "info"))) == ["'kernel … restarted' is warning, not info"]
    assert facts.unexplained(text + "| `no such line` | info | nothing |\n") == ["nobody says: 'no such line'"]


def test_every_fault_of_form_is_listed() -> None:
    text = hook.filled(page("messages.md"))
    assert len(facts.faults()) == len(set(re.findall(r"^    [A-Z]\w+(?= \{|\(|,$)", rust_enum(), re.MULTILINE)))
    for fault in facts.faults():
        assert f"| `{fault.sentence}` | `{fault.kind}` | {fault.meaning} |" in text


def rust_enum() -> str:
    source = (facts.ROOT / "rust" / "error.rs").read_text(encoding="utf-8")
    return source.split("pub enum Malformed {")[1].split("\n}")[0]


def test_every_switch_back_to_stock_is_one() -> None:
    """The block of configuration in stock.md loads, and each of its lines changes a default."""
    (block,) = re.findall(r"```python\n(.*?)```", page("stock.md"), re.DOTALL)
    config = Config()
    exec(block, {"c": config})  # noqa: S102 - our own page
    switched = config.ZMQChannelsWebsocketConnection
    assert len(switched) == len(block.strip().splitlines()) - 1
    for name, value in switched.items():
        trait: Any = ZMQChannelsWebsocketConnection.class_traits()[name]
        assert trait.default() != value
        assert trait.validate(None, value) == value


def test_versions_agree() -> None:
    files = [tomllib.loads((facts.ROOT / name).read_text(encoding="utf-8")) for name in ("pyproject.toml", "Cargo.toml")]
    assert files[0]["project"]["version"] == files[1]["package"]["version"]
