"""`jupyter kernelws settings`: lists every setting, with its value in this configuration, its default and allowed values.

A server's `--help-all` lists only the settings of jupyter_server's class. Starts the user's server without a kernel, as doctor
does, and prints the values in it and what is wrong. Must not change anything, or leave anything running.
Cost: two seconds, or four with JupyterLab.
"""

from __future__ import annotations

import json
import sys
import textwrap
from typing import TYPE_CHECKING, Any

from .doctor import LOG_LINES, shown
from .judge import CLASS
from .output import write
from .trial import Trial

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

WIDTH = 110
START_SECONDS = 30.0
CHANGED = "*"
"""Marks a setting whose value is not its default."""


def settings(options: argparse.Namespace, arguments: Sequence[str]) -> int:
    """Prints the settings; returns the exit code: 1 if the server does not start or a setting is wrong."""
    with Trial(options.app, arguments, self_test=False, timeout=START_SECONDS) as trial:
        facts = trial.facts
        if not facts:
            log = "\n".join(trial.log_lines()[-LOG_LINES:])
            write(sys.stderr, f"the server does not start: {trial.error}; its log ends with\n{log}\n")
            return 1
    found = {"settings": facts["settings"], "wrong": facts["wrong_settings"], "active": facts["connection_class"]["kernelws"]}
    write(sys.stdout, (json.dumps(found, indent=1) if options.json else "\n".join(_lines(found))) + "\n")
    return int(bool(found["wrong"]))


def _lines(found: dict[str, Any]) -> list[str]:
    lines = [f"Settings of {CLASS}: value in this configuration (default); {CHANGED} where they differ", ""]
    if not found["active"]:
        lines[1:1] = ["kernelws is not active in this configuration; `jupyter kernelws doctor` says why"]
    for one in found["settings"]:
        lines += _setting(one)
    return [*lines, *(f"wrong: {CLASS}: {wrong['sentence']}" for wrong in found["wrong"])]


def _setting(one: dict[str, Any]) -> list[str]:
    mark = " " if one["value"] == one["default"] else CHANGED
    unit = f" {one['unit']}" if one["unit"] else ""
    head = f"{mark} {one['name']} = {shown(one['value'])}{unit} (default {shown(one['default'])}): {one['allowed']}"
    return [head, *textwrap.wrap(one["help"], WIDTH, initial_indent="      ", subsequent_indent="      "), ""]
