"""What the kernel manager's mixin does around upstream's methods. tests/contract/test_activity.py has a server."""

import asyncio
from typing import Any

import pytest

from kernelws import manager
from kernelws.kernel.kernel import Kernel, kernel_of
from tests.support.session import KernelManager
from tests.support.wait import eventually


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

        self.kernels = {"k": KernelManager("k")}
        self.kernel = kernel_of(self.kernels["k"])
        self.kernel.proof.hear("before", answered=False)

    def _kernel_of_id(self, kernel_id: str) -> Kernel:
        return kernel_of(self.kernels[kernel_id])


class Listener:
    """A session of the kernel, and what it is told, in order."""

    reads = True

    def __init__(self, kernel: Kernel) -> None:
        self.told: list[str] = []
        self.processes = self
        kernel.attach(self)

    def replacing(self, kernel_session: str | None) -> None:
        self.told.append(f"replacing {kernel_session}")

    def replaced(self) -> None:
        self.told.append("replaced")

    def up_again(self, began: float, gone: str | None) -> None:
        assert began <= asyncio.get_running_loop().time()
        self.told.append(f"{gone} is gone, another one is up")

    def interrupted(self) -> None:
        self.told.append("interrupted")

    def died(self, text: str | None, parents: list[dict[str, Any]]) -> None:
        self.told.append("died")

    def moved(self, kernel_manager: Any) -> None:
        self.told.append("moved")

    def gone(self) -> None:
        self.told.append("gone")


async def test_a_restart_ends_the_process_that_was_heard_before_it() -> None:
    restarting = Manager()
    kernel, listener = restarting.kernel, Listener(restarting.kernel)
    up = await restarting.restart_kernel("k")
    assert await up == "k"
    await eventually(lambda: len(listener.told) == 3, "the sessions to hear of it")
    assert listener.told == ["replacing before", "replaced", "before is gone, another one is up"]
    assert kernel.replaced_session == "before"
    assert kernel.restarted


async def test_a_restart_that_failed_ends_nothing() -> None:
    failing = Manager()
    listener = Listener(failing.kernel)
    failing.error = RuntimeError("no more room")
    with pytest.raises(RuntimeError, match="no more room"):
        await failing.restart_kernel("k")
    assert listener.told == ["replacing before", "replacing None"]
    assert failing.kernel.replaced_session is None
