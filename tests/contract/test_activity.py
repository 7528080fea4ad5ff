"""Activity from the feed: states and times as in upstream's ``record_activity``; culling and the REST models as before.

The same message sequences go through upstream's ``record_activity`` and ours, and must give the same states and timestamps.
Upstream's is called: it is the callback that its manager sets on an IOPub stream.
"""

import asyncio
import datetime as dt
from collections.abc import Callable, Iterator
from typing import Any

import jupyter_server.services.kernels.kernelmanager as upstream
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jupyter_client.session import Session
from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager, MappingKernelManager

import kernelws.manager as ours
from kernelws import _core
from kernelws.kernel.kernel import kernel_of
from kernelws.manager import FeedKernelManagerMixin, with_feeds
from tests.support.fake_kernel import FakeKernel
from tests.support.server import Server
from tests.support.wait import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

TYPES = ["status", "stream", "execute_input", "comm_msg", "display_data", "custom_message", "iopub_welcome", "error"]
PARENTS = ["execute_request", "kernel_info_request", "comm_msg", "shutdown_request", "custom_request", None]
STATES = ["starting", "busy", "idle", "restarting", "anything"]
EVENTS = st.lists(st.tuples(st.sampled_from(TYPES), st.sampled_from(PARENTS), st.sampled_from(STATES)), min_size=1, max_size=30)


class Clock:
    """Replaces ``utcnow`` for both implementations; moves only by ``tick``."""

    def __init__(self) -> None:
        self.now = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)

    def __call__(self) -> dt.datetime:
        return self.now

    def tick(self) -> None:
        self.now += dt.timedelta(seconds=1)


class Kernel:
    """The part of a kernel manager that the recording of activity uses."""

    def __init__(self, session: Session) -> None:
        self.kernel_id, self.session = "k", session
        self.execution_state, self.reason = "starting", ""
        self.last_activity: Any = None
        self.record: Callable[[list[bytes]], None] = lambda frames: None

    def connect_iopub(self) -> Any:
        """Upstream's watcher calls ``on_recv`` on what this returns."""

        class Stream:
            def on_recv(stream, callback: Any) -> None:  # noqa: N805 - the kernel is self
                self.record = callback

        return Stream()

    def state(self, manager: Any) -> tuple[Any, ...]:
        return self.execution_state, self.last_activity, manager.last_kernel_activity


@pytest.fixture
def clock() -> Iterator[Clock]:
    clock = Clock()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(upstream, "utcnow", clock)
        patch.setattr(ours, "utcnow", clock)
        yield clock


def watched(clock: Clock, manager: Any, session: Session) -> Kernel:
    """A kernel that the manager's own watcher, or our mixin's recorder, follows."""
    kernel = Kernel(session)
    manager._kernels = {"k": kernel}
    if isinstance(manager, FeedKernelManagerMixin):
        kernel.last_activity = clock()
    else:
        manager.start_watching_activity("k")
    return kernel


class Recorder(FeedKernelManagerMixin, MappingKernelManager):  # type: ignore[misc] # overrides, as it says
    """Ours, without a server."""


@pytest.mark.parametrize("batch_size", [1, 7, 100])
async def test_states_and_times_are_upstreams(clock: Clock, batch_size: int) -> None:
    """All messages of a batch have the same time, and each batch has a later one."""
    session = Session(key=b"k")

    @settings(max_examples=150, deadline=None, database=None)
    @given(EVENTS)
    def compare(events: list[tuple[str, str | None, str]]) -> None:
        theirs, mine = MappingKernelManager(), Recorder()
        one, other = watched(clock, theirs, session), watched(clock, mine, session)
        receiver = _core.Receiver(b"k", "hmac-sha256")
        for start in range(0, len(events), batch_size):
            clock.tick()
            messages = [serialized(session, *event) for event in events[start : start + batch_size]]
            for frames in messages:
                one.record(frames)
            batch = receiver.split("iopub", messages)
            mine.record_runs(other, batch.activity())
            assert one.state(theirs) == other.state(mine)

    compare()


def serialized(session: Session, msg_type: str, parent: str | None, state: str) -> list[bytes]:
    content = {"execution_state": state} if msg_type == "status" else {}
    message = session.msg(msg_type, content, parent=None if parent is None else session.msg_header(parent))
    frames: list[bytes] = session.serialize(message, ident=b"topic")
    return frames


async def test_record_activity_no_longer_runs(server: Server, fake: tuple[str, FakeKernel]) -> None:
    """``record_activity`` no longer runs: there is no second IOPub subscriber."""
    kernel_id, kernel = fake
    assert isinstance(server.app.kernel_manager, FeedKernelManagerMixin)
    assert getattr(server.kernels.get_kernel(kernel_id), "_activity_stream", None) is None
    assert kernel.subscribed == 1


