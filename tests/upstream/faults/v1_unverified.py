"""In the v1 subprotocol, which JupyterLab uses, the server does not check the signatures of a kernel's messages."""

from stock import FORGE, report, running


async def check() -> str:
    async with running() as stock:
        arrived = await stock.execute(FORGE)
    if any(kind == "stream" and content["text"] == "forged" for kind, content in arrived):
        return "a message with a wrong signature was delivered to the client"
    return ""


report(check())
