"""Suspected losses as a server counts and tells them; what counts as one is tested in Rust."""

import json
import logging
from types import SimpleNamespace

import pytest

from kernelws import _core
from kernelws.record import losses
from kernelws.record.counters import TOTALS
from kernelws.record.faults import FaultLog
from kernelws.record.losses import Losses
from tests.parity.messages import DELIMITER


def batch(*numbers: int, channel: str = "iopub") -> _core.Batch:
    def message(number: int) -> list[bytes]:
        header = {"msg_id": f"k_1_{number}", "msg_type": "stream", "session": "k"}
        return [DELIMITER, b"", json.dumps(header).encode(), b"{}", b"{}", b"{}"]

    return _core.Receiver(b"", "hmac-sha256").split(channel, [message(number) for number in numbers])


def note(kernel: Losses, found: _core.Batch, now: float = 0.0) -> None:
    """As whoever hands on a batch does."""
    if lost := kernel.numbers.note(found, now):
        kernel.tell(lost)


@pytest.mark.parametrize("quiet", [True, False], ids=["nothing more comes", "more comes"])
def test_a_gap_is_counted_logged_and_shown_once(
    quiet: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    now = 1.0
    monkeypatch.setattr(losses, "time", SimpleNamespace(monotonic=lambda: now))
    faults = FaultLog(logging.getLogger("losses"), "kernel k")
    kernel, before = Losses(faults), TOTALS.suspected_losses
    malformed = dict(TOTALS.faults)
    note(kernel, batch(0, 1, 5), now)
    note(kernel, batch(3, channel="shell"), now)
    assert (kernel.total, faults.last_fault.kind) == (0, "")
    now += 60.0
    for _ in range(2):
        if quiet:
            kernel.look()
        else:
            note(kernel, batch(6), now)
    assert (kernel.total, TOTALS.suspected_losses - before) == (2, 2)
    assert faults.last_fault.kind == "suspected_loss"
    assert [record.message for record in caplog.records] == [
        "kernel k, iopub: 2 messages were probably lost before they reached this server: their numbers are missing"
    ]
    assert TOTALS.faults == malformed, "a loss is no malformed message"


def test_another_packer_is_read_once_its_header_was_described() -> None:
    faults = FaultLog(logging.getLogger("losses"), "kernel k")
    kernel = Losses(faults)
    undescribed = _core.Receiver(b"", "hmac-sha256", json=False).split("iopub", [[DELIMITER, b"", b"\x81", b"", b"", b""]])
    note(kernel, undescribed)
    assert kernel.total == 0
