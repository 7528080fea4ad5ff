"""A mixin for kernel managers: takes a kernel's activity from its feed, and opens and closes the feed with the kernel.

Upstream's activity watcher subscribes to IOPub a second time, and parses and verifies every message again. This mixin sets
``execution_state``, ``last_activity`` and ``last_kernel_activity`` by the same rules, from the messages that the feed has
already read, so culling and the REST API behave as before. ``with_feeds(cls)`` mixes it into the configured kernel manager
class. It also raises the socket limit of the context that the kernels share.
Must not change messages, nor make a server's start fail.
Cost: one check for each run of equal messages in a batch; 200 KB for the higher socket limit.
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
"""Socket limit of the context that all kernels share: 5,000 clients with three sockets each. libzmq's default of 1,023 is
enough for 341 clients. libzmq allocates 12 bytes for each socket that the limit allows."""


@functools.cache
def with_feeds(manager_class: type) -> type:
    """A subclass of ``manager_class`` with the mixin, or ``manager_class`` itself if it has the mixin already.

    Configuration for ``manager_class`` applies to the subclass too.
    """
    if issubclass(manager_class, FeedKernelManagerMixin):
        return manager_class
    return type(f"Kernelws{manager_class.__name__}", (FeedKernelManagerMixin, manager_class), {"__module__": __name__})


def allow_sockets(context: "zmq.Context[Any]", log: Any) -> None:
    """Raises the context's socket limit to ``MAX_SOCKETS``. libzmq ignores this once the context has a socket."""
    try:
        most = min(MAX_SOCKETS, context.get(zmq.SOCKET_LIMIT))
        if context.get(zmq.MAX_SOCKETS) < most:
            context.set(zmq.MAX_SOCKETS, most)
    except (zmq.ZMQError, RuntimeError) as error:  # pyzmq raises RuntimeError for a closed context
        log.debug("the limit of ZMQ sockets stays as it is: %s", error)


def set_trait(owner: Any, name: str, value: Any) -> None:
    """Sets a trait to a valid value. Bypasses traitlets, which takes 10 us, if no code observes or validates the trait."""
    values = getattr(owner, "_trait_values", {})
    watched = (
        (owner._trait_notifiers.get(name), owner._trait_notifiers.get(All), owner._trait_validators.get(name)) if values else ()
    )
    if name in values and not any(watched):
        values[name] = value
    else:
        setattr(owner, name, value)


class FeedKernelManagerMixin:
    """Overrides ``restart_kernel`` and ``shutdown_kernel`` also under their ``_async_`` names: upstream they are aliases."""

    log: Any
    context: Any
    _kernels: dict[str, Any]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        allow_sockets(self.context, self.log)
        # Upstream replaces a closed context by a new one
        self.observe(lambda change: allow_sockets(change.new, self.log), "context")  # type: ignore[attr-defined]

    def start_watching_activity(self, kernel_id: str) -> None:
        """Opens the kernel's feed, or reopens it after the kernel's ports have changed."""
        self.log.debug("Watching kernel activity: %s", kernel_id)
        manager = self._kernels[kernel_id]
        manager.reason = ""
        manager.last_activity = utcnow()
        kernel = kernel_of(manager)
        kernel.managed = True
        kernel.watch(self)
        try:
            kernel.open()
        except UnsupportedScheme as error:  # prepare() sends each client an HTTP error for the same reason
            self.log.error("no activity is recorded for kernel %s: %s", kernel_id, error)

    def stop_watching_activity(self, kernel_id: str) -> None:
        """Stops recording activity. The feed stays open for its clients until the kernel has ended."""
        manager = self._kernels[kernel_id]
        kernel = known_kernel(manager)
        if kernel is not None:
            kernel.unwatch()
        if getattr(manager, "_pending_restart_cleanup", None):
            manager._pending_restart_cleanup()

    def record_runs(self, kernel_manager: Any, runs: list[tuple[str, str | None, str | None]]) -> None:
        """Upstream's ``record_activity`` for a whole batch: sets each trait at most once.

        ``runs`` are ``(msg_type, parent's msg_type, execution_state of a status)``, as ``Batch.activity`` returns them.
        """
        before = state = kernel_manager.execution_state
        active = False
        for msg_type, parent_type, status in runs:
            of_tracked = self.track_message_type(parent_type)  # type: ignore[attr-defined]
            active = active or of_tracked or state == "busy" or self.track_message_type(msg_type)  # type: ignore[attr-defined]
            if msg_type != "status" or status is None:
                continue
            if of_tracked:
                state = status
            elif state == "starting" and status != "starting":
                state = "idle"  # as upstream: a status with an untracked parent only ends "starting"
        if active:
            now = utcnow()
            set_trait(self, "last_kernel_activity", now)
            set_trait(kernel_manager, "last_activity", now)
        if state != before:
            kernel_manager.execution_state = state
            self.log.debug("activity on %s: %s", kernel_manager.kernel_id, shown(state))

    # restart, interrupt, shutdown

    async def _async_restart_kernel(self, kernel_id: str, *args: Any, **kwargs: Any) -> Any:
        return await self._restart(super()._async_restart_kernel, kernel_id, *args, **kwargs)  # type: ignore[misc]

    async def restart_kernel(self, kernel_id: str, *args: Any, **kwargs: Any) -> Any:
        return await self._restart(super().restart_kernel, kernel_id, *args, **kwargs)  # type: ignore[misc]

    async def _restart(self, restart: Any, kernel_id: str, *args: Any, **kwargs: Any) -> Any:
        """``restart`` is the parent class's method. Upstream's returns a future; that of another class may return any value."""
        kernel = self._kernel_of_id(kernel_id)
        kernel_session = None if kernel is None else restarts.begins(kernel)
        try:
            result = await ensure_async(restart(kernel_id, *args, **kwargs))
        except BaseException:
            if kernel is not None:
                restarts.failed(kernel)
            raise
        if kernel is not None:
            restarts.done(kernel, kernel_session, result)
        return result

    def interrupt_kernel(self, kernel_id: str, *args: Any, **kwargs: Any) -> Any:
        """Also shortens the interrupted cell's queued text."""
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
        """Also called when a kernel has died: delivers its last messages, closes its feed and ends its detached sessions."""
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
