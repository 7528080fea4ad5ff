"""One log line a server that says that kernel connections go through kernelws, and what of it is in use.

Where the extension is loaded it says so when the server starts; where the class is set by configuration alone (Jupyter Kernel
Gateway knows no extensions) nobody is asked before the first connection, so the line comes then. Must not decide anything.
"""

from collections.abc import MutableSet
from logging import Logger
from typing import Any
from weakref import WeakSet

from .._core import __version__
from ..kernel_to_client.intake import choose

_said: MutableSet[Any] = WeakSet()
"""The kernel managers of the servers that have said it."""


def active(log: Logger, used: type, kernel_manager: Any) -> None:
    """Logs the line, once for each server's kernel manager."""
    if kernel_manager in _said:
        return
    _said.add(kernel_manager)
    log.info(
        "kernelws %s is active on kernel connections (%s), kernel manager %s, receive path: %s",
        __version__,
        name_of(used),
        name_of(type(kernel_manager)),
        choose().reason,
    )


def name_of(cls: Any) -> str:
    """The class's full name; what is no class as it is."""
    return f"{cls.__module__}.{cls.__qualname__}" if isinstance(cls, type) else repr(cls)
