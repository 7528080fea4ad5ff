"""One message that cannot be read ends the server's record of a kernel's activity: the REST API shows it as busy for ever."""

import asyncio

from stock import FORGE, SECONDS, report, running


async def check() -> str:
    async with running() as stock:
        await stock.execute(FORGE)
        await stock.execute("1")
        kernel = stock.app.kernel_manager.get_kernel(stock.kernel_id)
        waited = 0.0
        while kernel.execution_state != "idle" and waited < SECONDS / 4:
            await asyncio.sleep(0.05)
            waited += 0.05
        state = kernel.execution_state
    return "" if state == "idle" else f"the kernel is idle, and the REST API says {state}: it is never culled"


report(check())
