"""The server's own messages to a client: rate notices, notices of missing output, and the statuses restarting and dead.

The rate notices have upstream's text. ``header.session`` is the kernel's as soon as it is known, because JupyterLab takes it
for the kernel's identity, and cancels its queued requests when it changes. Must not decide when a message is sent.
"""

import json
from dataclasses import dataclass
from textwrap import dedent
from typing import Any, Literal

from jupyter_client.session import Session

from .. import _core
from .adapt import json_parts


def message_rate_exceeded(msg_limit: float, window: float) -> str:
    """Upstream's text for too many messages. ``msg_limit`` is per second, ``window`` in seconds."""
    return dedent(
        f"""\
        IOPub message rate exceeded.
        The Jupyter server will temporarily stop sending output
        to the client in order to avoid crashing it.
        To change this limit, set the config variable
        `--ServerApp.iopub_msg_rate_limit`.

        Current values:
        ServerApp.iopub_msg_rate_limit={msg_limit} (msgs/sec)
        ServerApp.rate_limit_window={window} (secs)
        """
    )


def data_rate_exceeded(data_limit: float, window: float) -> str:
    """Upstream's text for too many bytes. ``data_limit`` is per second, ``window`` in seconds."""
    return dedent(
        f"""\
        IOPub data rate exceeded.
        The Jupyter server will temporarily stop sending output
        to the client in order to avoid crashing it.
        To change this limit, set the config variable
        `--ServerApp.iopub_data_rate_limit`.

        Current values:
        ServerApp.iopub_data_rate_limit={data_limit} (bytes/sec)
        ServerApp.rate_limit_window={window} (secs)
        """
    )


_WHY = {
    "rate": ("it came faster than the rate limit lets through", "stream_backlog_limit"),
    "slow_client": ("the client did not keep up", "stream_backlog_limit"),
    "detached": ("no client was connected", "stream_backlog_limit"),
    "full": ("the session's outbox was full", "session_memory_limit"),
    "lost": ("the overflow on disk could not be read back", "spool_dir"),
    "restarted": ("a client restarted the kernel", "drop_output_on_restart"),
    "interrupted": ("the cell was interrupted", "interrupt_backlog_limit"),
}
_VERBS = {"lost": "check", "restarted": "turn off"}
_WHY_DISCARDED = {
    "session_memory_limit": "its outbox was full",
    "max_detached_sessions": "the kernel had too many sessions without a connection",
    "outbox_memory_limit": "too much output waited in memory for all sessions",
    "outbox_disk_limit": "too much output waited on disk for all sessions",
    "resume_timeout": "its client did not reconnect in time",
}


def left_out(reason: str, messages: int, size: int, value: Any) -> str:
    """The notice in place of ``messages`` messages with ``size`` bytes. ``value`` is that of the trait that would change it."""
    why, trait = _WHY[reason]
    verb = _VERBS.get(reason, "raise")
    return (
        f"[{messages} messages with {size} bytes of output were left out here, because {why}. "
        f"To keep more, {verb} ZMQChannelsWebsocketConnection.{trait} (now {value!r}).]"
    )


def discarded(trait: str, value: Any) -> str:
    """The notice for a client whose earlier session was ended. ``trait`` is the limit that ended it, with its ``value``."""
    return (
        f"[This session's earlier output was discarded, because {_WHY_DISCARDED[trait]}. "
        f"To keep more, raise ZMQChannelsWebsocketConnection.{trait} (now {value!r}).]\n"
    )


def died(why: str) -> str:
    """The notice below a cell whose kernel has died. ``why``: such as ``was killed (SIGKILL): out of memory, limit 2.0 GiB``."""
    return f"The kernel {why}\n"


def own_stream(name: str, text: str) -> bytes:
    """A ``stream`` message for a journal, which needs no ids."""
    parts: tuple[dict[str, str], ...] = ({"msg_type": "stream"}, {}, {}, {"name": name, "text": text})
    return _core.encode_v1("iopub", [json.dumps(part).encode() for part in parts])


NOT_KEPT = (
    "[{messages} messages with {bytes} bytes of output were left out here, because the server keeps only a part of such long "
    "output for a page that is opened later. To keep more, raise ZMQChannelsWebsocketConnection.executions_text_limit or "
    "executions_memory_limit.]\n"
)
"""The notice in a replay in place of output that the journal of executions has dropped; the journal fills in the numbers."""
STARTED_AFTER_FAILURE = (
    "[This session's earlier output was discarded, because of a bug in the server. The server's log has details.]\n"
)


@dataclass(frozen=True, slots=True)
class ServerMessages:
    """Makes the server's messages for one session: packed by ``session``, in the client's subprotocol."""

    session: Session
    protocol: Literal["v1", "legacy"]
    kernel_session: str | None
    """``header.session`` of the kernel's messages; None before the first message."""

    def stream(self, text: str, parent: Any) -> str | bytes:
        """A ``stream`` message on stderr, whose parent is the header ``parent`` (a dictionary)."""
        return self._encode("stream", {"text": text, "name": "stderr"}, parent)

    def status(self, state: str) -> str | bytes:
        """A ``status`` message with an empty parent."""
        return self._encode("status", {"execution_state": state}, None)

    def restarted(self) -> str | bytes:
        """Says that another client has restarted the kernel. For the extension of JupyterLab: others do not know the type."""
        return self._encode("kernelws_restarted", {}, None)

    def gap(self, gap: _core.Gap, value: Any) -> str | bytes:
        """The notice for a gap; ``value`` is that of the trait that it names."""
        text = left_out(gap.reason, gap.messages, gap.bytes, value)
        return self.stream(text + "\n", readable(self.session, gap.parent_header))

    def _encode(self, msg_type: str, content: dict[str, Any], parent: Any) -> str | bytes:
        message = self.session.msg(msg_type, content=content)
        message["parent_header"] = parent or {}  # not passed to Session.msg, which requires fields that kernels may omit
        message["header"]["session"] = self.kernel_session or message["header"]["session"]
        if self.protocol == "legacy":
            return _core.encode_legacy("iopub", json_parts(message))
        fields = ("header", "parent_header", "metadata", "content")
        return _core.encode_v1("iopub", [self.session.pack(message[field]) for field in fields])


def trait_of(reason: str) -> str:
    """The trait that the notice for this reason names."""
    return _WHY[reason][1]


def readable(session: Session, packed: Any) -> dict[str, Any]:
    """A packed header as a dictionary; empty if it cannot be read."""
    try:
        header = session.unpack(packed)
    except Exception:  # noqa: BLE001 - whatever the packer raises
        return {}
    return header if isinstance(header, dict) else {}
