"""The native module: bytes and numbers. This file is the one place where its names are documented.

A *part* is one frame of a kernel message after the signature: header, parent_header, metadata, content, then any
buffers. ``Buffer`` arguments are borrowed for the call. Nothing here reads a clock: ``now`` is a float of seconds that
the caller takes from its event loop. Malformed input raises ``kernelws.errors.MalformedMessage`` (or one of its
subclasses), never anything else; a ``kind`` is a short stable word such as ``"short_frame"``.
"""

from collections.abc import Sequence
from typing import Literal, TypeAlias, final

from typing_extensions import Buffer

__version__: str
V1: str
"""The name of the v1 subprotocol: ``"v1.kernel.websocket.jupyter.org"``."""
MAX_BUFFERS: int
"""A client's message with more buffers is malformed: each of them becomes a ZMQ frame."""
MAX_DEPTH: int
"""Arrays and objects nested deeper than this are malformed."""

class PanicException(BaseException):
    """A panic in Rust: a mistake of ours. pyo3's own; whoever catches ``Exception`` does not catch it."""

Protocol: TypeAlias = Literal["v1", "legacy"]
RateEvent: TypeAlias = Literal["msg_rate_exceeded", "data_rate_exceeded", "resumed"]

@final
class Signer:
    """HMAC of the four signed parts under one key and scheme. An empty key signs nothing, as jupyter_client's Session."""

    def __new__(cls, key: bytes, scheme: str) -> Signer:
        """``scheme`` is ``hmac-<digest>`` with a fixed-length digest of hashlib; raises ``UnsupportedScheme``."""

@final
class Receiver:
    """Splits, verifies and reads the kernel's messages of one socket; owns that socket's replay window."""

    def __new__(
        cls, key: bytes, scheme: str, *, digest_history_size: int = 65536, verify: bool = True, json: bool = True
    ) -> Receiver:
        """``verify=False`` checks neither signature nor replay. ``json=False``: the Session's packer is not JSON, so no
        header is read (see ``Batch.rewrite``)."""

    def split(self, channel: str, messages: Sequence[Sequence[Buffer]]) -> Batch:
        """``messages`` are multipart messages as a socket returns them. What is malformed is set aside in the batch."""

@final
class Batch:
    """The well-formed messages of one channel in the order of arrival, shared by every client of the kernel.

    An ``index`` that is out of range is an IndexError."""

    def __len__(self) -> int: ...
    @property
    def channel(self) -> str: ...
    @property
    def malformed(self) -> list[tuple[str, str]]:
        """``(kind, sentence)`` of each message that was set aside, in order; a sentence has no message contents."""

    @property
    def size(self) -> int:
        """Bytes of all frames that were received with it, those of malformed messages included."""

    @property
    def kernel_session(self) -> str | None:
        """``header.session`` of the last message that has one."""

    def frames(self, index: int) -> list[bytes]:
        """The message as received: identities, delimiter, signature, parts."""

    def parts(self, index: int) -> list[bytes]:
        """The message's parts, as rewritten by ``rewrite`` for all subprotocols."""

    def msg_type(self, index: int) -> str: ...
    def activity(self) -> list[tuple[str, str | None, str | None]]:
        """``(msg_type, parent's msg_type, execution_state of a status)``, equal neighbours collapsed into one."""

    def unusual(self) -> list[int]:
        """Messages that only the Session can adapt for a legacy client: a header without ``date`` or ``version``, or
        with a version below 5, or a receiver with ``json=False``."""

    def rewrite(self, index: int, parts: Sequence[Buffer], *, legacy_only: bool = False) -> None:
        """Replaces the (JSON) parts that clients get. Drops what was encoded before, so call it before ``append``.
        Header fields that were never read (``json=False``) are read from these parts."""

    def discard(self, *, parent_session: str, msg_type: str | None = None) -> int:
        """Drops messages whose parent_header names that session, and those of that type; returns how many."""

    def refused(self, protocol: Protocol) -> list[tuple[str, str]]:
        """``(kind, sentence)`` of the messages that have no form in that subprotocol and are left out; legacy only."""

