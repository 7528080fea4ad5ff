"""A request for a kernel that does not exist writes the token of its query into the log."""

import contextlib

from stock import TOKEN, report, running
from tornado.httpclient import HTTPClientError


async def check() -> str:
    async with running() as stock:
        with contextlib.suppress(HTTPClientError):
            await stock.connect("00000000-0000-0000-0000-000000000000")
        told = [line for line in stock.log.lines if TOKEN in line]
    return f"the token is in the log: {told[0].splitlines()[0]}" if told else ""


report(check())
