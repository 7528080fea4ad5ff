"""What others wrote, as a log line may show it: escaped, short, and without the query of a request.

A client or a kernel may write line breaks, terminal sequences and lone surrogates into its names; a query holds the token.
Must not decide what is logged. Cost: a look at each character.
"""

from types import SimpleNamespace
from typing import Any

from tornado.web import RequestHandler

SHOWN = 64
"""Characters of a name that somebody else chose (a channel, a message type) that a line shows at most."""
KEY_SHOWN = 128
"""Those of a session's key: two UUIDs and a colon have 73."""


def shown(text: str, most: int = SHOWN) -> str:
    """``text`` in printable ASCII, on one line; ``...`` stands for what is more than ``most`` characters."""
    rest = "..." if len(text) > most else ""
    return text[:most].encode("unicode_escape").decode("ascii") + rest


def shown_key(key: str) -> str:
    """A session's key: the second half of it is whatever its client calls itself."""
    return shown(key, KEY_SHOWN)


def hide_query(handler: Any) -> None:
    """What tornado logs of an exception in this handler names its path alone; one that logs by itself is left alone."""
    if handler is None or type(handler).log_exception is not RequestHandler.log_exception:
        return
    request = handler.request

    def log_exception(*exception: Any) -> None:
        summary = f"{request.method} {shown(request.path, KEY_SHOWN)} ({request.remote_ip})"
        stand_in: Any = SimpleNamespace(_request_summary=lambda: summary, request=request.path)
        RequestHandler.log_exception(stand_in, *exception)

    handler.log_exception = log_exception
