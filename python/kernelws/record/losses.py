"""Finds and reports messages that a kernel sent and this server never received.

Most often the kernel's own send queue was full (SNDHWM, 1,000 messages in ipykernel): libzmq then drops messages in the kernel's
process, and the server cannot recover them. ``_core.Numbers`` finds them by the numbers of the kernel's messages.
Must not change a batch. Cost: 20 ns a message, for kernels that number them.
"""

import time

from .. import _core
from .counters import TOTALS
from .faults import FaultLog


class Losses:
    """The losses of one kernel on all its channels, for all its sessions."""

    def __init__(self, faults: FaultLog) -> None:
        self.numbers = _core.Numbers()
        """The caller passes each batch to ``note``, and the result to ``tell``."""
        self._faults = faults

    def look(self) -> None:
        """Looks for missing messages while the kernel sends nothing."""
        if lost := self.numbers.settle(time.monotonic()):
            self.tell(lost)

    @property
    def total(self) -> int:
        """All missing messages of the kernel, over its restarts."""
        return self.numbers.lost

    def tell(self, lost: int) -> None:
        """Counts and logs ``lost`` missing messages."""
        TOTALS.suspected_losses += lost
        self._faults.tell(
            "iopub",
            "suspected_loss",
            f"{lost} messages were probably lost before they reached this server: their numbers are missing",
        )
