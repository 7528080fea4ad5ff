"""A kernel under the test's control: the kernel's end of the four sockets, in the test's own process and event loop.

It answers kernel_info and shutdown as ipykernel does, keeps everything that it receives, and sends any multipart message that a
test asks for, on any channel, well-formed or not. IOPub is an XPUB socket, so that the test can count subscriptions. Must not
check messages: the test does. Cost: negligible.
"""

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import zmq
from jupyter_client.session import Session
from zmq.eventloop.zmqstream import ZMQStream

from tests.support.wait import TIMEOUT, Changes

CHANNELS = ("shell", "control", "stdin", "iopub")


@dataclass
class Plan:
    """How a fake kernel behaves from its start on."""

    answers: set[str] = field(default_factory=lambda: {"shell", "control"})
    """The channels on which kernel_info is answered."""
    welcome: bool = True
    """Whether a new subscription is greeted with ``iopub_welcome``, as ipykernel 7 does."""
    announces: bool = True
    """Whether kernel_info is accompanied by status messages, as every real kernel does."""
    protocol_version: str = "5.4"
    packer: str = "json"
    unpacker: str = "json"
    high_water: int = 0
    """SNDHWM of its sockets; 0 is no limit, ipykernel's is 1000."""
    own_key: bool = False
    """Whether each start has a key of its own, as where another host chooses it, instead of the server's."""
    address: str = ""
    """Where the next start listens instead of the server's choice, on the same ports."""
    start_error: str = ""
    """Why the kernel cannot be started, if it cannot."""


@dataclass
class Received:
    """One message that reached the kernel."""

    channel: str
    identities: list[bytes]
    frames: list[bytes]
    """Signature and parts, without the identities and the delimiter."""
    message: dict[str, Any]

    @property
    def msg_type(self) -> str:
        return str(self.message["header"]["msg_type"])

    @property
    def parts(self) -> list[bytes]:
        return self.frames[1:]


