"""The mailbox of a session while clients come and go: what waits, what is asked again, and what is freed.

The order and the bounds of the outbox itself are test_outbox.py. Clients are stand-ins that take what they are given.
"""

import logging
from types import SimpleNamespace
from typing import Any

import pytest

from kernelws import _core
from kernelws.kernel_to_client.mailbox import Identity, Mailbox
from tests.parity.messages import DELIMITER
from tests.parity.upstream import session_for

MANAGER = SimpleNamespace(allow_tracebacks=True, _kernel_buffers={})


class Client:
    """Takes what a mailbox has and acknowledges it if it is told to."""

    def __init__(self, mailbox: Mailbox, protocol: Any = "v1") -> None:
        self.mailbox = mailbox
        mailbox.attach(self, protocol)  # type: ignore[arg-type]

    def accept(self, batch: _core.Batch) -> None:
        self.mailbox.append(batch, 0, len(batch))

    def pump(self) -> None:
        """What waits stays until the test takes it."""

    def take(self) -> str:
        """All that may leave now, as one text to look into."""
        taken = self.mailbox.outbox.take_messages(self.mailbox._loop.time() + 1.0, 1 << 20)
        assert taken is None or isinstance(taken, list)
        return "".join(text if isinstance(text, str) else text.decode("latin-1") for text in taken or [])

    def acknowledge(self) -> None:
        self.mailbox.outbox.acknowledge_all()


async def a_mailbox() -> Mailbox:
    identity = Identity("kernel:session", "kernel", named=True)
    return Mailbox(identity, session_for(b""), MANAGER, "v1", logging.getLogger("mailbox"))


def batch(channel: str, msg_type: str, number: int = 0) -> _core.Batch:
    header = f'{{"msg_type":"{msg_type}","msg_id":"id-{number}","session":"kernel"}}'.encode()
    return _core.Receiver(b"", "hmac-sha256").split(channel, [[DELIMITER, b"", header, b"{}", b"{}", b"{}"]])


async def test_what_comes_while_nobody_is_there_waits_for_the_client() -> None:
    mailbox = await a_mailbox()
    mailbox.take_in(batch("iopub", "display_data", 1))
    client = Client(mailbox)
    assert "id-1" in client.take()
    assert mailbox.tally.kernel_session == "kernel"
    mailbox.close()


async def test_what_was_not_acknowledged_comes_again() -> None:
    mailbox = await a_mailbox()
    first = Client(mailbox)
    mailbox.take_in(batch("iopub", "display_data", 1))
    assert "id-1" in first.take()
    first.acknowledge()
    mailbox.take_in(batch("iopub", "display_data", 2))
    assert "id-2" in first.take()
    mailbox.detach()
    again = Client(mailbox).take()
    assert "id-2" in again
    assert "id-1" not in again
    assert mailbox.tally.resumes == 1
    mailbox.close()


@pytest.mark.parametrize("end", ["answered", "replied", "open"])
async def test_a_prompt_that_nobody_answered_is_shown_again(end: str) -> None:
    """It had arrived, so that the replay does not bring it; the kernel still waits at it."""
    mailbox = await a_mailbox()
    first = Client(mailbox)
    mailbox.receive(batch("stdin", "input_request", 7))
    assert "id-7" in first.take()
    first.acknowledge()
    if end == "answered":
        mailbox.answered()
    if end == "replied":
        mailbox.receive(batch("shell", "execute_reply", 8))
        first.take()
        first.acknowledge()
    mailbox.detach()
    assert ("id-7" in Client(mailbox).take()) == (end == "open")
    mailbox.close()


async def test_a_prompt_that_has_not_arrived_comes_once() -> None:
    mailbox = await a_mailbox()
    Client(mailbox)
    mailbox.receive(batch("stdin", "input_request", 7))
    mailbox.detach()
    assert Client(mailbox).take().count("id-7") == 1
    mailbox.close()


@pytest.mark.parametrize("relieved", [True, False])
async def test_a_full_outbox_is_told(relieved: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    mailbox = await a_mailbox()
    called: list[str] = []
    mailbox.too_full = lambda: called.append("too full")
    monkeypatch.setattr(mailbox.overflow, "relieve", lambda: relieved)
    mailbox.take_in(batch("iopub", "display_data"))
    assert called == ([] if relieved else ["too full"])
    mailbox.close()


async def test_a_closed_mailbox_has_freed_everything_and_takes_nothing_more() -> None:
    mailbox = await a_mailbox()
    closed: list[str] = []
    channel = SimpleNamespace(closed=lambda: bool(closed), close=lambda: closed.append("closed"))
    mailbox.channels = {"shell": channel}
    mailbox.take_in(batch("iopub", "display_data"))
    mailbox.close()
    mailbox.close()
    mailbox.take_in(batch("iopub", "display_data"))
    assert closed == ["closed"]
    assert mailbox.outbox.memory() == 0
