"""One HTTP request, byte for byte as a test writes it: a client library would quote, add or refuse what the test is about.

Must not follow redirects, or hide what an answer says. Cost: a connection for each request.
"""

import asyncio
from dataclasses import dataclass
from email.message import Message
from email.parser import BytesParser
from typing import Any
from urllib.parse import urlsplit

from tornado.escape import json_decode

from tests.support.wait import TIMEOUT


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Message
    body: bytes

    @property
    def json(self) -> Any:
        return json_decode(self.body)

    @property
    def reason(self) -> str:
        """The reason of an error of ours, which is JSON and nothing else."""
        assert self.headers["Content-Type"] == "application/json"
        found = self.json
        assert found == {"message": found["reason"], "reason": found["reason"]}
        assert found["reason"]
        return str(found["reason"])


async def send(url: str, method: str, path: bytes | str, headers: dict[str, str] | None = None, body: bytes = b"") -> Answer:
    """Sends one request to the server of ``url``; ``path`` is sent as it is. A body gets its length, unless it is chunked."""
    host = urlsplit(url).netloc
    lines = {"Host": host, "Connection": "close", **(headers or {})}
    if (body or method in ("POST", "PUT", "PATCH")) and "Transfer-Encoding" not in lines:
        lines["Content-Length"] = str(len(body))
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    target = path if isinstance(path, bytes) else path.encode()
    name, _, port = host.partition(":")
    async with asyncio.timeout(TIMEOUT):
        reader, writer = await asyncio.open_connection(name, int(port))
        try:
            writer.write(method.encode() + b" " + target + b" HTTP/1.1\r\n" + head.encode() + b"\r\n" + body)
            answer = await reader.read()
        finally:
            writer.close()
            await writer.wait_closed()
    first, _, rest = answer.partition(b"\r\n")
    fields, _, content = rest.partition(b"\r\n\r\n")
    return Answer(int(first.split(b" ", 2)[1]), BytesParser().parsebytes(fields + b"\r\n\r\n"), content)
