"""``Follower``: reads an execution until it is over, answers its prompts, and interrupts it at Ctrl-C.

Reading consumes nothing, and the cursor moves only after the output was written. So a read is repeated if a lost connection or
Ctrl-C ends it. Ctrl-C does not end the writing of output: it takes effect in the next wait. A second one ends the command.
Must not begin an execution. Cost: one request for each piece of news, or every ``WAIT`` seconds.
"""

from __future__ import annotations

import getpass
import os
import signal
import sys
import time
from typing import TYPE_CHECKING, Any, Self, TypeVar

from .output import write
from .remote import RefusedError, RemoteServer, UnreachableError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from .output import Output

Result = TypeVar("Result")

OK, ERROR, LOST, INTERRUPTED = 0, 1, 3, 130
NOT_FOUND, CONFLICT = 404, 409
WAIT = 20 if os.name == "posix" else 1
"""Seconds that the server waits for news. On Windows Ctrl-C takes effect only after such a wait."""
READ_TIMEOUT = WAIT + 30.0
RETRY_FOR = 60.0
"""Seconds for which a lost connection is tried again."""
PAUSES = (0.2, 5.0)
"""The first and the longest pause between two tries, in seconds."""


class Interrupts:
    """SIGINT and SIGTERM while an execution is followed.

    The first one raises KeyboardInterrupt, but only inside ``wait``; a later one raises it anywhere.
    """

    def __init__(self) -> None:
        self._count = 0
        self._waiting = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        self._before = {number: signal.signal(number, self._arrived) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @property
    def came(self) -> bool:
        return self._count > 0

    def _arrived(self, _number: int, _frame: object) -> None:
        self._count += 1
        if self._count > 1 or self._waiting:
            raise KeyboardInterrupt

    def wait(self, call: Callable[[], Result], *, first: bool) -> Result | None:
        """Calls a function that waits. ``first``: the first signal ends the call, and the result is None; if the signal came
        before, the function is not called."""
        try:
            self._waiting = first
            return None if first and self.came else call()
        except KeyboardInterrupt:
            if self._count > 1:
                raise
            return None
        finally:
            self._waiting = False


class Terminal:
    """Answers prompts: at the terminal, or with the lines of standard input if it is not one."""

    def __init__(self, output: Output) -> None:
        self._output = output

    @staticmethod
    def ask(prompt: str, *, password: bool) -> str:
        """The answer. Raises EOFError if there are no more lines."""
        at_terminal = sys.stdin.isatty()
        if at_terminal and password:
            return getpass.getpass(prompt.encode(errors="backslashreplace").decode())
        if at_terminal:
            write(sys.stderr, prompt)
        line = sys.stdin.readline()
        if not line:
            raise EOFError
        return line.removesuffix("\n")

    def answered(self) -> None:
        """The kernel has the answer. At a terminal the user has seen it while typing, so the output that repeats prompt and
        answer is not written."""
        if sys.stdin.isatty():
            self._output.typed()


class Follower:
    """Follows one execution. ``own``: this command has begun it, so that its prompts are this command's to answer."""

    def __init__(
        self,
        server: RemoteServer,
        path: str,
        output: Output,
        terminal: Terminal | None,
        interrupts: Interrupts,
        *,
        own: bool,
    ) -> None:
        self._server, self._path, self._output = server, path, output
        self._terminal, self._interrupts, self._own = terminal, interrupts, own
        self._since = 0
        self._state = "queued"
        self._to_interrupt = False
        self._was_interrupted = False
        self._lost_at: float | None = None
        self._pause = PAUSES[0]
        self._told: set[str] = set()

    def follow(self) -> int:
        """Reads and writes until the execution is over; returns the exit code. Raises the errors of ``remote``."""
        while True:
            try:
                found = self._step()
                self._lost_at = None
            except UnreachableError as error:
                self._wait_to_retry(error)
                continue
            except RefusedError as error:
                if error.status != NOT_FOUND:
                    raise
                self._output.note("the execution is not there any more: its kernel is gone, or it was forgotten")
                return INTERRUPTED if self._interrupts.came else LOST
            if found is not None and found["state"] in ("done", "lost"):
                return self._exit_code(found)

    def _exit_code(self, found: dict[str, Any]) -> int:
        if found["state"] == "lost":
            self._output.note("the kernel restarted or is gone, and the execution with it")
        if self._interrupts.came:
            return INTERRUPTED
        return LOST if found["state"] == "lost" else OK if found["status"] == "ok" else ERROR

    def _step(self) -> dict[str, Any] | None:
        """Reads once, and does what the answer asks for. None: a signal came meanwhile."""
        if self._to_interrupt or (self._interrupts.came and not self._was_interrupted):
            self._interrupt()
        # After a lost connection asks for the present state at once: an unanswered prompt may be waiting
        wait = WAIT if self._lost_at is None else 0
        found: dict[str, Any] | None = self._interrupts.wait(
            lambda: self._server.request("GET", self._path, timeout=READ_TIMEOUT, since=self._since, wait=wait),
            first=not self._interrupts.came,
        )
        if found is None:
            return None
        self._output.show(found)
        self._since, self._state = found["next"], found["state"]
        if self._state == "input" and found["input_request"]:
            self._prompt(found["input_request"])
        return found

    def _interrupt(self) -> None:
        """Interrupts the execution. If it is still queued, says so; it is interrupted when it runs."""
        self._to_interrupt = self._was_interrupted = True
        try:
            self._server.request("POST", f"{self._path}/interrupt")
            self._to_interrupt = False
        except RefusedError as error:
            if error.status != CONFLICT:
                raise
            if self._state == "queued":
                self._tell("the code waits for other code, and is interrupted when it begins; Ctrl-C again ends this command")

    def _prompt(self, asked: dict[str, Any]) -> None:
        if self._was_interrupted or self._terminal is None:
            if not self._was_interrupted:
                self._tell("the code asks for input, which must be answered elsewhere because of --no-stdin")
            return
        terminal = self._terminal
        try:
            value = self._interrupts.wait(lambda: terminal.ask(asked["prompt"], password=asked["password"]), first=True)
        except EOFError:
            if not self._own:
                raise UsageError("the execution waits for input, and standard input has ended; it goes on waiting") from None
            self._output.note("the code asks for input, and standard input has ended: it is interrupted")
            self._to_interrupt = True
            return
        if value is not None:
            self._answer(value)

    def _answer(self, value: str) -> None:
        try:
            self._server.request("POST", f"{self._path}/input", {"value": value})
        except RefusedError as error:
            if error.status != CONFLICT:
                raise
            self._output.note(error.reason)
        else:
            if self._terminal is not None:
                self._terminal.answered()

    def _wait_to_retry(self, error: UnreachableError) -> None:
        """Waits before the next try. Raises the error again after ``RETRY_FOR`` seconds without an answer."""
        now = time.monotonic()
        if self._lost_at is None:
            self._lost_at, self._pause = now, PAUSES[0]
            self._output.note(f"{error}; trying again")
        if now - self._lost_at + self._pause > RETRY_FOR:
            raise UnreachableError(f"{error}; the code may go on, and --follow returns to it") from None
        self._interrupts.wait(lambda: time.sleep(self._pause), first=not self._interrupts.came)
        self._pause = min(2 * self._pause, PAUSES[1])

    def _tell(self, sentence: str) -> None:
        """Writes a sentence once."""
        if sentence not in self._told:
            self._told.add(sentence)
            self._output.note(sentence)
