"""Decides whether and when a session is sent ``restarting``.

``restarting`` tells a client that its pending requests will not be answered; JupyterLab then cancels them. An automatic restart
is announced to every session at once. A restart that a client asked for is announced after a delay, and not to a session that
has connected or sent a request since: its new requests would be cancelled too. The client that asked for the restart reconnects
by itself, so its session gets no announcement. Must not read a clock: times are arguments, in the event loop's seconds. Cost: a
comparison a restart.
"""

import math


def announce_at(*, began: float, up: float, delay: float, attached_at: float, requested_at: float) -> float:
    """Returns when to announce a client's restart to one session; infinity means never.

    ``began``: when the kernel manager's restart call returned. ``up``: when the new process ran. ``delay``:
    ``restart_announce_delay``. ``attached_at`` and ``requested_at``: when the session's client last connected and last sent a
    request.
    """
    if delay <= 0 or max(attached_at, requested_at) >= began:
        return math.inf
    return up + delay


def repeat_at(*, attached_at: float, delay: float) -> float:
    """Returns when to repeat an announcement that may not have arrived before the connection was lost.

    ``attached_at``: when the client has connected again. ``delay``: ``restart_announce_delay``.
    """
    return attached_at + delay


def is_news(process: str | None, announced: str | None) -> bool:
    """Whether to announce the end of ``process``, given the process whose end was ``announced`` last.

    Both are the ``header.session`` of a process. If a new process dies before it has sent a message, ``process`` is still the
    old one, and the client must not get ``restarting`` twice.
    """
    return process is None or process != announced
