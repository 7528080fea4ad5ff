"""What several files of this folder use: an ipykernel for all tests of a file, and its executions. Cost: a second a file."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.support.executions import Executions
from tests.support.server import Server


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def kernel_id(module_server: Server) -> AsyncIterator[str]:
    """One ipykernel, shut down at once at the end: a test may have left it busy."""
    kernel_id = await module_server.start_kernel()
    yield kernel_id
    await module_server.kernels.shutdown_kernel(kernel_id, now=True)


@pytest.fixture
def api(server: Server, kernel_id: str) -> Executions:
    """The executions of that kernel."""
    return Executions(server, kernel_id)
