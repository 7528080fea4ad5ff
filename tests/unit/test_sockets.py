"""How many ZMQ sockets a server may have: the limit of the context that a manager's kernels share.

Real managers and contexts, no kernels. Must not open connections. Cost: a context a test.
"""

import logging
from collections.abc import Iterator

import pytest
import zmq
from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager, MappingKernelManager

from kernelws.manager import MAX_SOCKETS, allow_sockets, with_feeds

DEFAULT = 1023
LOG = logging.getLogger("test")


@pytest.fixture
def context() -> Iterator["zmq.Context[zmq.Socket[bytes]]"]:
    context = zmq.Context()
    yield context
    context.destroy(linger=0)


@pytest.mark.parametrize("manager_class", [AsyncMappingKernelManager, MappingKernelManager])
def test_a_managers_context_may_have_many_sockets(manager_class: type) -> None:
    manager = with_feeds(manager_class)()
    assert manager.context.get(zmq.MAX_SOCKETS) == MAX_SOCKETS
    sockets = [manager.context.socket(zmq.DEALER) for _ in range(DEFAULT + 1)]
    for socket in sockets:
        socket.close(linger=0)


def test_a_context_that_is_made_anew_may_too() -> None:
    manager = with_feeds(MappingKernelManager)()
    manager.context.term()
    manager.context = manager._context_default()
    assert manager.context.get(zmq.MAX_SOCKETS) == MAX_SOCKETS


def test_a_higher_limit_stays(context: "zmq.Context[zmq.Socket[bytes]]") -> None:
    context.set(zmq.MAX_SOCKETS, 2 * MAX_SOCKETS)
    manager = with_feeds(MappingKernelManager)(context=context)
    assert manager.context.get(zmq.MAX_SOCKETS) == 2 * MAX_SOCKETS


def test_a_context_with_sockets_fails_nothing(context: "zmq.Context[zmq.Socket[bytes]]") -> None:
    with context.socket(zmq.DEALER):
        manager = with_feeds(MappingKernelManager)(context=context)
        with manager.context.socket(zmq.DEALER):
            pass


def test_a_closed_context_fails_nothing(caplog: pytest.LogCaptureFixture) -> None:
    context = zmq.Context()
    context.term()
    with caplog.at_level(logging.DEBUG):
        allow_sockets(context, LOG)
    assert "the limit of ZMQ sockets stays as it is" in caplog.text
