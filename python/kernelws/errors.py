"""The exceptions of kernelws, declared here and raised from Rust and Python alike.

::

    KernelwsError
    +-- MalformedMessage(ValueError)      a message or frame that is not what its protocol says
    |   +-- SignatureError                unsigned, wrongly signed, or signed like an earlier message
    +-- UnsupportedScheme(ValueError)     a signature scheme that cannot be computed
    +-- IntakeUnavailable(RuntimeError)   libzmq's own functions cannot be reached in this process
    +-- ChannelUnavailable(RuntimeError)  a socket to the kernel cannot be opened
    +-- OutboxFailed(RuntimeError)        an outbox has given up what it held, after a mistake of ours

Each is a subclass of what upstream raises in the same place. A sentence says what was wrong, never what the message
contained and never a key: it is meant to be logged.
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
    """Whatever kernelws raises on purpose."""


class MalformedMessage(KernelwsError, ValueError):
    """A message from a kernel or a frame from a client that is set aside.

    ``kind`` is a short stable word (``"short_frame"``, ``"no_delimiter"``, ...), ``sentence`` is for people.
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
    """The native receive path cannot run here; the sentence says why."""


class ChannelUnavailable(KernelwsError, RuntimeError):
    """The socket of a channel cannot be opened; the sentence names the channel and says why."""


class OutboxFailed(KernelwsError, RuntimeError):
    """Work on a session's outbox panicked, now or before: the session has to end, and to say that output is missing."""
