"""With ``MappingKernelManager.allow_tracebacks = False`` every error raises AttributeError in the server, and output ends.

If the idle status arrives a moment after the error, output goes on with it, and only the error is missing.
"""

import asyncio

from stock import Stock, report, running


async def check() -> str:
    async with running(allow_tracebacks=False) as stock:
        try:
            async with asyncio.timeout(5):
                answers = await stock.execute("1 / 0")
        except TimeoutError:
            return f"the cell never ends for the client; the server's log: {raised(stock)}"
        names = [content["ename"] for kind, content in answers if kind == "error"]
        if not names:
            return f"the error never arrives; the server's log: {raised(stock)}"
    return "" if names == ["ExecutionError"] else f"the traceback was shown: {names}"


def raised(stock: Stock) -> str:
    """The AttributeError in the server's log."""
    found = [line for line in stock.log.lines if "AttributeError" in line]
    return found[0].splitlines()[-1] if found else "nothing"


report(check())
