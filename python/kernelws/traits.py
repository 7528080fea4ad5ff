"""The configurable traits of the connection class: upstream's, with its names, defaults and help, and kernelws's own.

``c.ZMQChannelsWebsocketConnection.<trait>`` sets them, upstream's deprecated ``ServerApp`` names too. Ours have a range, which
stands here and nowhere else; upstream's take what they take there. Must hold no behaviour but how configuration is read.
"""

from concurrent.futures import Future
from typing import Any as AnyType

from jupyter_client.session import Session
from jupyter_server.services.kernels.connection.base import BaseKernelWebsocketConnection
from jupyter_server.services.kernels.websocket import KernelWebsocketHandler
from jupyter_server.transutils import _i18n
from traitlets import Any, Bool, Dict, Enum, Float, Instance, Unicode, default
from traitlets.config import Config

from . import settings
from .trait_types import Directory, Seconds, Whole


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

    intake_lag_limit = Seconds(
        1.0,
        config=True,
        help="""(sec) When the server stays behind a kernel's output for longer than this, that kernel's output gets
        more of the event loop's time, up to a cap, and a warning is logged.""",
    )

    large_block_size = Whole(
        1 << 20,
        max=32 << 20,
        config=True,
        help="""(bytes) Memory blocks of the server from this size on, large messages above all, are given back to the system
        when they are freed (glibc, for the whole process, 32 MiB at most). 0: glibc keeps them for later, as it does for
        jupyter_server.""",
    )

    receive_niceness = Whole(
        10,
        max=19,
        config=True,
        help="""(levels) How much nicer than the event loop libzmq's threads are, which receive for the whole process, in the
        sense of nice(1): where both want the same core, what was received is handed on first and does not pile up. On Linux,
        from the first connection on, in every libzmq context of the process. 0: not at all, as jupyter_server does.""",
    )

    overload = Enum(
        ["hold", "drop"],
        "hold",
        config=True,
        help="""What happens to IOPub messages over iopub_msg_rate_limit or iopub_data_rate_limit: "hold" lets them wait
        and leave at the allowed rate, "drop" drops them, as jupyter_server does.""",
    )

    stream_merge_window = Seconds(
        0.016,
        config=True,
        help="""(sec) Adjacent stream messages of one cell that come within this time travel as one message; the first of
        a burst leaves at once. 0 passes every message on as it came, byte for byte.""",
    )

    stream_backlog_limit = Whole(
        16 << 20,
        config=True,
        help="""(bytes) Stream text that may wait for a client, because of the rate limits, a slow client or nobody being
        connected. Over it the middle of the text is left out and a notice says how much. 0: only the outbox's bounds.""",
    )

    interrupt_backlog_limit = Whole(
        512 << 10,
        config=True,
        help="""(bytes) Stream text of a cell that may still wait for a client when the cell is interrupted, half of it from the
        beginning and half from the end; the rest is left out and a notice says how much. 0 keeps all of it.""",
    )

    drop_output_on_restart = Bool(
        True,
        config=True,
        help="""Whether a restart that a client asked for leaves out the old process's output that no client was sent yet, with
        a notice. If False, it is sent before the output of the new process, as jupyter_server does.""",
    )

    session_memory_limit = Whole(
        64 << 20,
        config=True,
        help="(bytes) Messages of one session that may wait in memory; beyond it they wait on disk.",
    )

    session_disk_limit = Whole(
        1 << 30,
        config=True,
        help="(bytes) Messages of one session that may wait on disk, beyond session_memory_limit. 0 turns that off.",
    )

    spool_dir = Directory(
        "",
        config=True,
        help="""(directory) Where messages wait on disk, in nameless files. Empty: Jupyter's runtime directory. A directory in
        memory (tmpfs) is refused; a tenth of the disk is left free.""",
    )

    outbox_memory_limit = Whole(
        512 << 20,
        config=True,
        help="""(bytes) Messages of all sessions that may wait in memory; one that several sessions wait for counts once. Over it
        sessions without a connection are ended, those whose page was closed first.""",
    )

    outbox_disk_limit = Whole(
        4 << 30,
        config=True,
        help="""(bytes) Messages of all sessions that may wait on disk. Over it sessions without a connection are ended, those
        whose page was closed first.""",
    )

    write_high_water = Whole(
        512 << 10,
        min=1,
        config=True,
        help="""(bytes) What may be sent to a client and not be acknowledged by it, at least one message. What is more waits
        and merges on the server.""",
    )

    ack_timeout = Seconds(
        10.0,
        config=True,
        help="""(sec) A client that has not answered any ping for this long is not expected to, and is slowed down by its
        socket alone.""",
    )

    resume_timeout = Seconds(
        3600.0,
        config=True,
        help="(sec) How long a session whose connection ended can be resumed, with everything it has missed.",
    )

    max_detached_sessions = Whole(
        8,
        config=True,
        help="""(sessions) Sessions without a connection that are kept for one kernel. Sessions whose page was closed are ended
        first, then the oldest of those whose connection was lost.""",
    )

    restart_announce_delay = Seconds(
        2.0,
        config=True,
        help="""(sec) After a restart that a client asked for, how long sessions that have not reconnected are left before
        they are told. 0: they are not told, as jupyter_server does.""",
    )

    sockets_on_demand = Bool(
        True,
        config=True,
        help="""Whether a client's stdin and control sockets are opened at the first message that needs them, which saves 70 KB
        and four file descriptors a client that never does. False: with its connection, as jupyter_server does.""",
    )

    max_message_size = Whole(
        128 << 20,
        min=1,
        config=True,
        help="(bytes) The largest message that is taken from a client; a larger one closes the WebSocket with code 1009.",
    )

    def configured_section(self, cfg: Config) -> Config:
        """All that a configuration says about this object, by the names of its classes and of its parents."""
        section: Config = super()._find_my_config(cfg)
        return section

    def _find_my_config(self, cfg: Config) -> Config:
        """What traitlets sets: a wrong setting would end each connection while it is made."""
        return settings.valid(self, self.configured_section(cfg))

    @default("session")
    def _default_session(self) -> Session:
        session: Session = super()._default_session()
        session.none = bytes(memoryview(session.none))  # orjson has left 4 KB behind these two bytes
        return session

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
