"""The native module. Its names are documented here and nowhere else.

A *part* is one frame of a kernel message after the signature: header, parent_header, metadata, content, then any buffers.
``Buffer`` arguments are borrowed for the call. Nothing here reads a clock: ``now`` is the event loop's time in seconds, and the
caller passes it. Malformed input raises only ``kernelws.errors.MalformedMessage`` or a subclass; its ``kind`` is a short stable
word such as ``"short_frame"``.
"""

from collections.abc import Sequence
from typing import ClassVar, Literal, TypeAlias, final

from typing_extensions import Buffer

__version__: str
V1: str
"""The name of the v1 subprotocol: ``"v1.kernel.websocket.jupyter.org"``."""
MAX_BUFFERS: int
"""The most buffers that a client's message may have. Each becomes a ZMQ frame."""
MAX_DEPTH: int
"""The deepest nesting of JSON arrays and objects that a message may have."""

class PanicException(BaseException):
    """A panic in Rust, which is a bug in kernelws. The class is pyo3's; ``except Exception`` does not catch it."""

Protocol: TypeAlias = Literal["v1", "legacy"]
ExecutionFacts: TypeAlias = tuple[
    str, str | None, bytes, str | None, str, str, str | None, int | None, float, float | None, float | None, bool
]
ShownOutput: TypeAlias = tuple[str, bytes] | None
ExecutionStep: TypeAlias = tuple[list[tuple[int, ShownOutput, int, int]], list[ShownOutput], int, bool, bool, int, int]
Voice: TypeAlias = tuple[str, str, str, str]
RateEvent: TypeAlias = Literal["msg_rate_exceeded", "data_rate_exceeded", "resumed"]

@final
class Signer:
    """Signs messages: the HMAC of the first four parts. With an empty key signatures are empty, as with jupyter_client's
    Session."""

    def __new__(cls, key: bytes, scheme: str) -> Signer:
        """``scheme`` is ``hmac-<digest>`` with a fixed-length digest of hashlib; raises ``UnsupportedScheme``."""

@final
class Receiver:
    """Splits and verifies the messages that one socket receives from the kernel, and reads their headers. Remembers their
    signatures to find replays."""

    def __new__(
        cls, key: bytes, scheme: str, *, digest_history_size: int = 65536, verify: bool = True, json: bool = True
    ) -> Receiver:
        """``digest_history_size`` is how many signatures are remembered. ``verify=False`` checks neither signatures nor replays.
        ``json=False`` is for a Session whose packer is not JSON: headers are not read (see ``Batch.rewrite``)."""

    def split(self, channel: str, messages: Sequence[Sequence[Buffer]]) -> Batch:
        """``messages`` are multipart messages as a socket returns them. Malformed ones go to ``Batch.malformed``."""

@final
class Batch:
    """The well-formed messages of one channel in the order of arrival. All clients of the kernel share the batch.

    An ``index`` that is out of range raises IndexError."""

    def __len__(self) -> int: ...
    @property
    def channel(self) -> str: ...
    @property
    def malformed(self) -> list[tuple[str, str]]:
        """``(kind, sentence)`` of each malformed message, in order. Sentences contain nothing of the message."""

    @property
    def size(self) -> int:
        """Bytes of all received frames, including those of malformed messages."""

    @property
    def kernel_session(self) -> str | None:
        """``header.session`` of the last message that has this field."""

    def frames(self, index: int) -> list[bytes]:
        """The message as received: identities, delimiter, signature, parts."""

    def parts(self, index: int) -> list[bytes]:
        """The message's parts. After a ``rewrite`` for all subprotocols, the new ones."""

    def msg_type(self, index: int) -> str: ...
    def activity(self) -> list[tuple[str, str | None, str | None]]:
        """``(msg_type, parent's msg_type, execution_state of a status)`` of each message; one tuple for equal neighbours."""

    def unusual(self) -> list[int]:
        """Indices of the messages that the Session must adapt for legacy clients: those whose header has no ``date``, no
        ``version`` or a version below 5; with ``json=False``, all."""

    def rewrite(self, index: int, parts: Sequence[Buffer], *, legacy_only: bool = False) -> None:
        """Replaces the parts that clients get by these JSON parts. Must be called before ``append``, since it discards the
        encoded message. With ``json=False``, header fields are read from these parts."""

    def discard(self, *, parent_session: str, msg_type: str | None = None) -> int:
        """Drops messages whose parent_header has this session, and messages of this type; returns how many."""

    def refused(self, protocol: Protocol) -> list[tuple[str, str]]:
        """``(kind, sentence)`` of the messages that the subprotocol cannot represent. They are not forwarded. Only legacy has
        any."""

