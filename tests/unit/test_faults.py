"""Log lines about bad messages: each fault is counted, and each kind logged once a period, as lists of faults against a model."""

import logging

import pytest
from hypothesis import strategies as st

from kernelws.record.faults import PERIOD, FaultLog
from tests.parity.registry import fuzzed


class Lines(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


@pytest.fixture
def lines() -> Lines:
    return Lines()


FAULTS = st.lists(
    st.tuples(
        st.sampled_from(["shell", "iopub"]), st.sampled_from(["duplicate", "unsigned"]), st.sampled_from([0, 1, 9, 10, 60])
    ),
    max_size=40,
)


@fuzzed(faults=FAULTS)
def test_each_fault_is_counted_and_each_kind_logged_once_a_period(faults: list[tuple[str, str, float]]) -> None:
    handler, log = Lines(), logging.Logger("complaints")  # noqa: LOG001 - one that nobody else has a handler on
    log.addHandler(handler)
    now = 0.0
    complaints = FaultLog(log, "kernel k", clock=lambda: now)
    counts: dict[tuple[str, str], int] = {}
    logged: dict[tuple[str, str], tuple[float, int]] = {}
    for channel, kind, after in faults:
        now += after
        handler.lines.clear()
        complaints.add(channel, kind, f"the sentence of {kind}")
        key = (channel, kind)
        counts[key] = counts.get(key, 0) + 1
        at, told = logged.get(key, (-PERIOD, 0))
        if now - at < PERIOD:
            assert handler.lines == []
            continue
        withheld = counts[key] - told - 1
        more = f" (and {withheld} more like it before)" if withheld else ""
        assert handler.lines == [f"kernel k, {channel}: ignored a message: the sentence of {kind}{more}"]
        logged[key] = (now, counts[key])
    assert complaints.counts == counts


def test_the_faults_of_a_batch_are_added_one_by_one(lines: Lines) -> None:
    log = logging.Logger("complaints")  # noqa: LOG001 - one that nobody else has a handler on
    log.addHandler(lines)
    complaints = FaultLog(log, "client of kernel k", clock=lambda: 0.0)
    complaints.add_all("stdin", [("a", "first"), ("b", "second"), ("a", "third")])
    assert complaints.counts == {("stdin", "a"): 2, ("stdin", "b"): 1}
    assert lines.lines == [f"client of kernel k, stdin: ignored a message: {text}" for text in ("first", "second")]
