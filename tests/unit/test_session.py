"""A session whose clients connect and disconnect: which messages wait, which are sent again, and what is freed.

test_outbox.py tests the order and the limits of the outbox, test_processes.py restarts. Clients take messages only when a test
says so.
"""

import asyncio
import gc
import threading
import weakref
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kernelws import _core
from kernelws.kernel.feed_channel import FeedChannel
from kernelws.session import spool
from kernelws.session.limiter import DropLimiter
from kernelws.session.registry import registry_of
from tests.parity.messages import DELIMITER
from tests.support.overflow import with_room
from tests.support.session import LOG, TakingClient, a_session, default_limits
from tests.support.wait import TIMEOUT, eventually


class Client(TakingClient):
    """Takes what a session has and acknowledges it if it is told to."""

    def take(self) -> str:
        """All that may leave now, as one text to look into."""
        taken = self.session.outbox.take_messages(self.session._loop.time() + 1.0, 1 << 20)
        assert taken is None or isinstance(taken, list)
        return "".join(text if isinstance(text, str) else text.decode("latin-1") for text in taken or [])

    def acknowledge(self) -> None:
        self.session.outbox.acknowledge_all()


def batch(channel: str, msg_type: str, number: int = 0, session: str = "kernel", size: int = 0) -> _core.Batch:
    header = f'{{"msg_type":"{msg_type}","msg_id":"id-{number}","session":"{session}"}}'.encode()
    content = b'{"data":"%s"}' % (b"x" * size) if size else b"{}"
    return _core.Receiver(b"", "hmac-sha256").split(channel, [[DELIMITER, b"", header, b"{}", b"{}", content]])


async def test_what_comes_while_nobody_is_there_waits_for_the_client() -> None:
    session = a_session()
    session.append_shared(batch("iopub", "display_data", 1))
    client = Client(session)
    assert "id-1" in client.take()
    assert session.stats.kernel_session == "kernel"
    session.close()


async def test_what_was_not_acknowledged_comes_again() -> None:
    session = a_session()
    first = Client(session)
    session.append_shared(batch("iopub", "display_data", 1))
    assert "id-1" in first.take()
    first.acknowledge()
    session.append_shared(batch("iopub", "display_data", 2))
    assert "id-2" in first.take()
    session.detach()
    again = Client(session).take()
    assert "id-2" in again
    assert "id-1" not in again
    assert session.stats.resumes == 1
    session.close()


async def test_a_prompt_that_has_arrived_is_not_shown_again() -> None:
    """Only the page that shows the prompt can resume the session, and it still shows its input box."""
    session = a_session()
    first = Client(session)
    session.append_private(batch("stdin", "input_request", 7))
    assert "id-7" in first.take()
    first.acknowledge()
    session.detach()
    assert "id-7" not in Client(session).take()
    session.close()


async def test_a_prompt_that_has_not_arrived_comes_once() -> None:
    session = a_session()
    Client(session)
    session.append_private(batch("stdin", "input_request", 7))
    session.detach()
    assert Client(session).take().count("id-7") == 1
    session.close()


