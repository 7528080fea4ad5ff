"""The front ends at both ends of the supported ranges, each with stock and with kernelws.

The newest ones are those of `.venv`, the oldest those of `.venv-lab40` (`make .venv-lab40/built`). Must not start one that is not
installed. Cost: five seconds a server.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from tests.browser.lab import LabServer, NotebookServer

if TYPE_CHECKING:
    from typing import ClassVar

OLD = Path(__file__).resolve().parents[2] / ".venv-lab40" / "bin" / "python"


class Newest(LabServer):
    """JupyterLab of `.venv`."""

    @classmethod
    def installed(cls) -> bool:
        """Whether the interpreter is there."""
        return Path(cls.python).exists()

    @classmethod
    def title(cls) -> str:
        """Its name and version."""
        show = f"import importlib.metadata; print(importlib.metadata.version({cls.module!r}))"
        version = subprocess.run([cls.python, "-c", show], capture_output=True, text=True, check=True).stdout.strip()  # noqa: S603
        return f"{'Notebook' if cls.module == 'notebook' else 'JupyterLab'} {version}"


class Oldest(Newest):
    """JupyterLab 4.0."""

    python: ClassVar[str] = str(OLD)


class NewestNotebook(Newest, NotebookServer):
    """Notebook of `.venv`."""


class OldestNotebook(Oldest, NotebookServer):
    """Notebook 7.0."""


FRONTS: dict[str, type[Newest]] = {"lab": Newest, "lab40": Oldest, "notebook": NewestNotebook, "notebook70": OldestNotebook}


def server_of(front: str, name: str, options: tuple[str, ...] = ()) -> Newest:
    """A server that is not started yet."""
    return FRONTS[front](name, options)
