"""What a client does with a kernel on the other host of a ``Link``, however that kernel was started there.

Must not know who started it. Cost: a dozen round trips.
"""

from tests.support.cells import WAIT
from tests.support.client import Client, results
from tests.support.process_server import ProcessServer
from tests.support.server import Server

FAR = 60.0
"""Seconds after which something has failed: every round trip is 80 ms, and a lost packet costs more."""


async def interrupt_and_restart(server: Server | ProcessServer, client: Client, kernel_id: str) -> None:
    """Both by REST, on one connection; nothing of before is left after the restart."""
    request = await client.execute(WAIT)
    await client.until(lambda m: m.msg_type == "stream" and m.parent_id == request["header"]["msg_id"], FAR)
    await server.rest(f"kernels/{kernel_id}/interrupt", "POST")
    messages = await client.idle(request, FAR)
    assert [m.content["ename"] for m in messages if m.msg_type == "error"] == ["KeyboardInterrupt"]
    await client.idle(await client.execute("before = 1"), FAR)
    await server.rest(f"kernels/{kernel_id}/restart", "POST")
    messages = await client.idle(await client.execute("'before' in globals()"), FAR)
    assert results(messages) == ["False"]
