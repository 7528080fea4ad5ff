"""Activity and lifetime of feeds for a ``MappingKernelManager``, instead of a second IOPub subscription a kernel.

``with_feeds(cls)`` mixes this into whatever kernel manager class is configured. Upstream's activity watcher parses and
HMACs every message once more; here ``execution_state``, ``last_activity`` and ``last_kernel_activity`` follow, by the same
rules, from what the feed has read already. Culling and the REST models see no difference. The context that the kernels
share may have more sockets than libzmq's default. Must not touch messages, nor fail a server's start.
Cost: one rule a batch and kind of message; 200 KB for the sockets that there may be.
"""

import functools
from typing import Any

import zmq
from jupyter_core.utils import ensure_async
from jupyter_server._tz import utcnow
from traitlets import All

from .errors import UnsupportedScheme
from .kernel import restarts
from .kernel.kernel import Kernel, kernel_of, known_kernel
from .record.log_lines import shown

MAX_SOCKETS = 16_384
"""Sockets of the context that all kernels share: 5,000 clients with three each. libzmq's default ends at 341; it takes 12
bytes for each that there may be."""


@functools.cache
def with_feeds(manager_class: type) -> type:
    """``manager_class`` with feeds; the same class again if it has them. Configuration by its name still applies."""
    if issubclass(manager_class, FeedKernelManagerMixin):
        return manager_class
    return type(f"Kernelws{manager_class.__name__}", (FeedKernelManagerMixin, manager_class), {"__module__": __name__})


def allow_sockets(context: "zmq.Context[Any]", log: Any) -> None:
    """Lets a context have ``MAX_SOCKETS`` sockets, or more; in one that has a socket already libzmq changes nothing."""
    try:
        most = min(MAX_SOCKETS, context.get(zmq.SOCKET_LIMIT))
        if context.get(zmq.MAX_SOCKETS) < most:
            context.set(zmq.MAX_SOCKETS, most)
    except (zmq.ZMQError, RuntimeError) as error:  # pyzmq raises the latter for a context that is closed
        log.debug("the limit of ZMQ sockets stays as it is: %s", error)


def set_trait(owner: Any, name: str, value: Any) -> None:
    """Sets a trait to a value that it takes. Where nothing observes or validates it, traitlets' ten microseconds are saved."""
    values = getattr(owner, "_trait_values", {})
    watched = (
        (owner._trait_notifiers.get(name), owner._trait_notifiers.get(All), owner._trait_validators.get(name)) if values else ()
    )
    if name in values and not any(watched):
        values[name] = value
    else:
        setattr(owner, name, value)


