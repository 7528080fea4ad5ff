"""Who waits for news of an execution gets each one, also if it comes before a task has begun to wait; nobody stays registered."""

import asyncio
import gc
import logging
import weakref
from typing import Any, cast

import pytest
from jupyter_client.session import Session

from kernelws import _core
from kernelws.executions.service import Executions
from kernelws.kernel.journal import JournalLimits, KernelJournal
from kernelws.kernel.journals import Journals

LIMITS = JournalLimits(
    kept=10, memory=1 << 20, server_memory=4 << 20, text=1 << 20, age=3600.0, widgets=10, widget_memory=1 << 16
)


class Attachable:
    """What a journal needs of a kernel."""

    def __init__(self) -> None:
        self.journal: KernelJournal | None = None
        self.session = Session()
        self.log = logging.getLogger(__name__)

    def attach(self, listener: object) -> None:
        pass

    leave = attach


@pytest.fixture
def journal() -> KernelJournal:
    kernel: Any = Attachable()
    return KernelJournal(kernel, LIMITS)


async def test_a_change_before_the_first_turn_of_the_waiting_task_is_not_missed(journal: KernelJournal) -> None:
    """Otherwise a client that waits for output would wait until its time is over."""
    waiting = asyncio.ensure_future(journal.news(1, 60))
    journal.tell([1])
    assert await waiting is True
    assert not journal.waits


async def test_without_news_the_wait_ends_and_nothing_is_left(journal: KernelJournal) -> None:
    journal.tell([2])
    assert await journal.news(1, 0) is False
    await asyncio.wait([journal.news(1, 0.001), journal.news(1, 0.001)])
    assert not journal.waits


async def test_one_who_leaves_ends_nobody_elses_wait(journal: KernelJournal) -> None:
    left, stays = journal.news(1, 60), journal.news(1, 60)
    left.cancel()
    await asyncio.wait([left])
    assert journal.waits == {1: {stays}}
    journal.tell([1])
    assert await stays is True


@pytest.mark.parametrize("end", [KernelJournal.end, KernelJournal.empty, KernelJournal.gone])
async def test_the_end_is_news_for_all(journal: KernelJournal, end: Any) -> None:
    waiting = journal.news(1, 60), journal.news(2, 60)
    end(journal)
    assert all(await asyncio.gather(*waiting))
    assert await journal.news(1, 60) is True
    assert not journal.waits


def test_a_hidden_journal_holds_nothing() -> None:
    """Also for a request that already has it and waits."""
    journals, kernel = Journals(LIMITS), cast("Any", Attachable())
    journal = journals.open(kernel)
    assert journal is not None
    parts = [b'{"msg_id": "a", "msg_type": "execute_request"}', b"{}", b"{}", b'{"code": "1"}']
    assert journal.submit(_core.decode_v1(_core.encode_v1("shell", parts)), None, "of a page") is not None
    content = b'{"comm_id": "c", "target_name": "jupyter.widget", "data": {"state": {}}}'
    widget = [b'{"msg_id": "b", "msg_type": "comm_open"}', b"{}", b"{}", content]
    journal.core.take_comm(_core.decode_v1(_core.encode_v1("shell", widget)), owner=None, session="of a page")
    assert journal.core.memory() > 0
    journals.hide(kernel)
    assert kernel.journal is None
    assert journal.core.all() == []
    assert journal.core.memory() == 0
    assert journal.ended
    assert journals.open(kernel) is None


def test_the_servers_journals_keep_no_kernel_alive() -> None:
    journals, kernel = Journals(LIMITS), cast("Any", Attachable())
    assert journals.open(kernel) is journals.open(kernel)
    executions = Executions(None, journals, lambda: None)
    steps = executions.steps(kernel.journal)
    assert executions.steps(kernel.journal) is steps
    alive = weakref.ref(kernel)
    del kernel, steps
    gc.collect()
    assert alive() is None


def test_kernels_share_what_the_server_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Equally, whenever a kernel gets its journal; kernels that have ended count no more."""
    given: dict[KernelJournal, int] = {}

    def note(journal: KernelJournal, memory: int) -> None:
        given[journal] = memory

    monkeypatch.setattr(KernelJournal, "configure", note)
    journals, kernels = Journals(LIMITS), [cast("Any", Attachable()) for _ in range(9)]
    opened = [journals.open(kernel) for kernel in kernels[:4]]
    assert set(given.values()) == {1 << 20}, "four have room"
    opened += [journals.open(kernel) for kernel in kernels[4:8]]
    assert [given[cast("KernelJournal", one)] for one in opened] == [512 << 10] * 8
    for journal in opened[:6]:
        cast("KernelJournal", journal).end()
    last = journals.open(kernels[8])
    assert [given[cast("KernelJournal", one)] for one in (*opened[6:], last)] == [1 << 20] * 3
