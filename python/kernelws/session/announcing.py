"""Whether and when a session is sent ``restarting``.

Pure: times are arguments, in the event loop's seconds. An automatic restart is news for every session. A restart that a client
asked for is not for that client, which reconnects by itself, nor for a session that has connected or asked for work since:
JupyterLab drops what it waits for when it is told. The others are told after a delay, since their requests will never be
answered.
"""

import math


def announce_at(*, began: float, up: float, delay: float, attached_at: float, requested_at: float) -> float:
    """When a session is told of a restart that a client asked for; infinity: never.

    ``began`` and ``up`` are when the restart was done and when the new process ran, ``delay`` is ``restart_announce_delay`` (0:
    never), ``attached_at`` and ``requested_at`` when the session's client last connected and last asked for work.
    """
    if delay <= 0 or max(attached_at, requested_at) >= began:
        return math.inf
    return up + delay


def is_news(process: str | None, announced: str | None) -> bool:
    """Whether that ``process`` (its ``header.session``) is gone is news, where ``announced`` was announced to be gone last.

    That a process dies which nobody has heard, since the last one was announced, is none.
    """
    return process is None or process != announced