class FakeKernel:
    """One incarnation. ``received`` holds what clients sent, ``probes`` the kernel_info requests, ``refused`` bad frames."""

    def __init__(self, info: dict[str, Any], plan: Plan) -> None:
        self.plan = plan
        self.session = Session(
            session=uuid.uuid4().hex,
            username="kernel",
            key=info["key"].encode() if isinstance(info["key"], str) else info["key"],
            signature_scheme=info["signature_scheme"],
            packer=plan.packer,
            unpacker=plan.unpacker,
        )
        self.received: list[Received] = []
        self.probes: list[Received] = []
        self.refused: list[list[bytes]] = []
        self.subscribed = 0
        """Subscriptions ever made; ``subscriptions`` counts those that exist."""
        self.subscriptions = 0
        self.changes = Changes()
        self.on: dict[str, Callable[[Received], Any]] = {}
        """Message type -> what to do with a request of it."""
        self.exit_code: int | None = None
        self._context = zmq.Context()
        self.streams = {channel: self._bind(channel, info) for channel in CHANNELS}

    def _bind(self, channel: str, info: dict[str, Any]) -> ZMQStream:
        socket = self._context.socket(zmq.XPUB if channel == "iopub" else zmq.ROUTER)
        socket.linger = 0
        socket.set(zmq.SNDHWM, self.plan.high_water)
        if channel == "iopub":
            socket.set(zmq.XPUB_VERBOSER, 1)
        else:
            socket.set(zmq.ROUTER_HANDOVER, 1)
        separator = ":" if info["transport"] == "tcp" else "-"
        socket.bind(f"{info['transport']}://{info['ip']}{separator}{info[channel + '_port']}")
        stream = ZMQStream(socket)
        if channel == "iopub":
            stream.on_recv(self._on_subscription)
        else:
            stream.on_recv(lambda frames: self._on_frames(channel, frames))
        return stream

    # receiving

    def _on_subscription(self, frames: list[bytes]) -> None:
        began = frames[0][:1] == b"\x01"
        self.subscribed += began
        self.subscriptions += 1 if began else -1
        if began and self.plan.welcome:
            self.publish("iopub_welcome", {"subscription": frames[0][1:].decode()})
        self.changes.notify()

    def _on_frames(self, channel: str, frames: list[bytes]) -> None:
        try:
            identities: list[bytes]
            rest: Any
            identities, rest = self.session.feed_identities(frames)
            message = self.session.deserialize(rest)
        except Exception:  # noqa: BLE001 - whatever is wrong with it, the test wants to see it
            self.refused.append(frames)
        else:
            self._on_message(Received(channel, identities, rest, message))
        self.changes.notify()

    def _on_message(self, request: Received) -> None:
        if request.msg_type == "kernel_info_request":
            self.probes.append(request)
            self.answer_probe(request)
            return
        self.received.append(request)
        if request.msg_type == "shutdown_request":
            self.reply(request, {"status": "ok", "restart": request.message["content"]["restart"]})
            self.exit_code = 0
        elif request.msg_type in self.on:
            self.on[request.msg_type](request)

    def answer_probe(self, request: Received) -> None:
        """Answers a kernel_info request, if the plan says so."""
        if request.channel not in self.plan.answers:
            return
        if self.plan.announces:
            self.status("busy", request)
        content = {"status": "ok", "protocol_version": self.plan.protocol_version, "implementation": "fake"}
        self.reply(request, content)
        if self.plan.announces:
            self.status("idle", request)

    async def until(self, match: Callable[[Received], bool] | str, timeout: float = TIMEOUT) -> Received:
        """The first client's message that matches, or has that type."""

        def found() -> Received | None:
            for request in self.received:
                if request.msg_type == match if isinstance(match, str) else match(request):
                    return request
            return None

        return await self.changes.until(found, timeout, f"{match} at the kernel")

    # sending

    def message(
        self, msg_type: str, content: dict[str, Any] | None = None, parent: Received | dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """A message of this kernel's session. ``parent`` is the request or the header that it answers."""
        header = parent.message["header"] if isinstance(parent, Received) else parent
        message: dict[str, Any] = self.session.msg(msg_type, content or {}, parent=header)
        return message

    def frames(self, message: dict[str, Any], buffers: Sequence[bytes] = ()) -> list[bytes]:
        """Delimiter, signature, parts and buffers of a message."""
        return [*self.session.serialize(message), *buffers]

    def signed(self, *parts: bytes) -> list[bytes]:
        """Delimiter, a right signature, and these parts; the first four are signed."""
        return [b"<IDS|MSG>", self.session.sign(list(parts[:4])), *parts]

    def publish(
        self,
        msg_type: str,
        content: dict[str, Any] | None = None,
        parent: Received | dict[str, Any] | None = None,
        buffers: Sequence[bytes] = (),
    ) -> dict[str, Any]:
        """Sends on IOPub and returns the message."""
        message = self.message(msg_type, content, parent)
        self.send("iopub", self.frames(message, buffers), identity=f"kernel.{msg_type}".encode())
        return message

    def stream(self, text: str, parent: Received | dict[str, Any] | None = None) -> dict[str, Any]:
        return self.publish("stream", {"name": "stdout", "text": text}, parent)

    def status(self, state: str, parent: Received | dict[str, Any] | None = None) -> dict[str, Any]:
        return self.publish("status", {"execution_state": state}, parent)

    def reply(
        self,
        request: Received,
        content: dict[str, Any] | None = None,
        msg_type: str = "",
        buffers: Sequence[bytes] = (),
    ) -> dict[str, Any]:
        """Answers on the channel and to the identity that the request came from."""
        message = self.message(msg_type or request.msg_type.replace("_request", "_reply"), content, request)
        self.send(request.channel, self.frames(message, buffers), identity=request.identities[0])
        return message

    def send(self, channel: str, frames: Sequence[bytes], identity: bytes = b"") -> None:
        """Sends any frames at all; on ROUTER channels to the peer with that identity."""
        stream = self.streams[channel]
        stream.send_multipart([identity, *frames] if identity else list(frames))
        stream.flush(zmq.POLLOUT)

    # ending

    def die(self, exit_code: int = -9) -> None:
        """The process is gone; what it has sent still arrives."""
        if self.exit_code is None or not self._context.closed:
            self.exit_code = exit_code
            for stream in self.streams.values():
                stream.close(linger=200)
            self._context.term()
            self.changes.notify()
