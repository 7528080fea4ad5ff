"""`jupyter kernelws run`: runs code on a kernel of a running server, and writes its output as it arrives.

Begins an execution, or returns to one. The execution is the server's: it goes on if this command ends, and ``--follow`` returns
to it. Must not show a token, or end a kernel. See ``following`` for reading and Ctrl-C. Cost: one long request at a time.
"""

from __future__ import annotations

import argparse
import errno
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from .following import Follower, Interrupts, Terminal
from .output import Output, write
from .remote import RefusedError, RemoteServer, UnreachableError, UsageError, choose

if TYPE_CHECKING:
    from collections.abc import Sequence

FAILED = 2
"""Exit code of a usage error and of a server's error."""
NOT_FOUND = 404
FORBIDDEN = (401, 403)
DESCRIPTION = """\
Runs code on a kernel of a running Jupyter server, over HTTP. Output is written as it arrives. Ctrl-C interrupts the code; a
second Ctrl-C leaves at once. The server keeps the output, also if this command is killed: --follow ID returns to it."""
EPILOG = """\
exit codes: 0 ok; 1 an error was raised, or the code was aborted; 2 wrong usage, or the server reported an error; 3 the kernel
restarted or is gone; 130 interrupted"""


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the options to the command line."""
    run = commands.add_parser(
        "run",
        help="runs code on a kernel of a running server, or returns to code that runs there",
        description=DESCRIPTION,
        epilog=EPILOG,
        allow_abbrev=False,
    )
    run.add_argument("code", nargs="?", metavar="CODE|FILE|-", help="the code, a file with it, or - for standard input")
    run.add_argument("--server", metavar="URL", default="", help="the server (default: the only one that runs on this machine)")
    run.add_argument("--token", default="", help="its token (default: that of the running server, or the variable JUPYTER_TOKEN)")
    run.add_argument("--kernel", metavar="ID", default="", help="the kernel (default: the only one; if none runs, a new one)")
    run.add_argument(
        "--kernelspec",
        metavar="NAME",
        default="",
        help="only kernels of this kernelspec (default: any; for a new kernel the server's default)",
    )
    run.add_argument("--detach", action="store_true", help="print the id of the execution, and do not wait for output")
    run.add_argument("--follow", metavar="ID", default="", help="return to an execution")
    run.add_argument(
        "--stdin",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="whether the code may ask for input (yes, unless it is detached or comes from standard input)",
    )


def run(options: argparse.Namespace) -> int:
    """Runs code or returns to an execution; returns the exit code."""
    output = Output()
    try:
        return _run(options, output)
    except (UsageError, UnreachableError, RefusedError) as error:
        forbidden = isinstance(error, RefusedError) and error.status in FORBIDDEN and error.reason in ("", "Forbidden")
        output.note(f"{error}; is the token right (--token, or the variable JUPYTER_TOKEN)?" if forbidden else str(error))
    except OSError as error:
        # The program that read the output has ended: EPIPE, on Windows EINVAL. Python would write the rest when it exits
        if error.errno not in (errno.EPIPE, errno.EINVAL):
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return FAILED


def _run(options: argparse.Namespace, output: Output) -> int:
    if bool(options.follow) == (options.code is not None):
        raise UsageError("name either code to run (or a file, or -), or an execution with --follow")
    if options.follow and options.detach:
        raise UsageError("--detach and --follow cannot be combined: --detach starts code, --follow returns to code")
    if options.code == "-" and options.stdin:
        raise UsageError("standard input holds the code, so it cannot answer prompts")
    code = "" if options.follow else source(options.code)
    server = choose(options.server, options.token, os.environ.get("JUPYTER_TOKEN", ""))
    if options.follow:
        executions = find(server, options.kernel, options.follow)
        terminal = None if options.stdin is False else Terminal(output)
        with Interrupts() as interrupts:
            path = _one(executions, options.follow)
            return Follower(server, path, output, terminal, interrupts, own=False).follow()
    executions = path_of(options.kernel or choose_kernel(server, options.kernelspec, output))
    allow_stdin = not (options.detach or options.code == "-") if options.stdin is None else options.stdin
    # A signal while the request is under way must not leave the code running
    with Interrupts() as interrupts:
        execution_id = begin(server, executions, code, allow_stdin=allow_stdin)
        if options.detach:
            write(sys.stdout, execution_id + "\n")
            return 0
        terminal = Terminal(output) if allow_stdin else None
        return Follower(server, _one(executions, execution_id), output, terminal, interrupts, own=True).follow()


def source(named: str) -> str:
    """The code: of standard input, of a file, or ``named`` itself. Raises UsageError."""
    if named == "-":
        return sys.stdin.read()
    try:
        if Path(named).is_file():
            if named.endswith(".ipynb"):
                raise UsageError(f"{named} is a notebook; run takes one piece of code")
            return Path(named).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise UsageError(f"{named} is not text in UTF-8") from None
    except PermissionError as error:
        raise UsageError(f"{named} cannot be read: {error.strerror}") from None
    except (OSError, ValueError) as error:
        # A long piece of code is no valid path
        if isinstance(error, UsageError):
            raise
    if named.endswith(".py") and len(named.split()) == 1:
        raise UsageError(f"there is no file {named}")
    return named


def path_of(kernel_id: str) -> str:
    """The path of a kernel's executions."""
    return f"/kernelws/api/kernels/{quote(kernel_id, safe='')}/executions"


