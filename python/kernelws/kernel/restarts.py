"""Notifies a kernel's sessions of the steps of a client's restart, and of interrupts.

The kernel manager itself reports automatic restarts and death to each session. Must not write to a WebSocket or decide which
session gets ``restarting``: ``session/announcing.py`` does. Cost: one call a session.
"""

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .kernel import Kernel


def begins(kernel: "Kernel") -> str | None:
    """A client's restart begins. Returns the ``header.session`` of the process that will be replaced, for ``done``."""
    kernel_session = kernel.kernel_session
    kernel.new_incarnation()
    for session in kernel.listeners:
        session.processes.replacing(kernel_session)
    return kernel_session


def failed(kernel: "Kernel") -> None:
    """The restart has failed."""
    for session in kernel.listeners:
        session.processes.replacing(None)


def done(kernel: "Kernel", kernel_session: str | None, up: Any) -> None:
    """The restart is done, and the process with this ``header.session`` has ended. Sessions drop its later output too.

    ``up`` is upstream's future that completes when the new process runs. A custom manager may return something else, and then
    no session gets ``restarting``.
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
    """An interrupt is about to be sent to the kernel."""
    for session in kernel.listeners:
        session.processes.interrupted()