@final
class RateWindow:
    """Upstream's rate limits for the IOPub messages of one connection. Costs O(1) a message."""

    def __new__(cls) -> RateWindow: ...
    def check(
        self, now: float, msg_type: str, idle: bool, size: int, msg_limit: float, data_limit: float, window: float
    ) -> tuple[bool, list[RateEvent]]:
        """Counts one message. Returns whether to forward it, and the events that it caused. ``size`` is the sum of its parts in
        bytes; ``idle`` is True for a status with execution_state idle; limits are per second (0 is no limit); ``window`` is in
        seconds."""

    def admit(
        self, batch: Batch, now: float, msg_limit: float, data_limit: float, window: float
    ) -> list[tuple[int, int, list[RateEvent]]]:
        """Runs ``check`` on each message of a batch. Returns ranges ``(start, stop, events)`` of messages to forward.
        ``"resumed"`` in ``events`` was caused by message ``start``; an exceeded limit by message ``stop``, which is dropped."""

@final
class Numbers:
    """Finds messages of one kernel that this server never received. Kernels built on jupyter_client number their messages
    (``<session>_<pid>_<n>``) over all channels. A number that was not received counts as missing 5 s after a higher number
    arrived on IOPub, unless a reply to another client may have it. With other message ids nothing is found missing."""

    def __new__(cls) -> Numbers: ...
    def note(self, batch: Batch, now: float) -> int:
        """Enters a batch of any channel; returns how many messages were newly found missing."""

    def settle(self, now: float) -> int:
        """As ``note``, without a batch."""

    @property
    def lost(self) -> int:
        """How many missing messages were found so far."""

LeftOut: TypeAlias = Literal["rate", "slow_client", "detached", "full", "lost", "restarted", "interrupted", "closed"]
"""Why messages were left out: the rate limits; a client that acknowledged too slowly; no connected client; a full outbox; a block
that could not be read back from disk; a restart requested by a client; an interrupt; the end of the session."""

