"""`jupyter kernelws` as a user runs it: the installed script, in an environment with all its Jupyter files in one folder.

The folder is home, configuration, data and temporary directory at once, so that a test sees all that a command leaves behind.
Must not read the user's Jupyter files. Cost: a process.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

JUPYTER = Path(sys.executable).with_name("jupyter")
LIMIT_SECONDS = 100


@dataclass
class Done:
    """What a command has left: exit code and output."""

    code: int
    out: str
    err: str

    @property
    def report(self) -> dict[str, Any]:
        """The one JSON object on standard output."""
        return dict(json.loads(self.out))

    def check(self, name: str) -> dict[str, str]:
        """The only check of this name."""
        (found,) = (check for check in self.report["checks"] if check["name"] == name)
        return dict(found)

    def verdicts(self) -> dict[str, str]:
        """Name to verdict of each check."""
        return {check["name"]: check["verdict"] for check in self.report["checks"]}


class Desk:
    """A user's place: a folder and an environment."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.temporary = folder / "tmp"
        for name in ("config", "runtime", "kernels", "tmp"):
            (folder / name).mkdir()
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("JUPYTER", "KERNELWS", "IPYTHON"))}
        self.environment = kept | {
            "HOME": str(folder),
            "TMPDIR": str(self.temporary),
            "PYTHONPATH": os.pathsep.join(filter(None, [str(folder), kept.get("PYTHONPATH")])),
            "JUPYTER_CONFIG_DIR": str(folder / "config"),
            "JUPYTER_DATA_DIR": str(folder),
            "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
            "JUPYTER_PLATFORM_DIRS": "0",
            "IPYTHONDIR": str(folder / "ipython"),
        }

    def configure(self, name: str, *lines: str) -> Path:
        """A configuration file."""
        file = self.folder / "config" / f"{name}.py"
        file.write_text("\n".join([*lines, ""]))
        return file

    def kernelspec(self, name: str, *argv: str) -> None:
        """A kernelspec of this user's."""
        folder = self.folder / "kernels" / name
        folder.mkdir()
        (folder / "kernel.json").write_text(json.dumps({"argv": argv, "display_name": name, "language": "none"}))

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        """`jupyter kernelws ARGUMENTS`, in the user's folder."""
        return subprocess.Popen(  # noqa: S603 - the script under test
            [JUPYTER, "kernelws", *arguments],
            env=self.environment | environment,
            cwd=self.folder,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def run(self, *arguments: str, limit: float = LIMIT_SECONDS, **environment: str) -> Done:
        """The same, to its end."""
        process = self.start(*arguments, **environment)
        try:
            out, err = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise
        return Done(process.returncode, out, err)

    def left(self) -> list[str]:
        """What is left of a command: processes that were started from its folders, and files in the temporary one."""
        return [*_processes_of(self.temporary), *(str(path) for path in self.temporary.iterdir())]


def _processes_of(folder: Path) -> Iterator[str]:
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue  # it ended meanwhile
        if str(folder) in command:
            yield command
