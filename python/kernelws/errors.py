"""The exceptions of kernelws, declared here and raised from Rust and Python alike.

::

    KernelwsError
    +-- MalformedMessage(ValueError)      a message or frame breaks its protocol
    |   +-- SignatureError                a signature is missing, wrong, or was used before
    +-- UnsupportedScheme(ValueError)     a signature scheme cannot be computed
    +-- IntakeUnavailable(RuntimeError)   libzmq's own functions cannot be called in this process
    +-- ChannelUnavailable(RuntimeError)  a socket to the kernel cannot be opened
    +-- OutboxFailed(RuntimeError)        a bug in kernelws made an outbox discard its messages

Each is a subclass of what upstream raises in the same place. The texts go to the log, so they must not contain keys or the
contents of messages.
"""

__all__ = [
    "ChannelUnavailable",
    "IntakeUnavailable",
    "KernelwsError",
    "MalformedMessage",
    "OutboxFailed",
    "SignatureError",
    "UnsupportedScheme",
]


class KernelwsError(Exception):
    """The base class of all exceptions that kernelws raises on purpose."""


class MalformedMessage(KernelwsError, ValueError):
    """A message from a kernel or a frame from a client that is dropped.

    ``kind`` is a short stable word (``"short_frame"``, ``"no_delimiter"``, ...) for programs, ``sentence`` a text for people.
    """

    def __init__(self, kind: str, sentence: str) -> None:
        super().__init__(sentence)
        self.kind = kind
        self.sentence = sentence


class SignatureError(MalformedMessage):
    """The signature is missing, wrong, or was seen before."""


class UnsupportedScheme(KernelwsError, ValueError):
    """The signature scheme is not ``hmac-`` and a fixed-length digest of hashlib."""


class IntakeUnavailable(KernelwsError, RuntimeError):
    """The native receive path cannot run here; the message says why."""


class ChannelUnavailable(KernelwsError, RuntimeError):
    """The socket of a channel cannot be opened; the message names the channel and the reason."""


class OutboxFailed(KernelwsError, RuntimeError):
    """A session's outbox panicked, in this call or an earlier one. The caller ends the session and tells its client that output
    is missing."""
