"""SECURITY.md against the tests: each threat names the tests that try it, and they exist."""

import re

import pytest

from scripts import docs_facts as facts

TEXT = (facts.ROOT / "SECURITY.md").read_text(encoding="utf-8")


def rows(text: str) -> list[list[str]]:
    """The cells of each row of the table of threats."""
    table = text.split("## Threats", 1)[1]
    lines = [line for line in table.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


@pytest.mark.parametrize("row", rows(TEXT), ids=lambda row: row[0])
def test_each_threat_names_tests_that_exist(row: list[str]) -> None:
    assert len(row) == 3
    tests = re.findall(r"`([^`]+)`", row[2])
    assert tests
    for test in tests:
        path, _, name = test.partition("::")
        assert facts.is_test(test) if name else (facts.ROOT / path).is_file(), test


def test_a_test_that_is_not_there_is_found() -> None:
    assert len(rows(TEXT)) > 20
    assert not facts.is_test("rust/proof/tests.rs::the_corpus_of_nothing")
