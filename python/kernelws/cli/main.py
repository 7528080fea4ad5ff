"""The command line of `jupyter kernelws`: commands, options, and what is passed on to the server.

Must hold no command. argparse and not JupyterApp, because the options of `doctor` and `settings` that are not their own
belong to the server they start, and only that server can say what they mean; they are checked against its names before it is
started, so that a typing error is a usage error. SIGTERM ends a command as ctrl-C does: everything it started is ended first.
"""

from __future__ import annotations

import argparse
import signal
from typing import TYPE_CHECKING, NoReturn

from .. import __version__
from .applications import UnknownApplicationError, application, refused_argument

if TYPE_CHECKING:
    from collections.abc import Sequence

INTERRUPTED = 130
DOCTOR = """\
Starts a second server with your configuration and extensions on loopback, with a port, a token and a runtime directory of its
own, looks at what it uses, runs a cell of a throwaway kernel through it in both subprotocols, and ends everything.
Other options are the server's: --config=FILE, --ServerApp.*, --ZMQChannelsWebsocketConnection.* and its aliases."""
SETTINGS = """\
Lists the settings of kernelws, which a server's --help-all does not know, as this configuration gives them: what is in force,
the default and the range of each, and what is wrong. Other options are the server's, as for doctor. Exits with 1 if something
is wrong."""
BENCH = """\
Starts servers of its own with jupyter_server's class and with kernelws, and compares them on this machine. Your
configuration is not read: `jupyter kernelws doctor` looks at that."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code. A wrong command line raises SystemExit(2)."""
    parser = _parser()
    options, rest = parser.parse_known_args(arguments)
    before = {number: signal.signal(number, _interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        if options.command == "bench":
            if rest:
                parser.error(f"bench does not know {rest[0]}")
            from .bench.command import bench

            return bench(options)
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
    commands = parser.add_subparsers(dest="command", required=True, metavar="doctor | settings | bench")
    _add_doctor(commands)
    _add_settings(commands)
    _add_bench(commands)
    return parser


def _add_doctor(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    doctor = commands.add_parser(
        "doctor",
        help="what the server of this configuration uses, and whether it works",
        description=DOCTOR,
        allow_abbrev=False,
    )
    doctor.add_argument("--json", action="store_true", help="one JSON object on standard output and nothing else")
    doctor.add_argument("--no-self-test", dest="self_test", action="store_false", help="start no kernel")
    doctor.add_argument("--strict", action="store_true", help="exit with 1 for a WARN as for a FAIL")
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
        help="how the server is started, the word after `jupyter`: server, lab, notebook, kernelgateway (%(default)s)",
    )


def _add_settings(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    settings = commands.add_parser(
        "settings",
        help="every setting, with its value in this configuration, its default and what it takes",
        description=SETTINGS,
        allow_abbrev=False,
    )
    settings.add_argument("--json", action="store_true", help="one JSON object on standard output and nothing else")
    _add_app(settings)


def _add_bench(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    bench = commands.add_parser("bench", help="stock against kernelws on this machine", description=BENCH, allow_abbrev=False)
    bench.add_argument("--json", action="store_true", help="one JSON object on standard output instead of table and plot")
    bench.add_argument("--quick", action="store_true", help="small and once: whether it works, not what it costs")
    bench.add_argument(
        "--output", metavar="DIR", default=".", help="where kernelws-bench.png and .json go (the current directory)"
    )


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 < value <= 3600:
        raise argparse.ArgumentTypeError("more than 0 and at most 3600")
    return value


def _check(parser: argparse.ArgumentParser, command: str, app: str, rest: Sequence[str]) -> None:
    """Refuses what the server would not know. Raises SystemExit(2)."""
    try:
        refused = refused_argument(application(app), rest)
    except UnknownApplicationError as error:
        parser.error(str(error))
    if refused:
        parser.error(f"neither {command} nor jupyter {app} knows {refused}")


def _interrupt(_number: int, _frame: object) -> NoReturn:
    """The first one ends the command; the end itself is bounded, and a second one must not leave processes behind."""
    for number in (signal.SIGINT, signal.SIGTERM):
        # Not SIG_IGN: Python complains of a signal that had come just before
        signal.signal(number, lambda _number, _frame: None)
    raise KeyboardInterrupt
