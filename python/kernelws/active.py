"""The log lines at a server's start: that kernelws serves its kernel connections, and which settings are wrong.

The extension logs them when the server starts. Where only configuration sets the class (Jupyter Kernel Gateway loads no
extensions), the first connection logs them. Must not decide anything.
"""

from logging import Logger
from typing import Any

from . import settings
from ._core import __version__
from .session.registry import registry_of
from .sockets.transport import choose


def log_startup(log: Logger, used: Any, kernel_manager: Any, config: Any) -> None:
    """Logs the lines once for each multi kernel manager. ``used`` is the connection class, ``config`` the server's."""
    registry = registry_of(kernel_manager)
    if registry.announced:
        return
    registry.announced = True
    log.info(
        "kernelws %s is active on kernel connections (%s), kernel manager %s, receive path: %s",
        __version__,
        name_of(used),
        name_of(type(kernel_manager)),
        choose().reason,
    )
    for finding in settings.of_server(used, kernel_manager, config):
        if finding.allowed:
            log.error("a setting of ZMQChannelsWebsocketConnection is not valid: %s", finding.sentence)
        else:
            log.warning("a setting of ZMQChannelsWebsocketConnection is not known: %s", finding.sentence)


def name_of(cls: Any) -> str:
    """The full name of a class, or the repr of anything else."""
    return f"{cls.__module__}.{cls.__qualname__}" if isinstance(cls, type) else repr(cls)
