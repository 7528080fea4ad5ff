"""A restart that a client has asked for, step by step, as the kernel's sessions hear of it.

An automatic restart and a death are announced by the kernel manager to each session itself. Must not write to a WebSocket, nor
decide which session is told: ``session/announcing.py`` does.
"""

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .kernel import Kernel


def begins(kernel: "Kernel") -> str | None:
    """A client has asked for a restart: the next process ends what this one has published. Returns this one's session."""
    kernel_session = kernel.kernel_session
    kernel.new_incarnation()
    for session in kernel.listeners:
        session.processes.replacing(kernel_session)
    return kernel_session


def failed(kernel: "Kernel") -> None:
    """It was not done."""
    for session in kernel.listeners:
        session.processes.replacing(None)


def done(kernel: "Kernel", kernel_session: str | None, up: Any) -> None:
    """The process that spoke as ``kernel_session`` is gone: its output that still comes is left out too.

    ``up`` is a future that is done when the new one runs; somebody else's manager may return anything.
    """
    kernel.replaced_session = kernel_session
    for session in kernel.listeners:
        session.processes.replaced()
    if not isinstance(up, asyncio.Future):
        return
    began = asyncio.get_running_loop().time()

    def when_up(future: "asyncio.Future[Any]") -> None:
        if future.cancelled() or future.exception() is not None:
            return
        for session in kernel.listeners:
            session.processes.up_again(began, kernel_session)

    up.add_done_callback(when_up)


def interrupted(kernel: "Kernel") -> None:
    """An interrupt is on its way to the kernel."""
    for session in kernel.listeners:
        session.processes.interrupted()
