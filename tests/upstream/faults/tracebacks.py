"""With ``MappingKernelManager.allow_tracebacks = False`` every error raises AttributeError in the server, and output ends."""

import asyncio

from stock import report, running


async def check() -> str:
    async with running(allow_tracebacks=False) as stock:
        try:
            async with asyncio.timeout(5):
                answers = await stock.execute("1 / 0")
        except TimeoutError:
            raised = [line for line in stock.log.lines if "AttributeError" in line]
            return f"the cell never ends for the client; the server's log: {(raised or ['nothing'])[0].splitlines()[-1]}"
    (error,) = [content for kind, content in answers if kind == "error"]
    return "" if error["ename"] == "ExecutionError" else f"the traceback was shown: {error['ename']}"


report(check())
