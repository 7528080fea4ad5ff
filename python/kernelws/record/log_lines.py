"""Makes text from clients and kernels safe for the log: escaped, short, and without the query of a request.

Names that a client or a kernel chooses may have line breaks, terminal sequences and lone surrogates; a request's query may have
the token. Must not decide what is logged. Cost: one pass over the characters.
"""

from types import SimpleNamespace
from typing import Any

from tornado.web import RequestHandler

SHOWN = 64
"""The most characters that a log line shows of a name from outside, such as a channel or a message type."""
KEY_SHOWN = 128
"""The same for a session's key, which has two UUIDs and a colon: 73 characters."""


def shown(text: str, most: int = SHOWN) -> str:
    """``text`` in printable ASCII, on one line. ``...`` replaces what exceeds ``most`` characters."""
    rest = "..." if len(text) > most else ""
    return text[:most].encode("unicode_escape").decode("ascii") + rest


def shown_key(key: str) -> str:
    """A session's key for the log. Its second half is chosen by the client."""
    return shown(key, KEY_SHOWN)


def hide_query(handler: Any) -> None:
    """Makes tornado log this handler's exceptions without the request's query, unless its class overrides ``log_exception``."""
    if handler is None or type(handler).log_exception is not RequestHandler.log_exception:
        return
    request = handler.request

    def log_exception(*exception: Any) -> None:
        summary = f"{request.method} {shown(request.path, KEY_SHOWN)} ({request.remote_ip})"
        stand_in: Any = SimpleNamespace(_request_summary=lambda: summary, request=request.path)
        RequestHandler.log_exception(stand_in, *exception)

    handler.log_exception = log_exception
