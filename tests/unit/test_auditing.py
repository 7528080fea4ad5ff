"""What is recorded of one kernel's executions: each once, in whatever order its messages come, and within limits of memory."""

import hashlib
import json
import logging
from typing import Any

import pytest
from jupyter_client.session import Session
from jupyter_events import EventLogger

from kernelws import _core
from kernelws.kernel import auditing
from kernelws.kernel.auditing import KernelAudit, audit_of
from kernelws.record.audit import PERIOD, SCHEMA, AuditLog
from kernelws.record.counters import TOTALS
from tests.parity.messages import DELIMITER
from tests.support.session import LOG


class Kernel:
    """What an audit needs of a kernel."""

    kernel_id = "k"

    def __init__(self) -> None:
        self.session = Session()
        self.attached: list[Any] = []

    def attach(self, listener: Any) -> None:
        self.attached.append(listener)


class Kept(logging.Handler):
    """A handler that keeps events, or raises."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[dict[str, Any]] = []
        self.fault: Exception | None = None

    def emit(self, record: logging.LogRecord) -> None:
        if self.fault is not None:
            raise self.fault
        event: Any = record.msg
        self.events.append(event)


class Auditor:
    """An audit of one kernel, with the handler and the server's log."""

    def __init__(self, *, source: bool = False) -> None:
        self.now = 0.0
        self.kept = Kept()
        self.events = EventLogger(handlers=[self.kept])
        self.log = AuditLog(self.events, LOG, source=source, clock=lambda: self.now)
        kernel: Any = Kernel()
        self.audit = KernelAudit(kernel, self.log)

    def submit(self, msg_id: Any, code: Any = "1", user: str | None = "ada", **content: Any) -> None:
        header, body = {"msg_id": msg_id, "msg_type": "execute_request"}, {"code": code, **content}
        parts = [json.dumps(part).encode() for part in (header, {}, {}, body)]
        self.audit.submit(parts, user=user, session="page", via="websocket")

    def publish(self, *messages: tuple[str, Any, dict[str, Any]], parent_type: str = "execute_request") -> None:
        """Messages of type, parent's ``msg_id`` and content, as one batch."""
        lines = []
        for msg_type, msg_id, content in messages:
            parent = {"msg_id": msg_id, "msg_type": parent_type, "session": "claims"}
            parts = [json.dumps(part).encode() for part in ({"msg_type": msg_type}, parent, {}, content)]
            lines.append([DELIMITER, b"", *parts])
        batch = _core.Receiver(b"", "hmac-sha256").split("iopub", lines)
        assert not batch.malformed
        self.audit.take(batch, batch.activity())

    def runs(self, msg_id: str, code: str = "1") -> None:
        self.publish(BUSY(msg_id), ("execute_input", msg_id, {"code": code}), IDLE(msg_id))

    def seen(self, *names: str) -> list[Any]:
        """These members of each event."""
        found = [tuple(event[name] for name in names) for event in self.kept.events]
        return [each[0] for each in found] if len(names) == 1 else found


def BUSY(msg_id: Any) -> tuple[str, Any, dict[str, Any]]:  # noqa: N802 - stands for a message
    return "status", msg_id, {"execution_state": "busy"}


def IDLE(msg_id: Any) -> tuple[str, Any, dict[str, Any]]:  # noqa: N802 - the same
    return "status", msg_id, {"execution_state": "idle"}


def digest(code: str) -> str:
    return hashlib.sha256(code.encode()).hexdigest()


def test_a_thousand_executions_have_a_thousand_events() -> None:
    auditor = Auditor()
    ids = [f"{n:04}" for n in range(1000)]
    for msg_id in ids:
        auditor.submit(msg_id)
    for msg_id in ids:
        auditor.runs(msg_id)
    assert auditor.seen("execution_id") == ids
    assert not auditor.audit._open


def test_another_clients_request_is_known_by_what_the_kernel_shows() -> None:
    auditor = Auditor()
    auditor.runs("x", "their code")
    auditor.publish(BUSY("silent"), IDLE("silent"))
    auditor.publish(IDLE("began before this server listened"))
    auditor.publish(BUSY("info"), IDLE("info"), parent_type="kernel_info_request")
    assert auditor.seen("execution_id", "user", "via", "session", "submitted", "status", "source_sha256") == [
        ("x", None, "other", "claims", None, "ok", digest("their code")),
        ("silent", None, "other", "claims", None, None, None),
    ]


def test_the_digest_is_the_journals() -> None:
    """A lone surrogate counts as U+FFFD, as in a browser's ``TextEncoder``."""
    auditor = Auditor()
    for code in ("caf\xe9", "\ud800", "\U0001f600"):
        auditor.submit(code.encode("utf-8", "replace").decode(), code)
    auditor.audit.gone()
    assert auditor.seen("source_sha256") == [digest("caf\xe9"), digest("\ufffd"), digest("\U0001f600")]


