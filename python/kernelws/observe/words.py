"""Texts for each kind of fault and state, with the trait that would change it. The status page shows them.

The kinds are also labels of the metrics. Must not contain numbers, names or contents of messages: all users who may read the
kernels API see the texts. Cost: a dictionary.
"""

from typing import NamedTuple

BRIDGE = "ZMQChannelsWebsocketConnection"


class Advice(NamedTuple):
    """A text, and the trait to change; ``""`` if no setting would change it."""

    words: str
    trait: str = ""


_DROPPED = "{} was dropped: "
_KERNELS = _DROPPED.format("A message of the kernel")
_EITHER = _DROPPED.format("A message")
_CLIENTS = _DROPPED.format("A message of a client")

FAULTS = {
    "unsigned": Advice(_KERNELS + "it is not signed", f"{BRIDGE}.verify_signatures"),
    "bad_signature": Advice(_KERNELS + "its signature is invalid", f"{BRIDGE}.verify_signatures"),
    "duplicate": Advice(_KERNELS + "its signature was seen before", f"{BRIDGE}.verify_signatures"),
    "no_delimiter": Advice(_KERNELS + "it has no <IDS|MSG> delimiter"),
    "missing_parts": Advice(_EITHER + "it has fewer than four parts"),
    "short_frame": Advice(_CLIENTS + "it is shorter than its offsets say"),
    "trailing_bytes": Advice(_CLIENTS + "it has bytes after its last part"),
    "offset_count": Advice(_CLIENTS + "its number of offsets is larger than the message"),
    "first_offset": Advice(_CLIENTS + "its first offset does not point to the end of the offsets"),
    "descending_offset": Advice(_CLIENTS + "its offsets do not ascend"),
    "channel_not_utf8": Advice(_CLIENTS + "its channel is not UTF-8"),
    "channel_not_string": Advice(_CLIENTS + "its channel is not a string"),
    "not_utf8": Advice(_EITHER + "it is not UTF-8"),
    "not_json": Advice(_EITHER + "a part is not JSON"),
    "too_deep": Advice(_EITHER + "its JSON is nested too deep"),
    "not_object": Advice(_EITHER + "a part is JSON, but not an object"),
    "no_member": Advice(_EITHER + "a required field is missing"),
    "msg_type_not_string": Advice(_EITHER + "its msg_type is not a string"),
    "buffers_in_text": Advice(_CLIENTS + "it is text and has buffers"),
    "too_many_buffers": Advice(_CLIENTS + "it has too many buffers"),
    "too_long": Advice(_KERNELS + "it is too long for the legacy subprotocol"),
    "unreadable": Advice(_KERNELS + "the Session cannot read it", "Session.unpacker"),
    "bad_header": Advice(_CLIENTS + "its header cannot be read", "Session.unpacker"),
    "text_on_v1": Advice(_CLIENTS + "it is text, but the v1 subprotocol is binary"),
    "no_channel": Advice("A message of a client named no channel and was sent to shell"),
    "unknown_channel": Advice(_CLIENTS + "its channel does not exist"),
    "iopub_from_client": Advice(_CLIENTS + "iopub takes no messages from clients"),
    "type_not_allowed": Advice(_CLIENTS + "its type is not allowed", "MappingKernelManager.allowed_message_types"),
    "ambiguous_type": Advice(_CLIENTS + "its header has two types", "MappingKernelManager.allowed_message_types"),
    "not_sent": Advice("A message of a client could not be sent to the kernel"),
    "too_big": Advice("A message of a client was too big and ended its connection", f"{BRIDGE}.max_message_size"),
}
"""The kinds that ``FaultLog.add`` counts, which are the values of the metrics' label ``kind``."""

SIGNATURES = frozenset({"unsigned", "bad_signature"})
REPLAY = "duplicate"

LEFT_OUT = {
    "rate": Advice("Output was left out: it came faster than the rate limits let through", f"{BRIDGE}.stream_backlog_limit"),
    "slow_client": Advice("Output was left out: the client did not keep up", f"{BRIDGE}.stream_backlog_limit"),
    "detached": Advice("Output was left out: no client was connected", f"{BRIDGE}.stream_backlog_limit"),
    "full": Advice("Output was left out: the session's outbox was full", f"{BRIDGE}.session_memory_limit"),
    "lost": Advice("Output was left out: what was on disk could not be read back", f"{BRIDGE}.spool_dir"),
    "restarted": Advice("Output of a process that a client has restarted was left out", f"{BRIDGE}.drop_output_on_restart"),
    "interrupted": Advice("Text of a cell that was interrupted was left out", f"{BRIDGE}.interrupt_backlog_limit"),
}

OTHERS = {
    "disk": Advice("Queued output cannot be written to disk or read back", f"{BRIDGE}.spool_dir"),
    "kernel_silent": Advice("The kernel did not answer in time", "MappingKernelManager.kernel_info_timeout"),
    "intake_lag": Advice("The kernel sends faster than this server reads", f"{BRIDGE}.intake_lag_limit"),
    "suspected_loss": Advice(
        "Messages were probably lost in the kernel, before they reached this server: its own send queue (SNDHWM) was full"
    ),
}

STATES = {
    "held": Advice("over the rate limits", f"{BRIDGE}.iopub_msg_rate_limit, iopub_data_rate_limit"),
    "slow": Advice("the client does not acknowledge", f"{BRIDGE}.write_high_water"),
    "detached": Advice("no client is connected", f"{BRIDGE}.resume_timeout"),
    "silent": Advice("the client answers no pings", f"{BRIDGE}.ack_timeout"),
}
"""The states of a session other than connected, and of a connected one that answers no pings."""

_ALL = FAULTS | LEFT_OUT | OTHERS


def advice(kind: str) -> Advice:
    """The text for a ``LastFault`` of this kind, also if the kind is unknown."""
    return _ALL.get(kind) or Advice(f"Something went wrong ({kind})")
