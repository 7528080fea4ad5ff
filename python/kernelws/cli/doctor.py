"""`jupyter kernelws doctor`: checks a configuration, and prints what a support request needs.

Starts a server with the user's configuration (`trial`), judges what it uses (`judge`), and runs a temporary kernel through it
(`selftest`). Must not change anything, leave anything running, or print a token or a key.
Cost: about ten seconds; if something hangs, at most a minute and the time-out of one step.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from .. import __version__
from .judge import SERVER, judge
from .output import write
from .report import Report, Verdict
from .selftest import SECTION, SelfTest
from .trial import Trial

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

LOG_LINES = 15
BROKEN_FILE = "Exception while loading config file"


def doctor(options: argparse.Namespace, arguments: Sequence[str]) -> int:
    """Runs all checks and prints the report; returns the exit code."""
    report = Report(facts={"kernelws": __version__})
    _progress(f"starting jupyter {options.app} with this configuration")
    with Trial(options.app, arguments, self_test=options.self_test, timeout=options.timeout) as trial:
        if trial.facts:
            report.facts |= trial.facts
            _configuration(report, trial)
            judge(report, trial.facts)
        if trial.error:
            log = "\n".join(trial.log_lines()[-LOG_LINES:])
            report.add(SERVER, "start", Verdict.FAIL, f"{trial.error}; its log ends with\n{log}", "the one that the log names")
        elif trial.address is not None:
            _progress("starting a kernel")
            SelfTest(report, trial.address, trial.facts, options.timeout, trial.log_lines).run(options.kernel)
        else:
            why = "not possible in gateway mode" if options.self_test else "left out because of --no-self-test"
            report.add(SECTION, "self_test", Verdict.SKIP, why)
    text = json.dumps(report.as_json(), indent=1) if options.json else "\n".join(report.render(_table(report.facts)))
    write(sys.stdout, text + "\n")
    return report.exit_code(strict=options.strict)


def _configuration(report: Report, trial: Trial) -> None:
    files = trial.facts["config_files"]
    text = f"jupyter {trial.app}, configured by {', '.join(files) or 'no configuration file'}"
    report.add(SERVER, "application", Verdict.OK, text)
    for line in trial.log_lines():
        if BROKEN_FILE in line:
            report.add(SERVER, "config_file", Verdict.FAIL, line[line.index(BROKEN_FILE) :], "that file")


def _table(facts: dict[str, Any]) -> list[str]:
    """A table of the traits with their values, defaults and units."""
    limits = facts.get("limits", [])
    if not limits:
        return []
    rows = [("trait", "value", "default", "unit")]
    rows += [(one["name"], shown(one["value"]), shown(one["default"]), one["unit"]) for one in limits]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    title = f"Traits of {facts['connection_class']['name']} in force"
    return [title, *("  " + "  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)]


def shown(value: object) -> str:
    """A value for people: numbers with thousands separators."""
    if isinstance(value, float) and value.is_integer():
        return f"{int(value):,}"
    return f"{value:,}" if isinstance(value, int | float) and not isinstance(value, bool) else repr(value)


def _progress(text: str) -> None:
    write(sys.stderr, f"{text} ...\n")
