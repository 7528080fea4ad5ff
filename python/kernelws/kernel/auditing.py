"""``KernelAudit``: who ran what on one kernel, for auditors: one event for each ``execute_request``, when it ends.

It does not use the journal, which has limits and forgets. It knows the requests that this server sends; requests of other clients
it knows by what the kernel publishes about them. An event has no output. Open requests take memory: over ``MOST_OPEN`` or
``MOST_BYTES`` the oldest one is recorded before its end.
Must not delay a message, and must not decide where events go. Cost: a look at each batch's runs of equal messages; 60 us for an
execution, and what the handlers of its event take.
"""

import hashlib
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from ..messages import notices

if TYPE_CHECKING:
    from .. import _core
    from ..record.audit import AuditLog
    from .listener import Followed, Runs

ATTRIBUTE = "_kernelws_audit"
"""The attribute of a multi kernel manager that holds its ``AuditLog``."""
MOST_OPEN = 10_000
MOST_BYTES = 64 << 20
"""Characters of all sources of a kernel's open requests, if sources are recorded."""
MOST_EARLY = 100_000
"""Requests that were recorded before their end are remembered, at most so many, and not recorded again."""
LONGEST_ID = 1024
"""Characters. More of an id is not recorded."""
STARTS, ERRORS = ("execute_input", "pyin"), ("error", "pyerr")
FOLLOWED = frozenset({"status", *STARTS, *ERRORS})
SURROGATES = re.compile("[\ud800-\udfff]")

Via = Literal["websocket", "http", "other"]


@dataclass(slots=True)
class Request:
    """An ``execute_request`` that has not ended. Times are in seconds since the epoch."""

    id: str
    user: str | None
    session: str | None
    via: Via
    digest: str | None = None
    source: str | None = None
    submitted: float | None = None
    started: float | None = None
    shown: bool = False
    """Whether the kernel has published ``execute_input`` for it."""
    failed: bool = False
    silent: bool = False
    """Whether it may run without ``execute_input``: a silent request does, and another client's may be silent."""

    def set_source(self, code: Any, *, keep: bool) -> None:
        if isinstance(code, str):
            clean = SURROGATES.sub("\N{REPLACEMENT CHARACTER}", code)
            self.digest = hashlib.sha256(clean.encode()).hexdigest()
            self.source = clean if keep else None

    @property
    def size(self) -> int:
        return len(self.source or "")


def audit_of(manager: Any, kernel: "Followed") -> "KernelAudit | None":
    """The audit of a kernel; ``manager`` is the multi kernel manager. None if it is off."""
    log: AuditLog | None = getattr(manager, "__dict__", {}).get(ATTRIBUTE)
    return None if log is None else KernelAudit(kernel, log)