class FeedKernelManagerMixin:
    """Overrides both names of each lifecycle method: upstream's are class-level aliases of their ``_async_`` twins."""

    log: Any
    context: Any
    _kernels: dict[str, Any]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        allow_sockets(self.context, self.log)
        # Upstream makes a new one where it finds the old one closed
        self.observe(lambda change: allow_sockets(change.new, self.log), "context")  # type: ignore[attr-defined]

    def start_watching_activity(self, kernel_id: str) -> None:
        """Opens the kernel's feed, or opens it again after its ports have changed."""
        self.log.debug("Watching kernel activity: %s", kernel_id)
        manager = self._kernels[kernel_id]
        manager.reason = ""
        manager.last_activity = utcnow()
        kernel = kernel_of(manager)
        kernel.managed = True
        kernel.watch(self)
        try:
            kernel.open()
        except UnsupportedScheme as error:  # nobody can connect either, and prepare() says so to each client
            self.log.error("no activity of kernel %s: %s", kernel_id, error)

    def stop_watching_activity(self, kernel_id: str) -> None:
        """The feed stays for its clients; it is closed once the kernel is gone."""
        manager = self._kernels[kernel_id]
        kernel = known_kernel(manager)
        if kernel is not None:
            kernel.unwatch()
        if getattr(manager, "_pending_restart_cleanup", None):
            manager._pending_restart_cleanup()

    def record_runs(self, kernel_manager: Any, runs: list[tuple[str, str | None, str | None]]) -> None:
        """Upstream's ``record_activity`` for the messages of a batch; a trait is set once, and where it changes."""
        before = state = kernel_manager.execution_state
        active = False
        for msg_type, parent_type, told in runs:
            of_tracked = self.track_message_type(parent_type)  # type: ignore[attr-defined]
            active = active or of_tracked or state == "busy" or self.track_message_type(msg_type)  # type: ignore[attr-defined]
            if msg_type != "status" or told is None:
                continue
            if of_tracked:
                state = told
            elif state == "starting" and told != "starting":
                state = "idle"  # as upstream: past starting is idle, unless a tracked message says otherwise
        if active:
            now = utcnow()
            set_trait(self, "last_kernel_activity", now)
            set_trait(kernel_manager, "last_activity", now)
        if state != before:
            kernel_manager.execution_state = state
            self.log.debug("activity on %s: %s", kernel_manager.kernel_id, shown(state))

    # the ends of a kernel and of an incarnation

    async def _async_restart_kernel(self, kernel_id: str, *args: Any, **kwargs: Any) -> Any:
        return await self._restart(super()._async_restart_kernel, kernel_id, *args, **kwargs)  # type: ignore[misc]

    async def restart_kernel(self, kernel_id: str, *args: Any, **kwargs: Any) -> Any:
        return await self._restart(super().restart_kernel, kernel_id, *args, **kwargs)  # type: ignore[misc]

    async def _restart(self, restart: Any, kernel_id: str, *args: Any, **kwargs: Any) -> Any:
        """``restart`` is upstream's; it returns a future of the restarted kernel, somebody else's may return anything."""
        kernel = self._kernel_of_id(kernel_id)
        kernel_session = None if kernel is None else restarts.begins(kernel)
        try:
            up = await ensure_async(restart(kernel_id, *args, **kwargs))
        except BaseException:
            if kernel is not None:
                restarts.failed(kernel)
            raise
        if kernel is not None:
            restarts.done(kernel, kernel_session, up)
        return up

    def interrupt_kernel(self, kernel_id: str, *args: Any, **kwargs: Any) -> Any:
        """Also shortens the text that waits of the cell that is interrupted."""
        kernel = self._kernel_of_id(kernel_id)
        if kernel is not None:
            restarts.interrupted(kernel)
        return super().interrupt_kernel(kernel_id, *args, **kwargs)  # type: ignore[misc]

    async def _async_shutdown_kernel(self, kernel_id: str, *args: Any, **kwargs: Any) -> Any:
        kernel = self._kernel_of_id(kernel_id)
        result = await super()._async_shutdown_kernel(kernel_id, *args, **kwargs)  # type: ignore[misc]
        self._end(kernel_id, kernel)
        return result

    async def shutdown_kernel(self, kernel_id: str, *args: Any, **kwargs: Any) -> Any:
        kernel = self._kernel_of_id(kernel_id)
        result = await ensure_async(super().shutdown_kernel(kernel_id, *args, **kwargs))  # type: ignore[misc]
        self._end(kernel_id, kernel)
        return result

    def remove_kernel(self, kernel_id: str) -> Any:
        """Also called when a kernel has died: what it published last is delivered, then its feed and buffer are freed."""
        kernel = self._kernel_of_id(kernel_id)
        result = super().remove_kernel(kernel_id)  # type: ignore[misc]
        self._end(kernel_id, kernel)
        return result

    def _kernel_of_id(self, kernel_id: str) -> Kernel | None:
        manager = self._kernels.get(kernel_id)
        return None if manager is None else known_kernel(manager)

    def _end(self, kernel_id: str, kernel: Kernel | None) -> None:
        if kernel_id in self._kernels:
            return
        if kernel is not None and not kernel.closed():
            kernel.feed.after_drain(kernel.close)
