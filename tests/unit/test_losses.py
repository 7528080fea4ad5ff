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


@pytest.mark.parametrize("quiet", [True, False], ids=["nothing more comes", "more comes"])
def test_a_gap_is_counted_logged_and_shown_once(
    quiet: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    now = 1.0
    monkeypatch.setattr(losses, "time", SimpleNamespace(monotonic=lambda: now))
    complaints = FaultLog(logging.getLogger("losses"), "kernel k")
    kernel, before = Losses(complaints), TOTALS.suspected_losses
    faults = dict(TOTALS.faults)
    kernel.note(batch(0, 1, 5))
    kernel.note(batch(3, channel="shell"))
    assert (kernel.total, complaints.last_fault.kind) == (0, "")
    now += 60.0
    for _ in range(2):
        if quiet:
            kernel.look()
        else:
            kernel.note(batch(6))
    assert (kernel.total, TOTALS.suspected_losses - before) == (2, 2)
    assert complaints.last_fault.kind == "suspected_loss"
    assert [record.message for record in caplog.records] == [
        "kernel k, iopub: 2 messages were probably lost before they reached this server: the kernel has numbered them"
    ]
    assert TOTALS.faults == faults, "a loss is no malformed message"


def test_another_packer_is_read_once_its_header_was_described() -> None:
    complaints = FaultLog(logging.getLogger("losses"), "kernel k")
    kernel = Losses(complaints)
    undescribed = _core.Receiver(b"", "hmac-sha256", json=False).split("iopub", [[DELIMITER, b"", b"\x81", b"", b"", b""]])
    kernel.note(undescribed)
    assert kernel.total == 0
