"""The configurable traits of the connection class: upstream's, with its names, defaults and help, and kernelws's own.

Must hold no behaviour. ``c.ZMQChannelsWebsocketConnection.<trait>`` sets them, upstream's deprecated ``ServerApp`` names too.
"""

from concurrent.futures import Future
from typing import Any as AnyType

from jupyter_server.services.kernels.connection.base import BaseKernelWebsocketConnection
from jupyter_server.services.kernels.websocket import KernelWebsocketHandler
from jupyter_server.transutils import _i18n
from traitlets import Any, Bool, Dict, Float, Instance, Unicode, default


class ConnectionTraits(BaseKernelWebsocketConnection):
    """See the head of the file."""

    limit_rate = Bool(
        True,
        config=True,
        help=_i18n(
            "Whether to limit the rate of IOPub messages (default: True). "
            "If True, use iopub_msg_rate_limit, iopub_data_rate_limit and/or rate_limit_window "
            "to tune the rate."
        ),
    )

    iopub_msg_rate_limit = Float(
        1000,
        config=True,
        help=_i18n(
            """(msgs/sec)
        Maximum rate at which messages can be sent on iopub before they are
        limited."""
        ),
    )

    iopub_data_rate_limit = Float(
        1000000,
        config=True,
        help=_i18n(
            """(bytes/sec)
        Maximum rate at which stream output can be sent on iopub before they are
        limited."""
        ),
    )

    rate_limit_window = Float(
        3,
        config=True,
        help=_i18n(
            """(sec) Time window used to
        check the message and data rate limits."""
        ),
    )

    verify_signatures = Bool(
        True,
        config=True,
        help="""Whether the signature of every message from the kernel is checked, in both subprotocols, and a replayed
        message refused. If False, only legacy connections check, as jupyter_server does.""",
    )

    intake_lag_limit = Float(
        1.0,
        config=True,
        help="""(sec) When the server stays behind a kernel's output for longer than this, that kernel's output gets
        more of the event loop's time, up to a cap, and a warning is logged.""",
    )

    websocket_handler = Instance(KernelWebsocketHandler)
    channels = Dict({})
    kernel_info_channel = Any(allow_none=True)
    session_key = Unicode("")

    _kernel_info_future = Instance(klass=Future)
    _close_future = Instance(klass=Future)

    @default("_kernel_info_future")
    def _default_kernel_info_future(self) -> "Future[AnyType]":
        """Completed by the first kernel_info reply, by the time-out of ``prepare``, or by ``disconnect``."""
        return Future()

    @default("_close_future")
    def _default_close_future(self) -> "Future[AnyType]":
        """Completed by ``disconnect``; ``close_all`` waits for it."""
        return Future()
