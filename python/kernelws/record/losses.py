"""Messages that one kernel has sent and that nobody here received, as far as the numbers of its messages tell.

Most often the kernel's own send queue was full (SNDHWM, 1,000 messages in ipykernel): libzmq drops what does not fit, in
the kernel's process, and nothing that the server does can bring it back. See ``_core.Numbers`` for what counts.
Must not change a batch. Cost: 20 ns a message of a kernel that numbers them.
"""

import time

from .. import _core
from .counters import TOTALS
from .faults import FaultLog


class Losses:
    """The losses of one kernel, over its IOPub and the replies to all its sessions."""

    def __init__(self, faults: FaultLog) -> None:
        self.numbers = _core.Numbers()
        """``note(batch, now)`` looks at the messages of a batch, of any channel; what it finds is for ``tell``."""
        self._faults = faults

    def look(self) -> None:
        """Finds what has been missing for long enough, where nothing more comes."""
        if lost := self.numbers.settle(time.monotonic()):
            self.tell(lost)

    @property
    def total(self) -> int:
        """Since the kernel was first heard; another process in its place is counted too."""
        return self.numbers.lost

    def tell(self, lost: int) -> None:
        """Counts and logs messages that are missing."""
        TOTALS.suspected_losses += lost
        self._faults.tell(
            "iopub",
            "suspected_loss",
            f"{lost} messages were probably lost before they reached this server: the kernel has numbered them",
        )