def test_the_source_is_there_only_if_the_trait_says_so() -> None:
    for source in (False, True):
        auditor = Auditor(source=source)
        auditor.submit("a", "secret")
        auditor.runs("a", "secret")
        auditor.runs("foreign", "secret")
        assert [event.get("source") for event in auditor.kept.events] == ["secret" if source else None] * 2
        assert ("secret" in str(auditor.kept.events)) == source


def test_an_id_that_is_used_again_hides_nothing() -> None:
    auditor = Auditor()
    for code in ("1", "2", "3"):
        auditor.submit("same", code)
    for code in ("1", "2", "3"):
        auditor.runs("same", code)
    assert auditor.seen("source_sha256", "state") == [(digest(code), "done") for code in ("1", "2", "3")]


@pytest.mark.parametrize("msg_id", [None, 7, "", "x" * 5000, ["a"]])
def test_a_request_with_an_odd_id_is_recorded_too(msg_id: Any) -> None:
    auditor = Auditor()
    auditor.submit(msg_id, "odd")
    auditor.publish(BUSY(msg_id), ("execute_input", msg_id, {"code": "odd"}), IDLE(msg_id))
    assert auditor.seen("source_sha256", "state", "user") == [(digest("odd"), "done", "ada")]


@pytest.mark.parametrize("content", [{}, {"code": 7}, {"code": None}])
def test_a_request_without_a_source_has_no_digest(content: dict[str, Any]) -> None:
    auditor = Auditor(source=True)
    auditor.submit("a", **({"code": None} | content))
    auditor.audit.gone()
    assert auditor.seen("source_sha256", "state") == [(None, "lost")]
    assert "source" not in auditor.kept.events[0]


def test_the_end_of_the_process_ends_all() -> None:
    for end in (lambda audit: audit.died(None, []), KernelAudit.replaced, KernelAudit.gone):
        auditor = Auditor()
        auditor.submit("runs")
        auditor.submit("waits")
        auditor.publish(BUSY("runs"))
        end(auditor.audit)
        auditor.runs("waits")
        states = auditor.seen("execution_id", "state", "status")
        assert states[:2] == [("runs", "lost", None), ("waits", "lost", None)]
        assert not auditor.audit._open


def test_over_the_limit_the_oldest_is_recorded_at_once_and_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auditing, "MOST_OPEN", 3)
    monkeypatch.setattr(auditing, "MOST_EARLY", 2)
    auditor = Auditor()
    ids = [f"{n}" for n in range(5)]
    auditor.submit("0")
    auditor.publish(BUSY("0"))
    for msg_id in ids[1:]:
        auditor.submit(msg_id)
    assert auditor.seen("execution_id", "state") == [("0", "running"), ("1", "queued")]
    for msg_id in ids:
        auditor.runs(msg_id)
    assert auditor.seen("execution_id") == ids
    assert not auditor.audit._early


def test_sources_of_open_requests_have_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auditing, "MOST_BYTES", 100)
    auditor = Auditor(source=True)
    for msg_id in ("a", "b", "c"):
        auditor.submit(msg_id, msg_id * 60)
    assert auditor.seen("execution_id") == ["a", "b"]
    auditor.runs("c", "c" * 60)
    assert auditor.audit._bytes == 0
    assert auditor.seen("source")[-1] == "c" * 60


def test_a_handler_that_fails_is_logged_once_a_minute_without_contents(caplog: pytest.LogCaptureFixture) -> None:
    auditor, before = Auditor(source=True), TOTALS.audit_failures
    auditor.kept.fault = ValueError("the secret source")
    for now in (0.0, 1.0, PERIOD - 1, PERIOD, PERIOD + 1):
        auditor.now = now
        auditor.submit("a", "the secret source")
        auditor.runs("a")
    told = [record.message for record in caplog.records]
    assert told == ["an audit event was not recorded: a handler of events failed (ValueError)"] * 2
    assert TOTALS.audit_failures == before + 5
    auditor.kept.fault = None
    auditor.runs("b")
    assert auditor.seen("execution_id") == ["b"]


def test_only_the_server_emits_these_events() -> None:
    auditor = Auditor()
    auditor.runs("a")
    (event,) = auditor.kept.events
    forged = {name: value for name, value in event.items() if not name.startswith("__")}
    with pytest.raises(PermissionError, match="emitted by the server only"):
        auditor.events.emit(schema_id=SCHEMA, data=forged)
    assert auditor.kept.events == [event]


def test_a_server_without_handlers_is_told_at_the_start(caplog: pytest.LogCaptureFixture) -> None:
    AuditLog(EventLogger(), LOG, source=False)
    assert "nothing is recorded" in caplog.text


def test_without_an_audit_a_kernel_has_none() -> None:
    kernel: Any = Kernel()
    assert audit_of(object(), kernel) is None
    assert audit_of(None, kernel) is None
