"""One real ipykernel per module, on the module's server. Cost: a second or two per module."""

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.support.server import Server


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def kernel_id(module_server: Server) -> AsyncIterator[str]:
    """The module's kernel; tests leave it running and idle."""
    kernel_id = await module_server.start_kernel()
    yield kernel_id
    await module_server.close_clients()
    if kernel_id in module_server.kernels:
        await module_server.kernels.shutdown_kernel(kernel_id, now=True)
