"""The documentation against the code: the site builds without a warning, loads nothing from other hosts, and its facts are true.

The checks are scripts/docs_facts.py; here they run on every page, and on mistakes that they have to find. Cost: five seconds.
"""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from traitlets import HasTraits, Int
from traitlets.config import Config

from kernelws import ZMQChannelsWebsocketConnection
from scripts import docs_facts as facts
from scripts import docs_hook as hook
from tests.support.docs_site import build_site

DOCS = facts.ROOT / "docs"
PAGES = sorted(path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md"))
OTHERS = ["README.md", "CONTRIBUTING.md", "SECURITY.md", "tests/README.md"]
LOADED = re.compile(r"<(?!a\b)\w+ (?![^>]*rel=\"?canonical)[^>]*?\b(?:src|href|srcset|data)=[\"']?([^\"' >]+)")
"""An address that a browser loads to show the page; links are loaded when they are clicked."""
STYLE_LOADED = re.compile(r"(?:url\(|@import)\s*[\"']?(?:https?:)?//[^)]*")


def page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_site(tmp_path_factory.mktemp("site"))


# the site


def test_a_built_page_fetches_nothing_from_elsewhere(site: Path) -> None:
    built = sorted(site.rglob("*.html"))
    assert len(built) > len(PAGES)
    for path in built:
        html = path.read_text(encoding="utf-8")
        addresses = LOADED.findall(html)
        assert any(address.endswith(".js") for address in addresses)
        assert not [address for address in addresses if "//" in address], path
        # the theme's script would load libraries for these
        assert not re.search(r"class=\"[^\"]*\b(mermaid|md-source)\b(?!-)", html), path
    for path in site.rglob("*.css"):
        assert not STYLE_LOADED.findall(path.read_text(encoding="utf-8")), path


@pytest.mark.parametrize(
    "tag",
    ['<script src="https://x/y.js">', "<img alt=a src=//x/y.png>", '<link rel=stylesheet href="https://x/y.css">'],
)
def test_a_tag_that_loads_is_seen(tag: str) -> None:
    assert LOADED.findall(f'<a href="https://z">{tag}')[0].split("/")[-2] == "x"


def test_every_list_and_table_is_shown_as_one(site: Path) -> None:
    """Without an empty line before it, it becomes part of a paragraph."""
    for path in site.rglob("*.html"):
        for paragraph in re.findall(r"<p>(.*?)</p>", path.read_text(encoding="utf-8"), re.DOTALL):
            assert not re.search(r"\n(- |\||\d+\. )", paragraph), (path, paragraph)


def test_every_page_is_reached_from_every_other(site: Path) -> None:
    index = (site / "index.html").read_text(encoding="utf-8")
    for name in PAGES:
        assert name == "index.md" or f'href="{name.removesuffix(".md")}.html"' in index, name


# names of tests, traits, commands and files


@pytest.mark.parametrize("name", [*PAGES, *OTHERS])
def test_a_page_says_nothing_of_the_code_that_is_not_so(name: str) -> None:
    assert facts.mistakes((facts.ROOT / name if name in OTHERS else DOCS / name).read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "wrong",
    [
        "`tests/unit/test_docs.py::test_that_is_not_there`",
        "`tests/unit/test_nowhere.py::test_x`",
        "`rust/flow/leave/tests.rs::no_such_thing`",
        "`rust/nowhere/`",
        "`chaos:nonsense`",
        "`c.ZMQChannelsWebsocketConnection.no_such_trait = 1`",
        "`make nothing`",
    ],
)
def test_a_page_that_names_what_is_not_there_is_found_out(wrong: str) -> None:
    assert len(facts.mistakes(f"See {wrong}.\n")) == 1


def test_every_guarantee_names_tests_that_exist() -> None:
    guaranteed = page("guarantees.md").split("## What is not guaranteed")[0]
    guarantees = re.split(r"^\*\*(?=[A-Z]\d+\.)", guaranteed, flags=re.MULTILINE)[1:]
    assert len(guarantees) > 30
    for guarantee in guarantees:
        tests = [span for span in facts.code_spans(guarantee) if re.match(r"(tests|rust)/.*::|chaos:", span)]
        assert tests, guarantee
        assert all(facts.is_test(test) for test in tests), guarantee


def test_the_architecture_page_names_the_files_of_every_owner() -> None:
    assert facts.misplaced(page("architecture.md")) == []


def test_a_file_that_is_elsewhere_is_found_out() -> None:
    listed = ", ".join(f"`{name}`" for name in sorted(facts.modules("observe") - {"page"}))
    row = f"| `observe/` | the status page | {listed}, `nowhere` | |\n"
    assert facts.misplaced(f"{row}See `observe/board`, `observe/never`.\n") == [
        "observe/nowhere is listed but does not exist",
        "observe/page is not listed",
        "observe/never does not exist",
    ]


# settings


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


def test_every_switch_back_to_stock_is_one() -> None:
    """The block of configuration in changes.md loads, and each of its lines changes a default."""
    (block,) = re.findall(r"```python\n(.*?)```", page("changes.md"), re.DOTALL)
    config = Config()
    exec(block, {"c": config})  # noqa: S102 - our own page
    switched = config.ZMQChannelsWebsocketConnection
    assert len(switched) == len(block.strip().splitlines()) - 1
    for name, value in switched.items():
        trait: Any = ZMQChannelsWebsocketConnection.class_traits()[name]
        assert trait.default() != value
        assert trait.validate(None, value) == value


# messages


def test_every_message_is_explained_and_shows_where_it_is_said_to_show() -> None:
    assert facts.unexplained(page("messages.md")) == []


def test_a_list_of_messages_that_is_not_the_codes_is_found_out() -> None:
    text = page("messages.md")
    (row,) = re.findall(r"^\| `kernel … restarted` .*\n", text, re.MULTILINE)
    assert facts.unexplained(text.replace(row, "")) == ["not explained: 'kernel … restarted' of connection.py"]
    assert facts.unexplained(text.replace(row, row.replace("warning", "info"))) == ["'kernel … restarted' is warning, not info"]
    assert facts.unexplained(text + "| `no such line` | info | nothing |\n") == ["not in the code: 'no such line'"]


def test_every_fault_of_form_is_listed() -> None:
    text = hook.filled(page("messages.md"))
    assert len(facts.faults()) == len(set(re.findall(r"^    [A-Z]\w+(?= \{|\(|,$)", rust_enum(), re.MULTILINE)))
    for fault in facts.faults():
        assert f"| `{fault.sentence}` | `{fault.kind}` | {fault.meaning} |" in text


def rust_enum() -> str:
    source = (facts.ROOT / "rust" / "error.rs").read_text(encoding="utf-8")
    return source.split("pub enum Malformed {")[1].split("\n}")[0]


def test_versions_agree() -> None:
    files = [tomllib.loads((facts.ROOT / name).read_text(encoding="utf-8")) for name in ("pyproject.toml", "Cargo.toml")]
    assert files[0]["project"]["version"] == files[1]["package"]["version"]
