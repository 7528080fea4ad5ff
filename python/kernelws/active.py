"""One log line a server that says that kernel connections go through kernelws, and one for each setting that is wrong.

Where the extension is loaded it says so when the server starts; where the class is set by configuration alone (Jupyter Kernel
Gateway knows no extensions) nobody is asked before the first connection, so the line comes then. Must not decide anything.
"""

from logging import Logger
from typing import Any

from . import settings
from ._core import __version__
from .session.registry import registry_of
from .sockets.transport import choose


def log_startup(log: Logger, used: Any, kernel_manager: Any, config: Any) -> None:
    """Logs the lines, once for each server's kernel manager."""
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
        _wrong(log, finding)


def _wrong(log: Logger, finding: settings.Finding) -> None:
    if finding.allowed:
        log.error("a setting of ZMQChannelsWebsocketConnection is not valid: %s", finding.sentence)
    else:
        log.warning("a setting of ZMQChannelsWebsocketConnection is not known: %s", finding.sentence)


def name_of(cls: Any) -> str:
    """The class's full name; what is no class as it is."""
    return f"{cls.__module__}.{cls.__qualname__}" if isinstance(cls, type) else repr(cls)
