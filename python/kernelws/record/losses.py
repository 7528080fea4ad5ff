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

    def __init__(self, complaints: FaultLog) -> None:
        self._numbers = _core.Numbers()
        self.complaints = complaints

    def note(self, batch: _core.Batch) -> None:
        """Looks at the messages of a batch, of any channel."""
        self._tell(self._numbers.note(batch, time.monotonic()))

    def look(self) -> None:
        """Finds what has been missing for long enough, where nothing more comes."""
        self._tell(self._numbers.settle(time.monotonic()))

    @property
    def total(self) -> int:
        """Since the feed was made; another process in the kernel's place is counted too."""
        return self._numbers.lost

    def _tell(self, lost: int) -> None:
        if lost:
            TOTALS.suspected_losses += lost
            self.complaints.tell(
                "iopub",
                "suspected_loss",
                f"{lost} messages were probably lost before they reached this server: the kernel has numbered them",
            )
