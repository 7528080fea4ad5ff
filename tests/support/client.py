"""A WebSocket client of a kernel: sends any frame, sees every frame, the close code and its reason.

Messages are encoded and decoded by upstream's own functions, in both subprotocols, so that what a test sees is what a
client of the stock server would see. Must not repair or hide anything: ``messages`` holds all that came, in order.
It is not ``kernelws.cli.client``, which blocks: this one shares the event loop of the server under test.
"""

import asyncio
import json
import uuid
from collections.abc import Callable, Sequence
from typing import Any

from jupyter_client.jsonutil import json_default
from jupyter_client.session import Session
from jupyter_server.services.kernels.connection.base import (
    deserialize_binary_message,
    deserialize_msg_from_ws_v1,
    serialize_binary_message,
    serialize_msg_to_ws_v1,
)
from tornado.httpclient import HTTPRequest
from tornado.websocket import WebSocketClientConnection, websocket_connect

from tests.support.wait import TIMEOUT, Changes

V1 = "v1.kernel.websocket.jupyter.org"


class Message:
    """One message as a client reads it. ``raw`` is the WebSocket message, ``parts`` the kernel's bytes (v1 only)."""

    def __init__(self, raw: str | bytes, protocol: str, unpack: Callable[[Any], Any]) -> None:
        self.raw = raw
        self.parts: list[bytes] = []
        if protocol == "v1":
            assert isinstance(raw, bytes), "v1 is binary"
            self.channel, self.parts = deserialize_msg_from_ws_v1(raw)
            header, parent, metadata, content = (unpack(part) for part in self.parts[:4])
            fields = {"header": header, "parent_header": parent, "metadata": metadata, "content": content}
            self.buffers = self.parts[4:]
        else:
            fields = deserialize_binary_message(raw) if isinstance(raw, bytes) else json.loads(raw)
            self.channel = fields["channel"]
            self.buffers = list(fields.get("buffers") or ())
        self.fields = fields
        self.header: dict[str, Any] = fields["header"]
        self.parent: dict[str, Any] = fields["parent_header"]
        self.content: Any = fields["content"]

    @property
    def msg_type(self) -> str:
        return str(self.header["msg_type"])

    @property
    def state(self) -> str | None:
        """``execution_state`` of a status."""
        return self.content["execution_state"] if self.msg_type == "status" else None

    @property
    def parent_id(self) -> str | None:
        return self.parent.get("msg_id")

    def __repr__(self) -> str:
        return f"<{self.channel} {self.msg_type} {str(self.content)[:80]}>"


def results(messages: Sequence[Message]) -> list[str]:
    """The texts of the results among messages."""
    return [message.content["data"]["text/plain"] for message in messages if message.msg_type == "execute_result"]


Match = Callable[[Message], Any] | str


