"""The servers for the accidents: JupyterLab and Notebook 7, each with stock and with kernelws.

A server starts when it is first needed. Accidents with default options share it. An accident with options gets its own server,
which ends with the row. Options that both classes have must be the same for both. The servers are those of the browser tests,
with two more kernelspecs. Cost: five seconds a server.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Self

from kernelws.cli.bench.server import KERNELWS
from tests.browser.lab import LabServer, NotebookServer
from tools.chaos.disk import small_disk
from tools.chaos.server import ROOT

from .odd_kernel import FRAGILE, MUTE

if TYPE_CHECKING:
    from .stage import Accident

LAB, NOTEBOOK = "lab", "notebook"
CLASS = "--ZMQChannelsWebsocketConnection"


class OddKernels(LabServer):
    """A server that also knows the odd kernels."""

    def _write_kernelspecs(self) -> None:
        super()._write_kernelspecs()
        for name in (FRAGILE, MUTE):
            self._write_spec(name, "tests.accidents.odd_kernel", {"ODD_KERNEL": name, "PYTHONPATH": str(ROOT)})


class Lab(OddKernels):
    """JupyterLab."""


class Notebook7(OddKernels, NotebookServer):
    """Notebook 7."""


class NoDiskError(RuntimeError):
    """This machine or user cannot mount a small disk."""


class Servers:
    """A context manager: all servers end with it."""

    def __init__(self) -> None:
        self._shared: dict[tuple[str, str], LabServer] = {}
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def get(self, accident: Accident, front: str, name: str, row: contextlib.ExitStack) -> LabServer:
        """A running server for this row. If the accident needs its own server, it ends when `row` closes. Raises NoDiskError."""
        if accident.options or accident.ours or accident.config or accident.disk:
            return row.enter_context(_own(accident, front, name, row))
        if (front, name) not in self._shared:
            self._shared[front, name] = self._stack.enter_context(_server(front, name, ()))
        return self._shared[front, name]


def _own(accident: Accident, front: str, name: str, row: contextlib.ExitStack) -> LabServer:
    ours = accident.ours
    if accident.disk and name == KERNELWS:
        folder = row.enter_context(small_disk(accident.disk))
        if folder is None:
            raise NoDiskError("needs root and a loop device")
        ours = (*ours, f"{CLASS}.spool_dir={folder}")
    server = _server(front, name, (*accident.options, *(ours if name == KERNELWS else ())))
    server.set_config(accident.config)
    return server


def _server(front: str, name: str, options: tuple[str, ...]) -> OddKernels:
    return (Lab if front == LAB else Notebook7)(name, options)