@final
class Outbox:
    """The queue of messages for one session's client. A message stays in it until the client has acknowledged it.

    It has two lanes: IOPub with ``input_request``, and replies. Order is strict within a lane; replies are taken first. Messages
    are counted as the kernel sent them: a message that was merged from three counts as three, and
    ``appended == sent + waiting + left out + refused``. After ``append``, ``attach``, ``acknowledge*``, ``fill_gap`` and
    ``restore``, and at ``wake_at``, call ``take`` until it returns None.

    If a method panics, the outbox discards its messages and raises ``OutboxFailed``. From then on, methods that add messages,
    take them or move blocks raise it too. The empty outbox can still be read, configured, detached and cleared."""

    def __new__(cls, protocol: Protocol) -> Outbox:
        """An outbox with a connected client, ``high_water`` of 512 KiB, no other limits, and no merging."""

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
        """Sets all limits; may be called at any time. For every limit but ``high_water``, 0 is no limit.

        ``hold``: IOPub messages over the rate limits wait. ``msg_limit`` and ``data_limit``: messages and bytes per second,
        counted over ``rate_window`` seconds. ``merge_window``: seconds; 0 merges nothing. ``backlog_limit``: bytes of unsent
        stream text. ``interrupt_limit``: bytes of text that ``interrupt`` keeps. ``memory_limit``: bytes; ``drop_text`` drops
        text while text takes more than half of this limit, but keeps the oldest text, up to a quarter of the limit.
        ``high_water``: bytes in each lane that may be unacknowledged; one message is always allowed."""

    def append(self, batch: Batch, start: int, stop: int, now: float) -> None:
        """Appends the messages ``start:stop``. All outboxes of a subprotocol share the encoded batch, so call ``rewrite``
        before this."""

    def append_own(self, payload: bytes | str, lane: Literal["iopub", "replies"] = "iopub") -> None:
        """Appends a message of the server, encoded for the client's subprotocol: ``str`` is sent as text, ``bytes`` as binary."""

    def append_copies(self, batch: Batch, execution_id: str) -> None:
        """Appends the replies and prompts in ``batch`` that answer this request to the IOPub lane, for a client that did not send
        it."""

    def announce(self, payload: bytes | str) -> None:
        """Appends an announcement: a ``restarting`` or ``dead`` status of the server. Messages queued before it no longer wait
        for the rate limits. ``detach`` removes announcements that were taken: the caller decides whether to repeat them."""

    def withdraw_announcements(self) -> bool:
        """Removes announcements that were not acknowledged, because the client need not hear of the restart any more. Returns
        whether any was appended since the last call."""

    def end_process(self, session: str) -> list[int]:
        """Leaves out the output of a kernel process that a client has restarted. ``session`` is the process's
        ``header.session``. Drops its IOPub messages and prompts that were never taken, and those that are appended later, and
        puts one gap before the next message. Resets the rate limits. Returns the numbers of blocks that are no longer needed."""

    def resume_process(self) -> None:
        """Stops what ``end_process`` began: the new process has the same ``header.session``, so its messages must be kept."""

    def skip(self) -> None:
        """Shortens all queued text to its beginning and its end, together ``interrupt_limit`` bytes, but at least 256 KiB.
        Exempts what is queued from the rate limits. Text on disk stays."""

    def interrupt(self) -> None:
        """Shortens the queued text of the current or last execution to ``interrupt_limit`` bytes: keeps half at its beginning
        and half at its end. Does so again when the execution's ``idle`` is appended. Queued messages no longer wait for the
        rate limits."""

    def take(self, now: float, max_bytes: int) -> list[bytes | memoryview] | Gap | int | None:
        """Returns what to send to the client next:

        - a list: frames to write in one go, of about ``max_bytes``, but at least one message. They are not copied: outboxes
          share whole batches, and large buffers stay where they were received;
        - a ``Gap``: call ``fill_gap`` with a notice. The gap is returned until then;
        - an ``int``: read the block with this number and ``restore`` it, or call ``lost``;
        - None: nothing can be sent before ``wake_at``, or the outbox is detached.

        Text over the backlog limit is left out by a ``take`` that can send no more, and by ``append``, ``spill`` and
        ``detach``. So call ``take`` before those: then text that can be sent is not left out."""

    def take_messages(self, now: float, max_bytes: int) -> list[bytes | str] | Gap | int | None:
        """As ``take``, but returns payloads instead of frames, for a WebSocket whose ``write_message`` is overridden."""

    @property
    def wake_at(self) -> float | None:
        """When ``take`` can return more, if no other method is called before; None if never. As of the last ``take`` that
        returned None."""

    def fill_gap(self, number: int, payload: bytes | str) -> bool:
        """Replaces the gap with the ``id`` ``number`` by a notice. Returns False if another gap is next, or none."""

    def spill(self, max_bytes: int) -> tuple[int, list[memoryview]] | None:
        """Makes a block of queued messages for a file: about ``max_bytes``, at most 1 MiB, but at least one message. Returns its
        number and its bytes, uncopied, or None if no more can be spilled. The messages stay in memory until ``written``.
        If there is no other block, first sets aside about ``max_bytes`` of the oldest messages: these are not spilled, so that
        they can be sent at once. Call this while ``memory`` is above the limit."""

    def on_its_way(self, number: int) -> bool:
        """Whether the block must still be written. False if its messages were sent from memory meanwhile."""

    def written(self, number: int) -> bool:
        """The file has the block: frees its memory. Returns False if the block is not needed, because its messages were sent or
        are lost."""

    def unspill(self, number: int) -> None:
        """The file took neither this block nor later ones: their messages are queued in memory again."""

    def restore(self, number: int, block: Buffer) -> bool:
        """Takes back the block that ``take`` asked for. Returns False if the block is not next, is lost or is still in memory.
        Also returns False, and treats the block as ``lost``, if its contents or checksums differ from what was spilled."""

    def lost(self, number: int) -> bool:
        """The block cannot be written or read: a gap replaces its messages. Returns False if no such block exists."""

    def cut_text(self) -> None:
        """Leaves out text over the backlog limit now. For a client whose socket accepts no data, when the caller does not call
        ``take``."""

    def drop_text(self) -> bool:
        """Leaves out one message of stream text from the middle of the queue. Call this while ``memory`` is above the limit and
        no more can be spilled. Returns False if text takes less than half of the limit or none can be left out; then call
        ``drop_oldest_display``, and if that fails too, close the WebSocket with 1013."""

    def drop_oldest_display(self) -> bool:
        """Leaves out the oldest ``display_data`` or ``update_display_data`` in memory. Returns False if there is none."""

    def ping_due(self, now: float) -> int | None:
        """The number to send in a ping now, or None. A ping is due if messages were taken since the last ping, and

        - the last ping was 150 ms ago, or the oldest of the messages was taken 45 ms ago;
        - or they have 64 KiB, or one of them is a prompt or an announcement, or the next message waits for the pong."""

    @property
    def ping_at(self) -> float | None:
        """When to call ``ping_due`` if no message is taken before; None if a ping has followed each message. Up to 130 ms after
        the oldest message that no ping has followed: a ping costs less when it is written together with a message."""

    def acknowledge(self, number: int) -> bool:
        """Handles the pong to ``number``: the client has all messages that were taken before that ping. Returns False if the
        number is unknown, was acknowledged before, or belongs to an earlier WebSocket."""

    def acknowledge_all(self) -> None:
        """For a client that answers no pings: treats all messages that were taken as acknowledged. The caller has flushed
        them."""

    def unacknowledged(self) -> int:
        """Bytes in both lanes that were taken and not acknowledged."""

    def detach(self, *, heard: bool = False) -> bool:
        """The WebSocket has closed. Messages that were not acknowledged will be sent again first; they are never merged or left
        out. Announcements that were taken are removed. Returns True if one of them may not have arrived: it was not
        acknowledged, and ``heard`` is False. ``heard``: the client has received everything, and then closed the WebSocket."""

    def attach(self, protocol: Protocol) -> bool:
        """Starts a new WebSocket. If the old one was not detached, calls ``detach`` and returns its result; otherwise returns
        False. Messages that were encoded for the other subprotocol are encoded again when they are taken."""

    def clear(self, reason: LeftOut = "closed") -> None:
        """Frees everything and counts queued messages as left out. Numbers of blocks and pings are not used again."""

    def memory(self) -> int:
        """Bytes of memory of the outbox: its queued and unacknowledged messages with their bookkeeping, and one copy of each
        parent header of messages and gaps."""

    def limited_memory(self) -> int:
        """The bytes of ``memory`` that ``memory_limit`` applies to. Of messages that alone exceed it, the first of the next
        16 of each lane does not count, and none that is sent and not acknowledged."""

    def upkeep(self) -> int:
        """The part of ``memory`` that is not bytes of messages; ``live_bytes()`` has those of all outboxes."""

    def stats(self) -> OutboxStats: ...