async def test_the_rest_model_follows_the_kernel(server: Server, fake: tuple[str, FakeKernel]) -> None:
    """``execution_state``, ``last_activity`` and ``connections`` of the REST API, without any client."""
    kernel_id, kernel = fake
    manager = server.kernels.get_kernel(kernel_id)
    parent = kernel.session.msg("execute_request")["header"]
    first = (await server.rest(f"kernels/{kernel_id}"))["last_activity"]
    for state in ("busy", "idle"):
        kernel.status(state, parent)
        await eventually(lambda state=state: manager.execution_state == state, state)  # type: ignore[misc]
        model = await server.rest(f"kernels/{kernel_id}")
        assert model["execution_state"] == state
        assert model["connections"] == 0
        assert model["last_activity"] > first


async def test_kernel_info_is_no_activity(server: Server, fake: tuple[str, FakeKernel]) -> None:
    """Upstream's ``untracked_message_types``: probes and clients' kernel_info keep no kernel from being culled."""
    kernel_id, kernel = fake
    manager = server.kernels.get_kernel(kernel_id)
    client = await server.live(kernel_id)
    idle = kernel.status("idle")
    await client.until(lambda message: message.header["msg_id"] == idle["header"]["msg_id"])
    before = manager.last_activity
    await client.idle(await client.send("kernel_info_request"))
    assert manager.last_activity == before
    assert manager.execution_state == "idle"


@pytest.mark.parametrize("busy", [False, True])
async def test_culling_works_as_before(server: Server, busy: bool) -> None:
    """An idle kernel is culled, a busy one is not."""
    kernel_id, kernel = await server.start_fake()
    manager = server.kernels.get_kernel(kernel_id)
    if busy:
        kernel.status("busy", kernel.session.msg("execute_request")["header"])
    else:
        kernel.status("idle")
    wanted = "busy" if busy else "idle"
    await eventually(lambda: manager.execution_state == wanted, wanted)
    manager.last_activity -= dt.timedelta(seconds=100)
    with server.kernels_with(cull_idle_timeout=50):
        await server.kernels.cull_kernel_if_idle(kernel_id)
    assert (kernel_id in server.kernels) == busy
    if busy:
        await server.kernels.shutdown_kernel(kernel_id, now=True)


async def test_a_connected_kernel_is_culled_only_if_that_is_wanted(server: Server, fake: tuple[str, FakeKernel]) -> None:
    """``cull_connected``: the count of connections is right."""
    kernel_id, _ = fake
    manager = server.kernels.get_kernel(kernel_id)
    client = await server.live(kernel_id)
    manager.last_activity -= dt.timedelta(seconds=100)
    with server.kernels_with(cull_idle_timeout=50):
        await server.kernels.cull_kernel_if_idle(kernel_id)
        assert kernel_id in server.kernels
        connection = server.connection(kernel_id, client)
        await client.close()
        await asyncio.wrap_future(connection._close_future)
        await server.kernels.cull_kernel_if_idle(kernel_id)
        assert kernel_id not in server.kernels


async def test_the_mixin_keeps_configuration_and_both_names() -> None:
    """``start_kernel``, ``restart_kernel``, ``shutdown_kernel`` are aliases of their ``_async_`` twins."""
    mixed = with_feeds(AsyncMappingKernelManager)
    assert with_feeds(mixed) is mixed
    assert with_feeds(AsyncMappingKernelManager) is mixed
    assert issubclass(mixed, AsyncMappingKernelManager)
    for name in ("restart_kernel", "shutdown_kernel"):
        for method in (name, f"_async_{name}"):
            assert getattr(mixed, method) is not getattr(AsyncMappingKernelManager, method), method


@pytest.mark.parametrize("method", ["shutdown_kernel", "_async_shutdown_kernel"])
async def test_both_names_of_shutdown_end_the_feed(server: Server, method: str) -> None:
    """Whoever calls either name, the feed is closed and the buffer freed."""
    kernel_id, _ = await server.start_fake()
    feed = kernel_of(server.kernels.get_kernel(kernel_id))
    await getattr(server.kernels, method)(kernel_id, now=True)
    assert feed.closed()


@pytest.mark.parametrize("method", ["restart_kernel", "_async_restart_kernel"])
async def test_both_names_of_restart_announce_an_incarnation(server: Server, fake: tuple[str, FakeKernel], method: str) -> None:
    """The feed is unproven from the call on."""
    kernel_id, kernel = fake
    kernel.plan.welcome = False
    kernel.plan.announces = False
    feed = kernel_of(server.kernels.get_kernel(kernel_id))
    await server.live(kernel_id)
    assert feed.proven
    await getattr(server.kernels, method)(kernel_id)
    assert not feed.proven