@final
class RateWindow:
    """Upstream's accounting of IOPub messages and stream bytes of one connection, O(1) a message."""

    def __new__(cls) -> RateWindow: ...
    def check(
        self, now: float, msg_type: str, idle: bool, size: int, msg_limit: float, data_limit: float, window: float
    ) -> tuple[bool, list[RateEvent]]:
        """Counts one message; ``(True, ...)`` says forward it. ``size`` is the sum of its parts in bytes, ``idle`` a
        status of execution_state idle; limits are per second (0 is no limit), ``window`` in seconds."""

    def admit(
        self, batch: Batch, now: float, msg_limit: float, data_limit: float, window: float
    ) -> list[tuple[int, int, list[RateEvent]]]:
        """``check`` over a batch: runs ``(start, stop, events)`` of messages to forward; ``events`` happened at message
        ``stop`` (an exceeded limit, after the run) or at ``start`` (resumed, before it)."""

@final
class Numbers:
    """Messages of one kernel that nobody here received: gaps in the ``<session>_<pid>_<n>`` ids of kernels that are built
    on jupyter_client, over all channels. A number counts once IOPub has been beyond it for 5 s; replies to requests of
    somebody else are not counted, kernels with other ids never."""

    def __new__(cls) -> Numbers: ...
    def note(self, batch: Batch, now: float) -> int:
        """Looks at the messages of a batch of any channel; returns how many were newly found to be missing."""

    def settle(self, now: float) -> int:
        """The same when nothing came."""

    @property
    def lost(self) -> int:
        """All that were found so far."""

LeftOut: TypeAlias = Literal["rate", "slow_client", "detached", "full", "lost", "restarted", "interrupted", "closed"]
"""Why messages were left out: the limits, a client that did not acknowledge, nobody connected, the outbox full, a block that
could not be read back, a restart that a client asked for, an interrupt, the end of the session."""