@final
class Journal:
    """The executions of one kernel, each with its output. An execution has a *number*, which is not used again.

    ``now`` is in seconds since the epoch. All methods raise RuntimeError if work on the journal panicked; it is empty then."""

    def __new__(cls) -> Journal: ...
    def configure(self, *, executions: int, memory: int, text: int, age: float, widgets: int, widget_memory: int) -> None:
        """Limits: executions; bytes of memory; bytes of text of one execution; seconds that a finished one is kept; widgets (0:
        none are kept); bytes of memory of widgets, which take at most half of ``memory``."""

    def submit(self, message: ClientMessage, *, owner: str | None, session: str, now: float) -> int | None:
        """Records an ``execute_request``; returns its number. None if it is not kept: it is silent, has no id or one that is
        known already, or the journal is full of executions that have not ended."""

    def take_comm(self, message: ClientMessage, *, owner: str | None, session: str) -> None:
        """Merges a comm message, which a client is about to send, into the state of the widget that it names."""

    def forget_widgets(self) -> None:
        """Forgets all widgets."""

    def append(self, batch: Batch, now: float) -> list[int]:
        """Takes the messages of a batch, of any channel. Returns the numbers of the executions that have changed. Must follow
        all changes of the batch by ``rewrite`` and ``discard``."""

    def process_ended(self, now: float) -> list[int]:
        """The kernel's process has ended: executions that had not ended are lost. Returns their numbers."""

    def number(self, execution_id: str) -> int | None:
        """The number of the execution with this id, the ``msg_id`` of its request."""

    def facts(self, number: int) -> ExecutionFacts | None:
        """The fields of ``kernel.journal.Facts``; None if the execution is not kept."""

    def all(self) -> list[tuple[int, ExecutionFacts]]:
        """Number and facts of all executions, the newest first."""

    def open(self) -> list[ExecutionFacts]:
        """The facts of those that have not ended, the newest first."""

    def append_own(self, number: int, payload: bytes) -> None:
        """Appends ``payload``, a v1 message of the server, to the output of an execution, if it is kept."""

    durations: ClassVar[list[float]]
    """The upper bounds of the buckets of ``finished``, in seconds."""

    def finished(self) -> tuple[list[int], list[int], float]:
        """The executions that have ended so far, also those that were forgotten since: how many ended as ``ok``, ``error``,
        ``aborted`` and ``lost``; how many ran how long, in each bucket of ``durations`` and in a last one without a bound; and
        the seconds of all of them."""

    def read(
        self, number: int, since: int, max_bytes: int
    ) -> tuple[list[ShownOutput], list[ShownOutput], int, bool, int, int] | None:
        """The output of an execution after the cursor ``since`` (0: all); if it has more than ``max_bytes`` of content, its
        beginning and its end. Returns the outputs, each ``(msg_type, content)`` or None where some are missing; the displays
        that changed after the reader got them; the next cursor; whether the output was cleared, so that the reader has to
        forget what it has; and how many messages and bytes are missing. None if the execution is not kept."""

    def end(self, number: int) -> int | None:
        """The cursor of a reader that has everything so far. None if the execution is not kept."""

    def follow(self, number: int, since: int, max_bytes: int) -> ExecutionStep | None:
        """The output after the cursor ``since`` for a reader that stays: at least one piece, then more up to ``max_bytes`` of
        content. None if the execution is not kept. Otherwise a tuple:

        - the pieces, each ``(cursor, output, messages, bytes)``: ``output`` is ``(msg_type, content)``, or None for a gap; the
          last two are the number of messages and bytes that the piece stands for;
        - the displays that have changed;
        - the next cursor;
        - whether that cursor is at the end of the output so far;
        - whether the output was cleared;
        - the number of messages, and of bytes, that were appended since it was last cleared.
        """

    def awaiting(self) -> set[str]:
        """The sessions with executions that have no reply yet and are not lost."""

    def awaits_reply(self, number: int) -> bool:
        """Whether an execution has no reply yet and is not lost."""

    def prompt(self, number: int) -> tuple[bytes, bytes] | None:
        """Header and content of the ``input_request`` at which an execution waits."""

    def waits_at(self, prompt: str) -> int | None:
        """The number of the execution that waits at the prompt with this ``msg_id``."""

    def take_prompt(self, number: int, payload: bytes) -> bool:
        """Removes the prompt, because it is answered, and appends ``payload``, a v1 message that shows prompt and answer.
        False: the execution waits at no prompt."""

    def remove(self, number: int) -> bool:
        """Forgets an execution. False: it is not kept."""

    def forget_old(self, now: float) -> None:
        """Forgets the executions that ended longer ago than the limit."""

    def memory(self) -> int:
        """Bytes of memory."""

