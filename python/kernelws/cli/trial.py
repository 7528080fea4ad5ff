"""Doctor's server: the user's application with the user's configuration, in a child process.

Makes a temporary folder that only this user can read, for `instructions.json`, `facts.json`, the log and runtime files. Starts
the probe with `child`, and reads the facts. Must not leave the process or files behind, or show a token.
Cost: two seconds, or four with JupyterLab.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Self

from .child import START_SECONDS, Address, Child, NotStartedError
from .probe import FACTS, INSTRUCTIONS

if TYPE_CHECKING:
    from collections.abc import Sequence


class Trial:
    """A context manager for doctor's server.

    ``address`` is None if the server does not run, because no self-test was wanted or because it failed. ``error`` says why it
    failed; otherwise it is empty.
    """

    def __init__(self, app: str, arguments: Sequence[str], *, self_test: bool, timeout: float) -> None:
        self.app = app
        self.address: Address | None = None
        self.facts: dict[str, Any] = {}
        self.error = ""
        self._timeout = max(START_SECONDS, timeout)
        self._instructions = {"app": app, "arguments": list(arguments), "self_test": self_test, "token": secrets.token_hex(16)}
        self._folder = tempfile.TemporaryDirectory(prefix="kernelws-doctor-", ignore_cleanup_errors=True)
        self._home = Path(self._folder.name)
        self._child = Child("server", self._home / "server.log", self._launch)

    def __enter__(self) -> Self:
        try:
            (self._home / INSTRUCTIONS).write_text(json.dumps(self._instructions))
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_error: object) -> None:
        self._child.stop()
        self._folder.cleanup()

    def _start(self) -> None:
        try:
            self.address = self._child.start(str(self._instructions["token"]), self._timeout)
        except NotStartedError as error:
            self.error = str(error)
        file = self._home / FACTS
        if file.exists():
            self.facts = json.loads(file.read_text())
        process = self._child.process
        if self.facts and process is not None and process.returncode == 0:
            self.error = ""  # the probe wrote the facts and ended, because no self-test was wanted

    def _launch(self, port: int, log: IO[bytes]) -> subprocess.Popen[bytes]:
        # -P: modules are not imported from the current directory, as with a console script
        command = [sys.executable, "-P", "-m", "kernelws.cli.probe", str(self._home), str(port)]
        return subprocess.Popen(
            command,
            env={**os.environ, "JUPYTER_RUNTIME_DIR": str(self._home)},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def log_lines(self) -> list[str]:
        """The lines of the server's log so far, without tokens."""
        return self._child.log_text().splitlines()
