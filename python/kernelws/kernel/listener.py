"""Who listens to a kernel: its sessions, and the manager that follows its activity. Declared here, implemented above.

Must hold no behaviour.
"""

from typing import Any, Protocol

Runs = list[tuple[str, str | None, str | None]]
"""Message type, type of the parent and ``execution_state`` of runs of equal messages: ``Batch.activity``."""


class ProcessListener(Protocol):
    """What a session does about restarts and interrupts."""

    def replacing(self, kernel_session: str | None) -> None:
        """A client has asked for a restart of the process that speaks as ``kernel_session``; None: it was not done."""

    def replaced(self) -> None:
        """That restart is done."""

    def up_again(self, began: float, gone: str | None) -> None:
        """The process after the restart that began then (the loop's seconds) runs; ``gone`` is the session of the one before."""

    def interrupted(self) -> None:
        """An interrupt is on its way to the kernel."""


class KernelListener(Protocol):
    """A session, as its kernel sees it."""

    @property
    def processes(self) -> ProcessListener:
        """What it does about the kernel's processes."""

    @property
    def reads(self) -> bool:
        """Whether its client takes what comes."""

    def moved(self, kernel_manager: Any) -> None:
        """The kernel has another address, perhaps under another key."""

    def gone(self) -> None:
        """There will be no more messages of this kernel."""


class ActivityListener(Protocol):
    """A multi kernel manager that follows what kernels do."""

    def record_runs(self, kernel_manager: Any, runs: Runs) -> None:
        """The messages of one batch."""