@final
class Outbox:
    """What one session's client gets, from the moment it comes from the kernel until the client has acknowledged it.

    Order is strict within two lanes: IOPub (and ``input_request``), and replies, which leave first. Numbers of messages are
    the kernel's, so a merged message counts as all of its own; ``appended == sent + waiting + left out + refused``. After
    ``append``, ``attach``, ``acknowledge*``, ``fill_gap``, ``restore``, or at ``wake_at``: ``take`` until it returns None.

    Work that panics discards what the outbox holds and raises ``OutboxFailed``, and so does from then on whatever adds to it,
    takes from it or moves its blocks. It can still be looked at, configured, detached and cleared, and is empty."""

    def __new__(cls, protocol: Protocol) -> Outbox:
        """For a connected client. Nothing is held or merged and nothing is limited but 512 KiB of ``high_water``."""

    def configure(
        self,
        *,
        hold: bool,
        msg_limit: float,
        data_limit: float,
        rate_window: float,
        merge_window: float,
        backlog_limit: int,
        interrupt_limit: int,
        memory_limit: int,
        high_water: int,
    ) -> None:
        """At any time. ``hold``: IOPub waits for upstream's limits (per second, counted over ``rate_window`` seconds; 0 is
        no limit). ``merge_window`` in seconds, 0 passes every message as it is. ``backlog_limit``: bytes of unsent stream
        text, 0 is no limit. ``interrupt_limit``: bytes of text that ``interrupt`` leaves, 0 is no limit. ``memory_limit``:
        ``drop_text`` keeps half of it; 0 is no limit. ``high_water``: bytes of each lane that may be unacknowledged; one
        message always may."""

    def append(self, batch: Batch, start: int, stop: int, now: float) -> None:
        """Appends the messages ``start:stop``. A batch is encoded once for all outboxes of a subprotocol: rewrite it before."""

    def append_own(self, payload: bytes | str, lane: Literal["iopub", "replies"] = "iopub") -> None:
        """Appends a message of the server itself, in the subprotocol of the client: ``str`` is text, ``bytes`` is binary."""

    def announce(self, payload: bytes | str) -> None:
        """``append_own`` for what is told once, ``restarting`` or ``dead``: it is not written again after a ``detach`` in
        which the client has ``heard`` it. The limits hold nothing that waits before it."""

    def withdraw_announcements(self) -> bool:
        """No announcement that has not arrived is told, now or again: the client knows. False: there never was one since the
        last call."""

    def end_process(self, session: str) -> list[int]:
        """A client has asked for a restart of the process whose ``header.session`` this is: its IOPub messages and prompts
        that were never taken are left out, those too that are appended later, and the limits forget it. One gap tells, before
        what follows. Returns the blocks that nobody will ask for."""

    def resume_process(self) -> None:
        """That process, or another one under the same ``header.session``, is heard again: nothing more is left out."""

    def interrupt(self) -> None:
        """The kernel is interrupted: of the text of the execution that it is at, or was at last, ``interrupt_limit`` bytes
        stay, half at either end; again when its ``idle`` is appended. The limits hold nothing that waits then."""

    def take(self, now: float, max_bytes: int) -> list[bytes | memoryview] | Gap | int | None:
        """What to do next for the client. A list: frames to be written in one go, about ``max_bytes`` at most but one
        message at least; a whole batch is one object that all outboxes share, a large buffer is where it was received. A
        ``Gap``: write a notice and ``fill_gap`` it; until then it is next. An ``int``: read that block and ``restore`` it
        (or say that it is ``lost``). None: nothing before ``wake_at``; always so while detached. Text over the backlog
        limit is cut when nothing more can leave, before the next ``append``, ``spill`` or ``detach`` and by ``cut_text``:
        take first, and what can leave is never cut."""

    def take_messages(self, now: float, max_bytes: int) -> list[bytes | str] | Gap | int | None:
        """``take`` for a WebSocket whose ``write_message`` must see each message: payloads instead of frames."""

    @property
    def wake_at(self) -> float | None:
        """When time alone lets more leave: as of the last ``take`` that returned None. Ask again then, not sooner."""

    def fill_gap(self, number: int, payload: bytes | str) -> bool:
        """Puts the notice of the gap with this ``id`` in its place, as the next message. False: that gap is not next."""

    def spill(self, max_bytes: int) -> tuple[int, list[memoryview]] | None:
        """Makes a block of what waits, for a file: about ``max_bytes``, 1 MiB at most, but one message at least; its bytes
        in the places where they are. They stay in memory until the block is ``written``. As much as that stays in memory
        before it, ready to leave. None: there is nothing to spill. Call it while ``memory`` is above the limit."""

    def on_its_way(self, number: int) -> bool:
        """Whether the block is still to be written: its messages have not left from memory meanwhile."""

    def written(self, number: int) -> bool:
        """The block is in the file: its memory is let go. False: its messages have left, or are lost; it is not wanted."""

    def unspill(self, number: int) -> None:
        """The file did not take the block, nor any after it: their messages wait in memory again."""

    def restore(self, number: int, block: Buffer) -> bool:
        """The block that ``take`` asked for. False: it is not next, is lost, or is in memory still; or its
        frames, lengths, numbers or sums are not those that were spilled, and then it is ``lost``."""

    def lost(self, number: int) -> bool:
        """A block cannot be written or read: its messages are a gap. False: there is no such block."""

    def cut_text(self) -> None:
        """Leaves out what is over the backlog limit now, as ``take`` does when nothing can leave: for a client whose socket
        takes nothing, from which nothing is taken either."""

    def drop_text(self) -> bool:
        """For an outbox whose ``memory`` is above the limit though nothing more can be spilled: leaves out one message
        of stream text from the middle of what waits. False: none gives way; then ``drop_oldest_display``, then close with
        1013."""

    def drop_oldest_display(self) -> bool:
        """Leaves out the oldest ``display_data`` or ``update_display_data`` in memory. False: there is none."""

    def ping_due(self, now: float) -> int | None:
        """A number to send in a ping after what was taken, if some of it carries none yet: at once if the last ping was 50 ms
        ago, if 64 KiB wait for one, or if it is a prompt or an announcement."""

    @property
    def ping_at(self) -> float | None:
        """When ``ping_due`` will return a number if nothing more is taken."""

    def acknowledge(self, number: int) -> bool:
        """The pong to ``number`` came: all that was taken before its ping has arrived. False: it says nothing new, being
        unknown, repeated, or of an earlier WebSocket."""

    def acknowledge_all(self) -> None:
        """For a client that answers no pings: all that was taken is flushed, and flushed must do for arrived."""

    def unacknowledged(self) -> int:
        """Bytes that were taken and not acknowledged, in both lanes."""

    def detach(self, *, heard: bool = False) -> None:
        """The WebSocket is gone: what was not acknowledged is next again, never merged, cut or dropped. ``heard``: but no
        announcement that was taken."""

    def attach(self, protocol: Protocol) -> None:
        """A new WebSocket (an old one is detached). What waits for the other subprotocol is encoded anew as it leaves."""

    def clear(self, reason: LeftOut = "closed") -> None:
        """Frees everything; what waited counts as left out. Numbers of blocks and pings are not used again."""

    def memory(self) -> int:
        """Bytes of memory of what waits and of what is not acknowledged, with their upkeep, and with the parents, each once, of
        these messages and of what was left out."""

    def upkeep(self) -> int:
        """Of ``memory`` what is not bytes of messages: those of all outboxes, shared ones once, are ``live_bytes()``."""

    def stats(self) -> OutboxStats: ...

