"""``Journals``: the journals of one server's kernels, and the memory that they share.

A kernel has a journal from its first client on. It has none if a handler or a subclass changes or hides its messages, because
a journal would show them.
Must not read a journal. Cost: one call for each client that connects.
"""

import weakref
from typing import TYPE_CHECKING, Any, ClassVar

from ..messages import adapt
from .journal import JournalLimits, KernelJournal

if TYPE_CHECKING:
    from .kernel import Kernel

ATTRIBUTE = "_kernelws_journals"
"""The attribute of a multi kernel manager that holds its ``Journals``, so that both live equally long."""


class Journals:
    """The journals of one server's kernels."""

    of_process: ClassVar["weakref.WeakSet[Journals]"] = weakref.WeakSet()
    """All in this process, for the metrics. Usually one."""

    def __init__(self, limits: JournalLimits) -> None:
        self.limits = limits
        self._journals: weakref.WeakSet[KernelJournal] = weakref.WeakSet()
        Journals.of_process.add(self)
        self._hidden: weakref.WeakSet[Kernel] = weakref.WeakSet()

    def open(self, kernel: "Kernel") -> "KernelJournal | None":
        """The kernel's journal; makes it if necessary. None: this kernel must not have one."""
        if kernel.journal is None and kernel not in self._hidden and adapt.packs_json(kernel.session):
            kernel.journal = KernelJournal(kernel, self.limits)
            self._journals.add(kernel.journal)
            self._share()
        return kernel.journal if isinstance(kernel.journal, KernelJournal) else None

    @property
    def living(self) -> list[KernelJournal]:
        """The journals of kernels that exist."""
        return [journal for journal in self._journals if not journal.ended]

    def _share(self) -> None:
        """Gives each journal an equal share of the server's memory, if that is less than what a kernel may have."""
        journals = self.living
        share = self.limits.server_memory // max(1, len(journals))
        for journal in journals:
            journal.configure(min(self.limits.memory, share))

    def hide(self, kernel: "Kernel") -> None:
        """The kernel has no journal from now on."""
        self._hidden.add(kernel)
        journal = kernel.journal
        kernel.journal = None
        if isinstance(journal, KernelJournal):
            journal.empty()


def journals_of(manager: Any) -> Journals | None:
    """The journals of a multi kernel manager; None if executions are off."""
    journals: Journals | None = vars(manager).get(ATTRIBUTE)
    return journals


def open_for(manager: Any, kernel: "Kernel") -> None:
    """A client has come: the kernel gets its journal, if executions are on."""
    journals = journals_of(manager)
    if journals is not None:
        journals.open(kernel)


def hide(manager: Any, kernel: "Kernel") -> None:
    """A client's messages may be hidden or changed on their way, so the kernel has no journal from now on."""
    journals = journals_of(manager)
    if journals is not None:
        journals.hide(kernel)
