"""Kernels that had clients and were shut down leave nothing behind: managers, feeds, sessions and connections are collected.

A handler of jupyter_server may live on for a while, in the context of a cancelled asyncio timer, but it refers to none of these.
Cost: five seconds, until the status page's samples no longer refer to the kernels.
"""

import gc
import weakref
from typing import Any

import pytest

from kernelws.kernel.kernel import known_kernel
from tests.support.outbox import sessions_of
from tests.support.provisioner import FakeProvisioner
from tests.support.server import Server
from tests.support.wait import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

KERNELS = 50


async def one_kernel(server: Server, protocol: str) -> list["weakref.ref[Any]"]:
    """A kernel with two clients, one of which has left, shut down; what there was of it."""
    kernel_id, _ = await server.start_fake()
    gone = await server.live(kernel_id, protocol)
    stays = await server.live(kernel_id, protocol)
    manager = server.kernels.get_kernel(kernel_id)
    connections = [server.connection(kernel_id, client) for client in (gone, stays)]
    found = [manager, known_kernel(manager), *connections, *sessions_of(kernel_id)]
    await gone.close()
    await server.kernels.shutdown_kernel(kernel_id, now=True)
    await stays.close()
    del FakeProvisioner.started[kernel_id]
    return [weakref.ref(one) for one in found]


async def test_kernels_with_clients_that_were_shut_down_are_freed(server: Server, protocol: str) -> None:
    held = [reference for _ in range(KERNELS // 2) for reference in await one_kernel(server, protocol)]
    assert len(held) == 6 * (KERNELS // 2)
    server.log.records.clear()

    def nothing_is_left() -> bool:
        gc.collect()
        return not any(one() is not None for one in held)

    # the status page's samples, which are taken every five seconds, forget them too
    await eventually(nothing_is_left, "the end of all of them")