class KernelAudit:
    """See the head of the file. Implements ``KernelListener`` and, as its own ``processes``, ``ProcessListener``."""

    reads = False
    """See ``KernelListener``."""

    def __init__(self, kernel: "Followed", log: "AuditLog") -> None:
        self.processes = self
        self._kernel, self._log = kernel, log
        self._open: dict[str, list[Request]] = {}
        """``msg_id`` -> open requests, the oldest first. There are several if clients use an id again."""
        self._early: dict[str, None] = {}
        """The ids of requests that are open and were recorded already."""
        self._bytes = self._number = 0
        kernel.attach(self)

    def submit(self, parts: Sequence[Any], *, user: str | None, session: str, via: Via) -> None:
        """A client of this server sends an ``execute_request`` with these parts."""
        header, content = (notices.readable(self._kernel.session, parts[index]) for index in (0, 3))
        request = Request(_id(header), user, session, via, submitted=time.time(), silent=content.get("silent") is True)
        request.set_source(content.get("code"), keep=self._log.source)
        self._add(request)

    def _add(self, request: Request) -> None:
        self._open.setdefault(request.id, []).append(request)
        self._bytes += request.size
        self._number += 1
        while self._number > MOST_OPEN or (self._bytes > MOST_BYTES and self._number > 1):
            oldest = self._pop(next(iter(self._open)))
            self._early[oldest.id] = None
            if len(self._early) > MOST_EARLY:
                del self._early[next(iter(self._early))]
            self._record(oldest, "queued" if oldest.started is None else "running")

    def _pop(self, msg_id: str) -> Request:
        requests = self._open[msg_id]
        request = requests.pop(0)
        if not requests:
            del self._open[msg_id]
        self._bytes -= request.size
        self._number -= 1
        return request

    # called by the kernel

    def take(self, batch: "_core.Batch", runs: "Runs") -> None:
        """Takes a batch of IOPub. ``runs`` are those of ``Batch.activity``."""
        for kind, parent, _ in runs:  # most batches have only output
            if kind in FOLLOWED and parent == "execute_request":
                break
        else:
            return
        for index in range(len(batch)):
            if batch.msg_type(index) in FOLLOWED:
                self._follow(batch.msg_type(index), batch.parts(index))

    def _follow(self, kind: str, parts: Sequence[Any]) -> None:
        header = notices.readable(self._kernel.session, parts[1])
        if header.get("msg_type") != "execute_request":
            return
        msg_id = _id(header)
        content = notices.readable(self._kernel.session, parts[3])
        state = content.get("execution_state") if kind == "status" else None
        if msg_id in self._early:
            if state == "idle":
                del self._early[msg_id]
            return
        if state != "idle" and msg_id not in self._open:
            self._add(Request(msg_id, None, _text(header.get("session")) or None, "other", silent=True))
        if msg_id not in self._open:
            return
        request = self._open[msg_id][0]
        if state == "idle":
            self._finish(self._pop(msg_id))
        else:
            self._go_on(request, kind, content)

    def _go_on(self, request: Request, kind: str, content: dict[str, Any]) -> None:
        request.started = request.started or time.time()
        request.failed |= kind in ERRORS
        if kind in STARTS:
            request.shown, request.silent = True, False
            if request.digest is None:
                request.set_source(content.get("code"), keep=self._log.source)
                self._bytes += request.size

    def _finish(self, request: Request) -> None:
        unshown = None if request.silent else "aborted"
        self._record(request, "done", "error" if request.failed else "ok" if request.shown else unshown)

    def _record(self, request: Request, state: str, status: str | None = None) -> None:
        over = state in ("done", "lost")
        event = {
            "user": request.user,
            "kernel_id": self._kernel.kernel_id,
            "session": request.session,
            "execution_id": request.id,
            "via": request.via,
            "submitted": _time(request.submitted),
            "started": _time(request.started),
            "finished": _time(time.time()) if over else None,
            "state": state,
            "status": status,
            "source_sha256": request.digest,
        }
        self._log.emit(event | ({} if request.source is None else {"source": request.source}))

    def _all(self) -> Iterator[Request]:
        while self._open:
            yield self._pop(next(iter(self._open)))

    def died(self, _text: str | None, _parents: list[dict[str, Any]]) -> None:
        """What was open is lost."""
        for request in self._all():
            self._record(request, "lost")
        self._early.clear()

    def replaced(self) -> None:
        self.died(None, [])

    def gone(self) -> None:
        """The kernel was removed."""
        self.died(None, [])

    def moved(self, kernel_manager: Any) -> None:
        """Nothing to do."""

    def replacing(self, kernel_session: str | None) -> None:
        """Nothing to do before the old process has ended."""

    def up_again(self, began: float, gone: str | None) -> None:
        """Nothing to do."""

    def interrupted(self) -> None:
        """Nothing to do."""


def _text(value: Any) -> str:
    return value[:LONGEST_ID] if isinstance(value, str) else ""


def _id(header: dict[str, Any]) -> str:
    """The ``msg_id``, or empty: an event is recorded for a request without an id too."""
    return _text(header.get("msg_id"))


def _time(seconds: float | None) -> str | None:
    """A time in UTC: ``2026-01-31T12:00:00.250Z``."""
    return (
        None
        if seconds is None
        else datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    )
