"""The command line of `jupyter kernelws`: parses it, and calls the command.

Must not hold a command. `doctor` and `settings` pass options that are not their own to the server that they start. This is why
argparse is used instead of JupyterApp, which would parse those too. Such options are checked against the server's names first,
so that a typing error is a usage error. SIGTERM ends a command as ctrl-C does: the command first ends all that it has started.
"""

from __future__ import annotations

import argparse
import signal
from typing import TYPE_CHECKING, NoReturn

from .. import __version__
from .applications import UnknownApplicationError, application, refused_argument
from .run import add_to as add_run
from .run import run

if TYPE_CHECKING:
    from collections.abc import Sequence

INTERRUPTED = 130
DOCTOR = """\
Starts a second server with your configuration and extensions, on loopback with its own port, token and runtime directory.
Checks what the server uses, runs a cell in a temporary kernel in both subprotocols, and ends the kernel and the server.
Other options are passed to the server: --config=FILE, --ServerApp.*, --ZMQChannelsWebsocketConnection.* and its aliases."""
SETTINGS = """\
Lists all settings of kernelws, which a server's --help-all does not have: the value in this configuration, the default, the
allowed values, and mistakes. Other options are passed to the server, as for doctor. Exits with 1 if a setting is wrong."""
BENCH = """\
Starts servers with jupyter_server's class and with kernelws, and compares them on this machine. Does not read your
configuration; use `jupyter kernelws doctor` to check that."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command; returns the exit code. A wrong command line raises SystemExit(2)."""
    parser = _parser()
    options, rest = parser.parse_known_args(arguments)
    before = {number: signal.signal(number, _interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        if options.command == "bench":
            if rest:
                parser.error(f"bench has no option {rest[0]}")
            from .bench.command import bench

            return bench(options)
        if options.command == "run":
            if rest:
                parser.error(f"run has no option {rest[0]}; code that begins with a dash follows --")
            return run(options)
        _check(parser, options.command, options.app, rest)
        if options.command == "settings":
            from .settings import settings

            return settings(options, rest)
        from .doctor import doctor

        return doctor(options, rest)
    except KeyboardInterrupt:
        return INTERRUPTED
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="jupyter kernelws", description="kernelws on this machine.", allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"kernelws {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="doctor | settings | run | bench")
    _add_doctor(commands)
    _add_settings(commands)
    add_run(commands)
    _add_bench(commands)
    return parser


def _add_doctor(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    doctor = commands.add_parser(
        "doctor",
        help="checks which class a server with this configuration uses, and whether it works",
        description=DOCTOR,
        allow_abbrev=False,
    )
    doctor.add_argument("--json", action="store_true", help="print only one JSON object to standard output")
    doctor.add_argument("--no-self-test", dest="self_test", action="store_false", help="start no kernel")
    doctor.add_argument("--strict", action="store_true", help="exit with 1 for a WARN too")
    doctor.add_argument("--kernel", metavar="NAME", default="", help="the kernelspec of the self-test (the server's default)")
    _add_app(doctor)
    doctor.add_argument(
        "--timeout", type=_seconds, default=30.0, metavar="SECONDS", help="for each step of the self-test (%(default)s)"
    )


def _add_app(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--app",
        metavar="NAME",
        default="server",
        help="the word after `jupyter` that starts the server: server, lab, notebook, kernelgateway (%(default)s)",
    )


def _add_settings(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    settings = commands.add_parser(
        "settings",
        help="lists every setting, with its value in this configuration, its default and its allowed values",
        description=SETTINGS,
        allow_abbrev=False,
    )
    settings.add_argument("--json", action="store_true", help="print only one JSON object to standard output")
    _add_app(settings)


def _add_bench(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    bench = commands.add_parser(
        "bench", help="compares jupyter_server's class with kernelws on this machine", description=BENCH, allow_abbrev=False
    )
    bench.add_argument("--json", action="store_true", help="print one JSON object instead of the table and the plot")
    bench.add_argument("--quick", action="store_true", help="a short run that checks whether it works; its figures mean little")
    bench.add_argument(
        "--output", metavar="DIR", default=".", help="directory for kernelws-bench.png and .json (the current directory)"
    )


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 < value <= 3600:
        raise argparse.ArgumentTypeError("more than 0 and at most 3600")
    return value


def _check(parser: argparse.ArgumentParser, command: str, app: str, rest: Sequence[str]) -> None:
    """Raises SystemExit(2) for an option that the server does not know."""
    try:
        refused = refused_argument(application(app), rest)
    except UnknownApplicationError as error:
        parser.error(str(error))
    if refused:
        parser.error(f"neither {command} nor jupyter {app} has an option {refused}")


def _interrupt(_number: int, _frame: object) -> NoReturn:
    """Ends the command at the first signal. Ignores later ones, which would leave processes behind; ending takes limited time."""
    for number in (signal.SIGINT, signal.SIGTERM):
        # Not SIG_IGN: Python reports an error for a signal that arrived just before
        signal.signal(number, lambda _number, _frame: None)
    raise KeyboardInterrupt