@final
class Gap:
    """Messages with the same parent that were left out."""

    @property
    def id(self) -> int: ...
    @property
    def parent_header(self) -> bytes:
        """The JSON that the kernel sent."""

    @property
    def messages(self) -> int:
        """Number of messages, as the kernel sent them."""

    @property
    def bytes(self) -> int:
        """For ``stream`` messages, bytes of the JSON text between its quotes; for others, of the payload."""

    @property
    def reason(self) -> LeftOut:
        """Why the first of them was left out."""

@final
class OutboxStats:
    """Counters of an outbox. They count messages unless their docs say otherwise."""

    @property
    def appended(self) -> int: ...
    @property
    def sent(self) -> int:
        """Taken for the current WebSocket, or acknowledged on an earlier one."""

    @property
    def acknowledged(self) -> int: ...
    @property
    def repeats(self) -> int:
        """Taken again after a ``detach``."""

    @property
    def waiting(self) -> int: ...
    @property
    def replay(self) -> int:
        """The part of ``waiting`` that was taken before."""

    @property
    def text(self) -> int:
        """Bytes of queued stream text that was never taken."""

    @property
    def memory(self) -> int:
        """Bytes, as ``Outbox.memory``."""

    @property
    def disk(self) -> int:
        """Bytes of the blocks that were written and not restored."""

    @property
    def unacknowledged(self) -> int:
        """Bytes, as ``Outbox.unacknowledged``."""

    @property
    def merged(self) -> int:
        """Merged into another message, or replaced by a newer one."""

    @property
    def refused(self) -> int:
        """Not representable in the client's subprotocol. Messages in ``Batch.refused`` are never appended and not counted."""

    @property
    def written(self) -> int:
        """Sent to any WebSocket; a message that is sent twice counts twice."""

    @property
    def written_bytes(self) -> int:
        """Bytes of ``written`` on the wire."""

    @property
    def holds(self) -> int:
        """How often IOPub began to wait for the rate limits."""

    @property
    def stalls(self) -> int:
        """How often IOPub began to wait for acknowledgements."""

    @property
    def waits_for(self) -> Literal["rate", "slow_client"] | None:
        """What the next IOPub message waits for, as of the last ``take`` that returned None."""

    @property
    def waits_since(self) -> float | None:
        """When that wait began: the ``now`` of a ``take``."""

    @property
    def left_out(self) -> dict[LeftOut, tuple[int, int]]:
        """``(messages, bytes)`` by reason, with bytes as in ``Gap``."""

