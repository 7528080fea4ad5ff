"""Protocols of a kernel's listeners: sessions, journals, the runner of HTTP requests, and the manager that records activity.

Must hold no behaviour.
"""

from typing import TYPE_CHECKING, Any, Protocol

from .. import _core

if TYPE_CHECKING:
    from jupyter_client.session import Session

    from .ended_owners import Owner

Runs = list[tuple[str, str | None, str | None]]
"""Message type, parent's message type and ``execution_state`` of each run of equal messages: see ``Batch.activity``."""


class ProcessListener(Protocol):
    """The part of a session that is notified of restarts and interrupts by clients."""

    def replacing(self, kernel_session: str | None) -> None:
        """A client's restart of the process with this ``header.session`` begins. None: the restart has failed."""

    def replaced(self) -> None:
        """That restart is done: the old process has ended."""

    def up_again(self, began: float, gone: str | None) -> None:
        """The new process runs. ``began``: when the restart was done, in the event loop's seconds; ``gone``: the old process's
        ``header.session``."""

    def interrupted(self) -> None:
        """An interrupt is about to be sent to the kernel."""

    def died(self, text: str | None, parents: list[dict[str, Any]]) -> None:
        """The process has ended while it ran the requests with these headers. ``text`` says why; None: a client asked for it."""


class KernelListener(Protocol):
    """A session, a journal or a runner, as its kernel sees it."""

    @property
    def processes(self) -> ProcessListener:
        """The session's listener for restarts and interrupts."""

    @property
    def reads(self) -> bool:
        """Whether the session has a client that keeps up."""

    def moved(self, kernel_manager: Any) -> None:
        """The kernel has a new address, and maybe a new key."""

    def gone(self) -> None:
        """The kernel was removed and sends no more messages."""


class Recorder(Protocol):
    """A journal, as its kernel and its sessions see it."""

    core: _core.Journal
    """The native journal, which takes each batch of IOPub and each request."""
    waits: dict[int, Any]
    """Empty if nobody waits for news."""
    inherited: dict[str, Any]
    """Empty if no ended session has an open execution."""
    followed: dict[int, Any]
    """Empty if no page has taken an execution over."""

    def tell(self, changed: list[int]) -> None:
        """These executions have changed."""

    def take(self, batch: _core.Batch) -> None:
        """Takes a batch of replies or prompts of one session."""

    def take_answer(self, message: _core.ClientMessage, session: str) -> bool:
        """Records a client's answer to a prompt. Returns False if it must not be sent."""

    def inherit(self, owner: "Owner", most: int) -> None:
        """Keeps the sockets of a session that ends with open executions. If those of more than ``most`` sessions are kept, closes
        the oldest."""

    def claim(self, session: str, owner: str | None) -> bool:
        """A client of this user connects with this session id. False: a session with this id, which has ended, was another
        user's, and the kernel may still answer it."""


class Followed(Protocol):
    """A kernel, as those see it that follow its processes."""

    kernel_id: str
    session: "Session"
    journal: Recorder | None
    last_status: list[bytes] | None

    @property
    def listeners(self) -> tuple[KernelListener, ...]:
        """Those that are attached now."""

    def attach(self, listener: KernelListener) -> None:
        """Notifies ``listener`` from now on."""


class ActivityListener(Protocol):
    """A multi kernel manager that records the activity of kernels."""

    def record_runs(self, kernel_manager: Any, runs: Runs) -> None:
        """Called with the messages of each batch."""
