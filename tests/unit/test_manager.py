"""What the kernel manager's mixin does around upstream's methods; with a server it is tests/contract/test_activity.py."""

import asyncio
from typing import Any

import pytest

from kernelws import manager
from kernelws.kernel import restarts

FEED: Any = type("Feed", (), {"kernel_session": "before", "new_incarnation": lambda self: None})()


class Upstream:
    """A kernel manager that restarts a kernel, or fails to."""

    error: Exception | None = None

    async def restart_kernel(self, kernel_id: str) -> "asyncio.Future[str]":
        if self.error is not None:
            raise self.error
        up: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        up.set_result(kernel_id)
        return up


class Manager(manager.FeedKernelManagerMixin, Upstream):
    def __init__(self) -> None:
        """Without upstream's traits."""

    def _feed_of_id(self, _kernel_id: str) -> Any:
        return FEED


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the sessions of the kernel are told, in order."""
    found: list[str] = []
    monkeypatch.setattr(restarts, "replacing", lambda _: found.append("replacing"))
    monkeypatch.setattr(restarts, "not_replaced", lambda _: found.append("not replaced"))
    monkeypatch.setattr(restarts, "replaced", lambda _, session: found.append(f"replaced {session}"))
    monkeypatch.setattr(restarts, "announce_later", lambda kernel_id, *_: found.append(f"announce {kernel_id}"))
    return found


async def test_a_restart_ends_the_process_that_was_heard_before_it(told: list[str]) -> None:
    up = await Manager().restart_kernel("k")
    assert await up == "k"
    assert told == ["replacing", "replaced before", "announce k"]


async def test_a_restart_that_failed_ends_nothing(told: list[str]) -> None:
    failing = Manager()
    failing.error = RuntimeError("no more room")
    with pytest.raises(RuntimeError, match="no more room"):
        await failing.restart_kernel("k")
    assert told == ["replacing", "not replaced"]
