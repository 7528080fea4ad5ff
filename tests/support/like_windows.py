"""Takes away from this process what Windows lacks, as soon as it is imported: functions, modules, and half of the event loop.

Windows's event loop, Proactor, has no ``add_reader``: tornado and pyzmq watch ZMQ sockets with ``select`` in a thread of their
own. tests/bridge/test_doctor.py runs a server with this file as its ``sitecustomize``. To run other tests so:
``KERNELWS_RECEIVE=fallback .venv/bin/python -m pytest -p tests.support.like_windows tests/contract``.
Must not import kernelws, because kernels import this file too. Cost: a thread for each event loop with ZMQ sockets.
"""

import asyncio
import os
import sys
from typing import Any, NoReturn

import zmq.asyncio

FUNCTIONS = ("pwritev", "preadv", "pread", "writev", "getpriority", "setpriority", "confstr_names")
"""Of ``os``. ``statvfs`` stays: only ``shutil.disk_usage`` calls it, which works on Windows too."""
MODULES = ("resource", "fcntl", "grp", "pwd")


def _missing(*_arguments: object) -> NoReturn:
    raise NotImplementedError


_MISSING: Any = _missing


class ProactorEventLoop(asyncio.SelectorEventLoop):
    """This system's event loop with the gaps of Windows's."""

    add_reader = add_writer = add_signal_handler = _MISSING


class _Policy(asyncio.DefaultEventLoopPolicy):
    _loop_factory = ProactorEventLoop


def _take_away(system: Any) -> None:
    for name in FUNCTIONS:
        delattr(os, name)
    for name in MODULES:
        system.modules[name] = None
    events: Any = asyncio
    events.ProactorEventLoop = ProactorEventLoop  # tornado and pyzmq look for it
    events.set_event_loop_policy(_Policy())
    sockets: Any = zmq.asyncio
    sockets._get_selector = sockets._get_selector_windows


_take_away(sys)
