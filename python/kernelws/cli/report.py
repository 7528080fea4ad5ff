"""Doctor's report: a list of checks with their verdicts, as text for people and as JSON for scripts.

Must not judge: the caller that adds a check gives its verdict. Cost: none.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

WIDTH = 120
MARGIN = " " * 8


class Verdict(StrEnum):
    """OK; WARN: works, but should be changed; FAIL: does not work; SKIP: was not checked."""

    OK = "OK"
    WARN = "WARN"
    FAIL = "FAIL"
    SKIP = "SKIP"


@dataclass(frozen=True)
class Check:
    """One check. Scripts use `name`, which must not change; people read `text`. `trait` is the setting that would change it."""

    section: str
    name: str
    verdict: Verdict
    text: str
    trait: str = ""

    def lines(self) -> list[str]:
        """The check as lines of text."""
        text = f"{self.text}\n(setting: {self.trait})" if self.trait else self.text
        first, *more = [line for part in text.split("\n") for line in textwrap.wrap(part, WIDTH - len(MARGIN)) or [""]]
        return [f"  {self.verdict:<4}  {first}", *(f"{MARGIN}{line}" for line in more)]


@dataclass
class Report:
    """Checks in order, and the `facts` that they judge, by subject."""

    checks: list[Check] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)

    def add(self, section: str, name: str, verdict: Verdict, text: str, trait: str = "") -> None:
        """Adds one check."""
        self.checks.append(Check(section, name, verdict, text, trait))

    @property
    def verdict(self) -> Verdict:
        """The worst verdict of all checks."""
        found = {check.verdict for check in self.checks}
        return next((verdict for verdict in (Verdict.FAIL, Verdict.WARN) if verdict in found), Verdict.OK)

    def exit_code(self, *, strict: bool) -> int:
        """1 if a check is FAIL, or with `strict` WARN; otherwise 0."""
        return int(self.verdict == Verdict.FAIL or (strict and self.verdict == Verdict.WARN))

    def as_json(self) -> dict[str, Any]:
        """The verdict, the checks and the facts as one object."""
        checks = [vars(check) | {"verdict": str(check.verdict)} for check in self.checks]
        return {"verdict": str(self.verdict), "checks": checks, **self.facts}

    def render(self, appendix: list[str]) -> list[str]:
        """The report as text: a heading for each section, an appendix, and the verdict last."""
        lines: list[str] = []
        section = ""
        for check in self.checks:
            if check.section != section:
                section = check.section
                lines += ["", section]
            lines += check.lines()
        counts = [f"{sum(check.verdict == verdict for check in self.checks)} {verdict}" for verdict in Verdict]
        return [*lines[1:], "", *appendix, *([""] if appendix else []), f"{self.verdict}: {', '.join(counts)}"]