def choose_kernel(server: RemoteServer, kernelspec: str, output: Output) -> str:
    """The only running kernel (of this kernelspec, if one is named); if there is none, starts one. Raises UsageError."""
    kernels = [one for one in _kernels(server) if kernelspec in ("", one["name"])]
    if len(kernels) > 1:
        raise UsageError(f"several kernels are running; choose one with --kernel ID:\n{_listed(kernels)}")
    if kernels:
        return str(kernels[0]["id"])
    started = server.request("POST", "/api/kernels", {"name": kernelspec} if kernelspec else {})
    output.note(f"started the kernel {started['id']} ({started['name']}), which goes on running")
    return str(started["id"])


def _kernels(server: RemoteServer) -> list[dict[str, Any]]:
    try:
        found: list[dict[str, Any]] = server.request("GET", "/api/kernels")
    except RefusedError as error:
        if error.status != NOT_FOUND:
            raise
        raise UsageError(f"there is no Jupyter server at {server.url}; the address must have its base URL") from None
    return found


def _listed(kernels: Sequence[dict[str, Any]]) -> str:
    return "\n".join(f"  {one['id']}  {one['name']}, {one.get('execution_state', 'unknown')}" for one in kernels)


def _one(executions: str, execution_id: str) -> str:
    return f"{executions}/{quote(execution_id, safe='')}"


def begin(server: RemoteServer, executions: str, code: str, *, allow_stdin: bool) -> str:
    """Runs code; returns the id of the execution. Raises UsageError if the server offers no executions."""
    try:
        return str(server.request("POST", executions, {"code": code, "allow_stdin": allow_stdin})["id"])
    except RefusedError as error:
        raise _explained(error) from None


def _explained(error: RefusedError) -> Exception:
    """404 means that the server has no such route, or that the route finds no such kernel or execution. Only the second has a
    reason."""
    if error.status == NOT_FOUND and (not error.reason or error.reason == "Not Found"):
        return UsageError("this server does not offer executions: kernelws is not active there, or its executions are off")
    return error


def find(server: RemoteServer, kernel_id: str, execution_id: str) -> str:
    """The path of the executions of the kernel that has this execution. Without ``kernel_id``, asks all kernels. Raises
    UsageError."""
    kernels = [kernel_id] if kernel_id else [str(one["id"]) for one in _kernels(server)]
    for one in kernels:
        try:
            server.request("GET", _one(path_of(one), execution_id), max_bytes=0)
        except RefusedError as error:
            explained = _explained(error)
            if error.status != NOT_FOUND or explained is not error:
                raise explained from None
        else:
            return path_of(one)
    raise UsageError("no kernel of this server has an execution with this id, or it is another user's")
