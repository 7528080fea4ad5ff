"""The mailbox of a session while clients come and go: what waits, what is asked again, and what is freed.

The order and the bounds of the outbox itself are test_outbox.py. Clients are stand-ins that take what they are given.
"""

import logging
from types import SimpleNamespace
from typing import Any

import pytest

from kernelws import _core
from kernelws.session.facts import Identity
from kernelws.session.session import ClientSession
from kernelws.sockets.channel import Channel
from tests.parity.messages import DELIMITER
from tests.parity.upstream import session_for

MANAGER = SimpleNamespace(allow_tracebacks=True, _kernel_buffers={})


class Client:
    """Takes what a mailbox has and acknowledges it if it is told to."""

    def __init__(self, mailbox: ClientSession, protocol: Any = "v1") -> None:
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


async def a_mailbox() -> ClientSession:
    identity = Identity("kernel:session", "kernel", named=True)
    return ClientSession(identity, session_for(b""), MANAGER, "v1", logging.getLogger("mailbox"))


def batch(channel: str, msg_type: str, number: int = 0, session: str = "kernel") -> _core.Batch:
    header = f'{{"msg_type":"{msg_type}","msg_id":"id-{number}","session":"{session}"}}'.encode()
    return _core.Receiver(b"", "hmac-sha256").split(channel, [[DELIMITER, b"", header, b"{}", b"{}", b"{}"]])


async def test_what_comes_while_nobody_is_there_waits_for_the_client() -> None:
    mailbox = await a_mailbox()
    mailbox.take_in(batch("iopub", "display_data", 1))
    client = Client(mailbox)
    assert "id-1" in client.take()
    assert mailbox.stats.kernel_session == "kernel"
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
    assert mailbox.stats.resumes == 1
    mailbox.close()


async def test_a_prompt_that_has_arrived_is_not_shown_again() -> None:
    """Only the same page can resume a session, and it shows its box still."""
    mailbox = await a_mailbox()
    first = Client(mailbox)
    mailbox.receive(batch("stdin", "input_request", 7))
    assert "id-7" in first.take()
    first.acknowledge()
    mailbox.detach()
    assert "id-7" not in Client(mailbox).take()
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
    monkeypatch.setattr(mailbox.spill, "enforce_limit", lambda _: relieved)
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


class Feed:
    """Keeps who holds it."""

    losses = None

    def __init__(self) -> None:
        self.holders: set[int] = set()

    def hold(self, holder: int, hold: bool) -> None:
        (self.holders.add if hold else self.holders.discard)(holder)


async def test_a_feed_is_held_while_the_disk_is_behind_and_released_then(monkeypatch: pytest.MonkeyPatch) -> None:
    mailbox, feed = await a_mailbox(), Feed()
    mailbox.channels = {"iopub": SimpleNamespace(feed=feed, closed=lambda: True)}
    monkeypatch.setattr(type(mailbox.spill), "behind", True)
    mailbox.take_in(batch("iopub", "display_data", 1))
    assert len(feed.holders) == 1
    mailbox._restored()
    assert len(feed.holders) == 1
    monkeypatch.setattr(type(mailbox.spill), "behind", False)
    mailbox._restored()
    assert not feed.holders
    monkeypatch.setattr(type(mailbox.spill), "behind", True)
    mailbox.take_in(batch("iopub", "display_data", 2))
    mailbox.close()
    assert not feed.holders, "a session that ends holds nobody"


# what becomes of the kernel's process


async def test_a_restart_is_told_once_however_often_the_client_comes_back() -> None:
    """JupyterLab closes its WebSocket and reconnects at once, before its pong can be read."""
    mailbox = await a_mailbox()
    client = Client(mailbox)
    mailbox.announce("restarting")
    assert "restarting" in client.take()
    mailbox.detach(heard=True)
    assert "restarting" not in Client(mailbox).take()
    mailbox.close()


async def test_that_a_process_dies_which_nobody_has_heard_is_no_news() -> None:
    """A kernel that cannot start dies several times; a page that reconnects would open a dialog for each."""
    mailbox = await a_mailbox()
    feed: Any = SimpleNamespace(kernel_session="one", losses=None, hold=lambda *_: None)
    mailbox.channels = {"iopub": SimpleNamespace(feed=feed, closed=lambda: True)}
    client = Client(mailbox)
    told = []
    for heard in ("one", "one", "two", "two"):
        feed.kernel_session = heard
        mailbox.announce("restarting")
        told.append("restarting" in client.take())
    mailbox.requested()
    mailbox.announce("restarting")
    told.append("restarting" in client.take())
    mailbox.announce("restarting", "one")
    told.append("restarting" in client.take())
    feed.kernel_session = "three"
    mailbox.announce("restarting", "two")
    mailbox.announce("restarting")
    told.append(client.take().count("restarting") == 2)
    mailbox.announce("dead")
    told.append("dead" in client.take())
    assert told == [True, False, True, False, True, True, True, True]
    mailbox.close()