@pytest.mark.parametrize("relieved", [True, False])
async def test_a_full_outbox_is_told(relieved: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    session = a_session(limits=default_limits(session_memory_limit=1))
    called: list[str] = []
    monkeypatch.setattr(session._keeper, "end_overfull", lambda _: called.append("too full"))
    monkeypatch.setattr(session.spill, "enforce_limit", lambda _: relieved)
    session.append_shared(batch("iopub", "display_data"))
    assert called == ([] if relieved else ["too full"])
    session.close()


async def test_a_session_and_its_registry_count_the_same_memory_of_all_sessions() -> None:
    session = a_session()
    other = a_session("kernel:other", session.manager, kernel=session.kernel)
    for each in (session, other):
        each.append_shared(batch("iopub", "execute_result", size=1000))
    assert session.spill._server_memory() == registry_of(session.manager).memory() > _core.live_bytes()
    session.close()
    other.close()


async def test_a_closed_session_has_freed_everything_and_takes_nothing_more(monkeypatch: pytest.MonkeyPatch) -> None:
    session = a_session()
    channel, closed, close = FeedChannel(session.kernel), list[str](), FeedChannel.close

    def counting(self: FeedChannel) -> None:
        closed.append("closed")
        close(self)

    monkeypatch.setattr(FeedChannel, "close", counting)
    session.channels = {"shell": channel}
    session.append_shared(batch("iopub", "display_data"))
    session.close()
    session.close()
    session.append_shared(batch("iopub", "display_data"))
    assert closed == ["closed"]
    assert session.outbox.memory() == 0


async def test_a_feed_is_held_while_the_disk_is_behind_and_released_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limit, hangs, write_one = 4 << 20, threading.Event(), spool.Spool._write_one

    def hang(*arguments: Any) -> None:
        hangs.wait(TIMEOUT)
        write_one(*arguments)

    monkeypatch.setattr(spool.Spool, "_write_one", hang)
    directory = str(with_room(tmp_path, monkeypatch))
    session = a_session(limits=default_limits(session_memory_limit=limit, spool_dir=directory))
    holders = session.kernel.feed._holders

    def fall_behind() -> None:
        hangs.clear()
        while not session.spill.behind:
            assert not session.closed
            session.append_shared(batch("iopub", "execute_result", 1, size=limit // 8))

    fall_behind()
    assert len(holders) == 1
    session.restored()
    assert len(holders) == 1
    hangs.set()
    await eventually(lambda: not session.spill.behind, "the disk")
    assert not holders
    fall_behind()
    assert len(holders) == 1
    session.close()
    assert not holders, "a session that ends holds nobody"
    hangs.set()
    await asyncio.get_running_loop().run_in_executor(spool._worker, int)  # behind what hung


@pytest.mark.parametrize(("there", "memory", "reads"), [(True, 1, True), (True, 10, False), (False, 1, False)])
async def test_a_client_reads_that_is_there_and_takes_what_comes(there: bool, memory: int, reads: bool) -> None:
    """Such a client ends another session's hold after 50 ms. ``memory``: what waits for it, in tenths of twice the limit."""
    slow = a_session()
    reader = a_session("kernel:reader", slow.manager, kernel=slow.kernel)
    if there:
        Client(reader)
    for _ in range(4):
        reader.append_shared(batch("iopub", "execute_result", size=1 << 14))
    limit = reader.outbox.memory() * 5 // memory
    reader.follow(default_limits(session_memory_limit=limit, session_disk_limit=0), per_message=False)
    assert slow._others_read() is reads
    reader.close()
    slow.close()


async def test_a_gap_whose_parent_says_nothing_is_told_all_the_same() -> None:
    """``Session.msg`` needs a parent's msg_id, which such a parent does not have."""
    session = a_session()
    for parent in (b"{}", b'{"session":"s"}', b"[]", b"null", b'{"msg_id":7}'):
        gap: Any = SimpleNamespace(reason="detached", messages=1, bytes=2, parent_header=parent)
        assert b"1 messages with 2 bytes" in bytes(session.server_messages.gap(gap, 3))  # type: ignore[arg-type] # v1 is bytes
    session.close()


async def test_an_ended_session_listens_to_its_kernel_no_more() -> None:
    session = a_session()
    kernel = session.kernel
    assert session in kernel.listeners
    session.close()
    assert session not in kernel.listeners


async def test_a_detached_session_keeps_nothing_of_its_connection_alive() -> None:
    """A session may be kept for an hour. It must not keep a connection, with its handler and request, in memory."""

    class Connection:
        """Holds all that."""

        def write_stderr(self, text: str, parent: Any) -> None:
            """Shows a notice."""

    session, connection = a_session(), Connection()
    client = TakingClient(session)
    session.attach(client, "v1", DropLimiter(session.session, LOG, connection.write_stderr))
    kept: list[weakref.ref[Any]] = [weakref.ref(client), weakref.ref(connection)]
    session.detach()
    del client, connection
    gc.collect()
    assert [one() for one in kept] == [None, None]