class Client:
    """One WebSocket. ``protocol`` is "v1" or "legacy"."""

    def __init__(self, websocket: WebSocketClientConnection | None, protocol: str, session_id: str) -> None:
        self.websocket = websocket
        self.protocol = protocol
        self.session = Session(session=session_id, username="client", key=b"")
        self.session.message_count = 1_000_000  # the stock server's nudges have ids of the same session and, here, process
        self.unpack: Callable[[Any], Any] = json.loads
        self.messages: list[Message] = []
        self.changes = Changes()
        self.closed = False
        self._unread: asyncio.Future[None] | None = None

    @property
    def tcp(self) -> Any:
        """The client's end of the TCP connection: tornado's ``IOStream``."""
        protocol: Any = self.websocket and self.websocket.protocol
        return protocol.stream

    @property
    def session_id(self) -> str:
        return str(self.session.session)

    @classmethod
    async def open(
        cls,
        url: str,
        protocol: str = "v1",
        session_id: str | None = None,
        *,
        unpack: Callable[[Any], Any] = json.loads,
        resolver: Any = None,
        http: dict[str, Any] | None = None,
        **options: Any,
    ) -> "Client":
        """Connects; ``url`` is that of the kernel's channels, with its token. ``http``: tornado's options of the request."""
        client = cls(None, protocol, uuid.uuid4().hex if session_id is None else session_id)
        client.unpack = unpack
        if client.session_id:
            url += ("&" if "?" in url else "?") + f"session_id={client.session_id}"
        client.websocket = await websocket_connect(
            HTTPRequest(url, connect_timeout=TIMEOUT, request_timeout=TIMEOUT, **(http or {})),
            on_message_callback=client._on_message,
            subprotocols=[V1] if protocol == "v1" else None,
            resolver=resolver,
            max_message_size=1 << 30,
            **options,
        )
        return client

    def _on_message(self, raw: str | bytes | None) -> None:
        if raw is None:
            assert self.websocket is not None
            self.closed = True
            self.websocket.close()  # or tornado warns that it was not closed
        else:
            self.messages.append(Message(raw, self.protocol, self.unpack))
        self.changes.notify()

    # receiving

    def stop_reading(self) -> None:
        """Stops with the next message: it and all later ones stay unread, and later pings are not answered."""
        assert self.websocket is not None
        unread = self._unread = asyncio.get_running_loop().create_future()
        self.websocket.on_message = lambda message: unread  # type: ignore[method-assign] # tornado waits for what it returns

    def read_on(self) -> None:
        """Reads again. The message at which it stopped is lost."""
        if self._unread is not None and not self._unread.done():
            self._unread.set_result(None)
            del self.websocket.on_message  # type: ignore[union-attr]

    async def hang_up(self) -> None:
        """Closes the TCP connection without a close frame; unread messages are lost."""
        self.tcp.close()
        self.read_on()
        await self.until_closed()

    async def until(self, match: Match, timeout: float = TIMEOUT) -> Message:
        """The first message, ever, that matches, or has that type."""

        def found() -> Message | None:
            for message in self.messages:
                if message.msg_type == match if isinstance(match, str) else match(message):
                    return message
            return None

        return await self.changes.until(found, timeout, f"{match} at the client, which has {self.messages[-20:]}")

    def of(self, request: dict[str, Any], msg_type: str = "") -> list[Message]:
        """What answers a request, so far."""
        answers = [message for message in self.messages if message.parent_id == request["header"]["msg_id"]]
        return [message for message in answers if message.msg_type == msg_type or not msg_type]

    async def idle(self, request: dict[str, Any], timeout: float = TIMEOUT) -> list[Message]:
        """All that answers a request, once its reply and its idle are here."""

        def complete() -> bool:
            answers = self.of(request)
            return any(m.state == "idle" for m in answers) and any(m.msg_type.endswith("_reply") for m in answers)

        await self.changes.until(complete, timeout, f"idle after {request['msg_type']}; here: {self.messages[-20:]}")
        return self.of(request)

    def text(self, request: dict[str, Any]) -> str:
        """The stream text that answers a request."""
        return "".join(message.content["text"] for message in self.of(request, "stream"))

    async def until_closed(self, timeout: float = TIMEOUT) -> tuple[int | None, str | None]:
        """The close code and its reason."""
        await self.changes.until(lambda: self.closed, timeout, "the end of the WebSocket")
        assert self.websocket is not None
        return self.websocket.close_code, self.websocket.close_reason

    # sending

    def message(self, msg_type: str, content: dict[str, Any] | None = None, **header: Any) -> dict[str, Any]:
        """A message of this client's session; ``header`` adds fields to its header."""
        message: dict[str, Any] = self.session.msg(msg_type, content or {})
        # a Session counts its messages: two clients of one session would use the same ids
        message["msg_id"] = header.setdefault("msg_id", uuid.uuid4().hex)
        message["header"].update(header)
        return message

    def encode(self, message: dict[str, Any], channel: str, buffers: Sequence[bytes] = ()) -> str | bytes:
        """The WebSocket message of a message, by upstream's functions."""
        if self.protocol == "v1":
            fields = ("header", "parent_header", "metadata", "content")
            parts = [*(self.session.pack(message[field]) for field in fields), *buffers]
            return bytes(serialize_msg_to_ws_v1(parts, channel))
        if buffers:
            return bytes(serialize_binary_message(message | {"channel": channel, "buffers": list(buffers)}))
        return json.dumps(message | {"channel": channel}, default=json_default)

    async def send(
        self,
        msg_type: str,
        content: dict[str, Any] | None = None,
        channel: str = "shell",
        buffers: Sequence[bytes] = (),
        **header: Any,
    ) -> dict[str, Any]:
        """Sends a message and returns it."""
        message = self.message(msg_type, content, **header)
        await self.write(self.encode(message, channel, buffers))
        return message

    async def execute(self, code: str, **content: Any) -> dict[str, Any]:
        """Sends an execute_request and returns it."""
        return await self.send("execute_request", {"code": code, "silent": False, **content})

    async def run(self, code: str, **content: Any) -> list[Message]:
        """Executes and returns all answers, up to the reply and idle."""
        return await self.idle(await self.execute(code, **content))

    async def write(self, raw: str | bytes, binary: bool | None = None) -> None:
        """Writes one WebSocket message of any contents, text for str and binary for bytes unless told otherwise."""
        assert self.websocket is not None
        await self.websocket.write_message(raw, binary=isinstance(raw, bytes) if binary is None else binary)

    async def close(self, code: int | None = None, reason: str | None = None) -> None:
        """Closes the WebSocket and waits until that is done."""
        assert self.websocket is not None
        self.websocket.close(code, reason)
        await self.until_closed()