async def test_a_restart_that_a_cut_swallowed_is_told_again_unless_the_client_has_asked_for_work_since() -> None:
    mailbox = await a_mailbox()
    client = Client(mailbox)
    mailbox.announce("restarting")
    client.take()
    mailbox.detach()
    second = Client(mailbox)
    assert "restarting" in second.take()
    mailbox.requested()
    mailbox.detach()
    assert "restarting" not in Client(mailbox).take()
    mailbox.close()


@pytest.mark.parametrize("drops", [True, False])
async def test_the_first_message_of_another_process_ends_the_one_that_was_restarted(drops: bool) -> None:
    mailbox = await a_mailbox()
    mailbox.drops_output_on_restart = drops
    mailbox.take_in(batch("iopub", "display_data", 1))
    mailbox.expect_replacement("kernel")
    mailbox.take_in(batch("iopub", "display_data", 2))
    mailbox.take_in(batch("iopub", "display_data", 3, session="next"))
    assert gap_of(mailbox) == (2 if drops else 0)
    text = Client(mailbox).take()
    assert ("id-1" in text, "id-2" in text, "id-3" in text) == (not drops, not drops, True)
    mailbox.close()


async def test_a_restart_that_is_done_ends_the_process_before_and_one_that_failed_does_not() -> None:
    for done in (True, False):
        mailbox = await a_mailbox()
        mailbox.drops_output_on_restart = True
        mailbox.take_in(batch("iopub", "display_data", 1))
        mailbox.expect_replacement("kernel")
        if not done:
            mailbox.expect_replacement(None)
        mailbox.restarted()
        mailbox.take_in(batch("iopub", "display_data", 2, session="next"))
        assert gap_of(mailbox) == (1 if done else 0)
        mailbox.close()


def gap_of(mailbox: ClientSession) -> int:
    """How many messages the notice tells of that is next; it is filled."""
    mailbox.outbox.attach("v1")
    taken = mailbox.outbox.take(0.0, 1 << 20)
    if not isinstance(taken, _core.Gap):
        mailbox.outbox.detach()
        return 0
    assert taken.reason == "restarted"
    assert mailbox.outbox.fill_gap(taken.id, mailbox.server_messages.gap(taken, True))
    return taken.messages


@pytest.mark.parametrize(("there", "memory", "reads"), [(True, 1, True), (True, 10, False), (False, 1, False)])
async def test_a_client_reads_that_is_there_and_takes_what_comes(
    there: bool, memory: int, reads: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For it another session's hold ends after a moment."""
    reader, slow = await a_mailbox(), await a_mailbox()
    if there:
        Client(reader)
    reader.overflow.memory_limit = 5
    monkeypatch.setattr(reader.overflow, "memory_bytes", lambda: memory)
    slow._peers = lambda: [reader, slow]
    assert slow._others_read() is reads
    reader.close()
    slow.close()


async def test_another_process_has_to_greet_stdin_again() -> None:
    """Also at the same address, where no socket changes: a prompt to a stdin that it does not know would be lost."""
    mailbox = await a_mailbox()
    stdin = Channel("stdin", lambda: None, lambda: _core.Receiver(b"", "hmac-sha256"), logging.getLogger("stdin"))
    mailbox.channels = {"stdin": stdin}
    greeted = []
    for process in ("one", "one", "two", "two", None, "two"):
        stdin.greeted = True
        mailbox.greet_again(process)
        greeted.append(stdin.greeted)
    assert greeted == [False, True, False, True, False, False]
    mailbox.channels = {}
    mailbox.close()


async def test_a_gap_whose_parent_says_nothing_is_told_all_the_same() -> None:
    """``Session.msg`` asks a parent for its msg_id."""
    mailbox = await a_mailbox()
    for parent in (b"{}", b'{"session":"s"}', b"[]", b"null", b'{"msg_id":7}'):
        gap: Any = SimpleNamespace(reason="detached", messages=1, bytes=2, parent_header=parent)
        assert b"1 messages with 2 bytes" in bytes(mailbox.server_messages.gap(gap, 3))  # type: ignore[arg-type] # v1 is bytes
    mailbox.close()