@final
class ClientMessage:
    """One well-formed message of a client."""

    @property
    def channel(self) -> str | None: ...
    @property
    def msg_type(self) -> str:
        """The header's ``msg_type``; if the key occurs twice, the last one. Empty if the header was not read (``json=False``)."""

    @property
    def ambiguous_type(self) -> bool:
        """Whether another JSON parser may find another ``msg_type``: the header has the key twice, or another key
        that differs from it only in upper and lower case. False if the header was not read."""

    @property
    def parts(self) -> list[bytes]: ...
    @property
    def size(self) -> int:
        """Bytes of all parts."""

    def signed(self, signer: Signer) -> list[bytes]:
        """The frames for a DEALER socket: delimiter, signature and parts."""

@final
class Intake:
    """Receives and sends on Python's ZMQ sockets by calling the libzmq that pyzmq has loaded. Never blocks.

    ``socket`` is a ``zmq.Socket``. Each call checks that the socket is open, then holds the GIL until libzmq's last call: no
    other thread can close it in between. Another thread must not *use* it. Errors of libzmq are raised as pyzmq's
    ``zmq.ZMQError`` or ``zmq.ContextTerminated``; interrupted calls are repeated. In the child of a fork, calls with a socket
    raise RuntimeError.
    """

    def __new__(cls, library: str) -> Intake:
        """``library`` is the file of pyzmq's compiled module. Raises ``IntakeUnavailable`` with the reason."""

    def version(self) -> tuple[int, int, int]:
        """libzmq's version."""

    def drain(self, receiver: Receiver, channel: str, socket: object, max_messages: int, max_bytes: int) -> tuple[Batch, bool]:
        """Receives whole messages until the socket would block or has delivered ``max_messages`` or ``max_bytes``, and splits
        them with ``receiver``. The message that reaches a limit is the last one. Returns the batch, and whether more messages
        may wait: then call again before waiting for the descriptor. If an error follows whole messages, the next call raises
        it."""

    def receive(self, socket: object, max_messages: int, max_bytes: int) -> tuple[list[list[bytes]], bool]:
        """As ``drain``, without a receiver: returns the frames of each message."""

    def send(self, socket: object, frames: Sequence[Buffer]) -> bool:
        """Sends one multipart message. Returns False if that would block; then no frame was sent. Sending may clear the
        descriptor's edge-triggered event: receive, or read ``zmq.EVENTS``, before waiting for it."""

    def sign_and_send(self, signer: Signer, message: ClientMessage, socket: object) -> bool:
        """``send(socket, message.signed(signer))``, without making a Python object for each part."""