@final
class Gap:
    """Messages of one parent that were left out."""

    @property
    def id(self) -> int: ...
    @property
    def parent_header(self) -> bytes:
        """As the kernel wrote it."""

    @property
    def messages(self) -> int:
        """As the kernel sent them."""

    @property
    def bytes(self) -> int:
        """Of ``stream`` text as the kernel wrote it, between the quotes; of other messages, those of the payload."""

    @property
    def reason(self) -> LeftOut:
        """Why the first of them was."""

@final
class OutboxStats:
    """Messages where nothing else is said."""

    @property
    def appended(self) -> int: ...
    @property
    def sent(self) -> int:
        """To this WebSocket, or acknowledged on an earlier one."""

    @property
    def acknowledged(self) -> int: ...
    @property
    def repeats(self) -> int:
        """Taken a second time."""

    @property
    def waiting(self) -> int: ...
    @property
    def replay(self) -> int:
        """Of those waiting: taken once before."""

    @property
    def text(self) -> int:
        """Bytes of stream text that waits and was never taken."""

    @property
    def memory(self) -> int: ...
    @property
    def disk(self) -> int:
        """Bytes of the blocks that were written and not restored."""

    @property
    def unacknowledged(self) -> int:
        """Bytes."""

    @property
    def merged(self) -> int:
        """That became one with another or were replaced by it."""

    @property
    def refused(self) -> int:
        """That the client's subprotocol has no form for (``Batch.refused`` are never appended)."""

    @property
    def written(self) -> int:
        """To all WebSockets, as often as they were."""

    @property
    def written_bytes(self) -> int:
        """Of those, on the wire."""

    @property
    def holds(self) -> int:
        """How often IOPub began to wait for the limits."""

    @property
    def stalls(self) -> int:
        """How often IOPub began to wait for the client to acknowledge."""

    @property
    def waits_for(self) -> Literal["rate", "slow_client"] | None:
        """What the next IOPub message waits for, as of the last ``take`` that returned None."""

    @property
    def waits_since(self) -> float | None:
        """The ``now`` of the ``take`` with which that began."""

    @property
    def left_out(self) -> dict[LeftOut, tuple[int, int]]:
        """Messages and bytes by reason, bytes as in ``Gap``."""