def channel_of(frame: Buffer | str, protocol: Protocol) -> str | None:
    """The channel of a malformed frame: one of Jupyter's four, or None if it cannot be read."""

def decode_v1(frame: Buffer, *, json: bool = True) -> ClientMessage:
    """Decodes a binary v1 message with at most ``MAX_BUFFERS`` buffers. Raises ``MalformedMessage``.

    The four JSON parts must be objects, and the header must have a string ``msg_type``. Some empty values are accepted and
    become ``{}``: ``[]`` and ``""`` as parent_header or metadata, ``null`` as metadata or content. A ``null`` parent_header is
    kept. ``json=False`` checks none of this."""

def decode_legacy(frame: str | Buffer) -> ClientMessage:
    """Decodes a legacy text or binary message. Its JSON values become parts, which must be as for ``decode_v1``. Raises
    ``MalformedMessage``."""

def encode_v1(channel: str, parts: Sequence[Buffer]) -> bytes:
    """Encodes a v1 message for a client."""

def encode_legacy(channel: str | None, parts: Sequence[Buffer]) -> bytes | str:
    """Encodes a legacy message for a client from JSON parts: text if it has no buffers, otherwise binary. Raises
    ``MalformedMessage``."""

def ping_frame(payload: bytes) -> bytes:
    """A server's ping frame (RFC 6455, section 5.5.2) with at most the first 125 bytes of ``payload``."""

def live_bytes() -> int:
    """Bytes of encoded messages that this process holds. Messages that several outboxes share count once."""

def append_replay(outbox: Outbox, journal: Journal, number: int, voice: Voice, reply: bool) -> bool:
    """Appends the execution ``number`` for a page that takes it over: a ``clear_output`` and the output, then the prompt if
    the execution waits at one, or the reply and an ``idle`` if it is over. ``reply``: appends only the reply.

    ``voice`` is a tuple: the kernel's ``header.session``; the beginning of each new ``msg_id``; the date of messages that are
    not the kernel's; and the text in place of missing output, with ``{messages}`` and ``{bytes}``. False: the journal does
    not keep the execution."""

def append_widgets(
    outbox: Outbox, journal: Journal, owner: str | None, request: tuple[str, str], voice: Voice, fill: bool
) -> tuple[int, int, int]:
    """Appends the widgets of this owner for a page, as answers to its ``request`` (id and session): a ``kernelws_comm_open`` for
    each, which has the content of a ``comm_open``. ``fill``: appends the second part instead, which must follow the outputs that
    show the widgets: what Output widgets have captured. Returns how many widgets are replayed, evicted and unknown; with
    ``fill`` zeros."""