@final
class ClientMessage:
    """One well-formed message of a client."""

    @property
    def channel(self) -> str | None: ...
    @property
    def msg_type(self) -> str:
        """Of the header; of duplicate keys the last one counts. Empty if the header was not read (``json=False``)."""

    @property
    def ambiguous_type(self) -> bool:
        """Whether some readers find another type than ``msg_type``: the key is in the header twice, or once more in another
        case, which some readers ignore. False if the header was not read."""

    @property
    def parts(self) -> list[bytes]: ...
    @property
    def size(self) -> int:
        """Bytes of its parts."""

    def signed(self, signer: Signer) -> list[bytes]:
        """Delimiter, signature and parts, as sent on a DEALER socket."""

@final
class Intake:
    """Receives and sends through the libzmq that pyzmq has loaded, on sockets that Python owns. Never blocks.

    ``socket`` is a ``zmq.Socket``; it is asked whether it is closed, and the GIL is held from the answer until libzmq's
    last call, so another thread may close it before or after but not meanwhile. Another thread must not *use* it. libzmq's
    errors are pyzmq's, ``zmq.ZMQError`` or ``zmq.ContextTerminated``; interrupted calls are repeated. In the child of a fork
    each call that takes a socket is a RuntimeError.
    """

    def __new__(cls, library: str) -> Intake:
        """``library`` is the file of pyzmq's compiled module. Raises ``IntakeUnavailable`` with the reason."""

    def version(self) -> tuple[int, int, int]:
        """Of libzmq."""

    def drain(self, receiver: Receiver, channel: str, socket: object, max_messages: int, max_bytes: int) -> tuple[Batch, bool]:
        """Receives whole messages until the socket would block or a budget is spent (the message that spends it is the
        last one, so at least one), then splits them as ``receiver`` does. True: more may wait, call again before waiting
        for the descriptor. An error after whole messages is left to the next call."""

    def receive(self, socket: object, max_messages: int, max_bytes: int) -> tuple[list[list[bytes]], bool]:
        """``drain`` without a receiver: the frames of each message."""

    def send(self, socket: object, frames: Sequence[Buffer]) -> bool:
        """Sends one multipart message whole; False: it would block and nothing was sent. Sending may use up the
        descriptor's edge: receive, or read ``zmq.EVENTS``, before waiting for it."""

    def sign_and_send(self, signer: Signer, message: ClientMessage, socket: object) -> bool:
        """``send(socket, message.signed(signer))`` without a Python object for each part."""

def channel_of(frame: Buffer | str, protocol: Protocol) -> str | None:
    """The channel for which a frame was meant that is malformed, where that can still be read: one of the four."""

def decode_v1(frame: Buffer, *, json: bool = True) -> ClientMessage:
    """Decodes a binary v1 message. The four JSON parts must be objects, the header with a string ``msg_type``. Empty values
    in their place become ``{}``: ``[]`` or ``""`` for parent_header (``null`` stays) and metadata, ``null`` for metadata and
    content. ``json=False`` leaves them unread. At most ``MAX_BUFFERS`` follow. Raises ``MalformedMessage``."""

def decode_legacy(frame: str | Buffer) -> ClientMessage:
    """Decodes a legacy text or binary message, splicing its JSON values into parts, of which the same is required. Raises
    ``MalformedMessage``."""

def encode_v1(channel: str, parts: Sequence[Buffer]) -> bytes:
    """One v1 message for a client."""

def encode_legacy(channel: str | None, parts: Sequence[Buffer]) -> bytes | str:
    """One legacy message for a client from JSON parts: text without buffers, else binary. Raises ``MalformedMessage``."""

def ping_frame(payload: bytes) -> bytes:
    """A ping from a server, RFC 6455, section 5.5.2; of ``payload`` the first 125 bytes."""

def live_bytes() -> int:
    """Bytes of encoded messages that this process holds, for whomever: what several outboxes share counts once."""
