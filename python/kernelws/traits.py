"""The configurable traits of the connection class: jupyter_server's, with its names, defaults and help, and kernelws's own.

``c.ZMQChannelsWebsocketConnection.<trait>`` sets them; jupyter_server's deprecated ``ServerApp`` names work too. The range
of each own trait is defined here only. jupyter_server's traits accept what they accept there. Must not do more than define
traits and read their configuration.
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
from .trait_types import Directory, Memory, Seconds, Whole


class ConnectionTraits(BaseKernelWebsocketConnection):
    """The traits of ``ZMQChannelsWebsocketConnection``."""

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
        help="""Whether to check the signature of every message from the kernel, and drop replayed messages, in both
        subprotocols (default: True). If False, only legacy connections check, as in jupyter_server.""",
    )

    intake_lag_limit = Seconds(
        1.0,
        config=True,
        help="""(sec) Time for which a kernel may send IOPub messages faster than the server reads them. After that the server
        logs a warning and gives this kernel more of the event loop's time, up to 16 ms per turn. 0: do so at once.""",
    )

    large_block_size = Whole(
        1 << 20,
        max=32 << 20,
        config=True,
        help="""(bytes) Memory blocks of at least this size, mostly large messages, are returned to the operating system when
        they are freed. Works with glibc and applies to the whole process. 0: leave glibc's setting unchanged, as
        jupyter_server does.""",
    )

    receive_niceness = Whole(
        10,
        max=19,
        config=True,
        help="""(levels) Number added to the niceness of libzmq's I/O threads, see nice(1). With a lower priority than the
        event loop, they do not receive messages faster than the server sends them on. Linux only. Applies to every libzmq
        context of the process, from the first connection on, or the first code that is sent over HTTP. 0: leave the
        niceness unchanged, as jupyter_server does.""",
    )

    overload = Enum(
        ["hold", "drop"],
        "hold",
        config=True,
        help="""What to do with IOPub messages over iopub_msg_rate_limit or iopub_data_rate_limit. "hold" queues them and
        sends them at the allowed rate; "drop" drops them, as jupyter_server does.""",
    )

    stream_merge_window = Seconds(
        0.016,
        config=True,
        help="""(sec) Adjacent stream messages of one cell that arrive within this time are sent as one message. The first
        of a burst is sent at once. 0: send every message unchanged.""",
    )

    stream_backlog_limit = Whole(
        16 << 20,
        config=True,
        help="""(bytes) Maximum stream text that is queued for a client, because of the rate limits, a slow client or a lost
        connection. Above it the middle of the text is dropped, and a notice says how much. 0: no limit other than the
        session's memory and disk limits.""",
    )

    interrupt_backlog_limit = Whole(
        512 << 10,
        config=True,
        help="""(bytes) Queued stream text of a cell that is kept when the cell is interrupted: half from the beginning, half
        from the end. The rest is dropped, and a notice says how much. 0: keep all of it.""",
    )

    drop_output_on_restart = Bool(
        True,
        config=True,
        help="""Whether to drop the old process's unsent output when a client restarts the kernel (default: True). A notice
        says how much. If False, it is sent before the output of the new process, as in jupyter_server.""",
    )

    session_memory_limit = Memory(
        64 << 20,
        config=True,
        help="""(bytes) Maximum memory for the queued messages of one session. Messages above it are queued on disk. One
        message may be larger. In a container with less than 2 GiB of memory the default is the same share of that memory.""",
    )

    session_disk_limit = Whole(
        1 << 30,
        config=True,
        help="""(bytes) Maximum disk space for the queued messages of one session, in addition to session_memory_limit.
        0: do not use the disk.""",
    )

    spool_dir = Directory(
        "",
        config=True,
        help="""(directory) Directory for the files of messages that are queued on disk. The files have no names, so a crash
        leaves none behind. A tmpfs is not used, because it is memory, and a tenth of the disk is left free. Empty: Jupyter's
        runtime directory.""",
    )

    outbox_memory_limit = Memory(
        512 << 20,
        config=True,
        help="""(bytes) Maximum memory for the queued messages of all sessions; a message that several sessions share counts
        once. Above it sessions without a connection are ended, first those whose page was closed. In a container with less than
        2 GiB of memory the default is a quarter of that memory.""",
    )

    outbox_disk_limit = Whole(
        4 << 30,
        config=True,
        help="""(bytes) Maximum disk space for the queued messages of all sessions. Above it sessions without a connection are
        ended, first those whose page was closed.""",
    )

    write_high_water = Whole(
        512 << 10,
        min=1,
        config=True,
        help="""(bytes) Maximum data sent to a client that it has not acknowledged; one message is always allowed. Further
        messages are queued on the server, where stream messages are merged.""",
    )

    ack_timeout = Seconds(
        10.0,
        config=True,
        help="""(sec) Time to wait for the first pong of a client. Without one, the client is treated as one that answers no
        pings: data that was written to its socket counts as acknowledged. 0: wait forever.""",
    )

    resume_timeout = Seconds(
        3600.0,
        config=True,
        help="""(sec) Time for which a client can resume its session after its connection has ended, and get all messages that
        it missed.""",
    )

    max_detached_sessions = Whole(
        8,
        config=True,
        help="""(sessions) Maximum number of sessions without a connection per kernel. Above it sessions are ended: first those
        whose page was closed, then those whose connection was lost, the oldest first. 0: keep none.""",
    )

    restart_announce_delay = Seconds(
        2.0,
        config=True,
        help="""(sec) Time after a restart by one client until the kernel's other clients get the status "restarting". A client
        that reconnects or sends a request before then does not get it. 0: never send it, as in jupyter_server. If a connection
        is lost before the client has acknowledged "restarting", it is sent again this long after the reconnect.""",
    )

    sockets_on_demand = Bool(
        True,
        config=True,
        help="""Whether to open a client's stdin and control sockets at the first message that needs them (default: True).
        This saves about 80 KB and four file descriptors for each client that never needs them. If False, they are opened with the
        connection, as in jupyter_server.""",
    )

    executions = Bool(
        True,
        config=True,
        help="""Whether to keep the output of each execution for the user who ran it, and to offer it over HTTP (default: True).
        If the kernel manager's buffer_offline_messages is off, executions are off too, unless this is set explicitly. Takes
        effect when the server starts, and needs the extension.""",
    )

    executions_kept = Whole(
        1000,
        min=1,
        config=True,
        help="""(executions) Maximum number of executions of a kernel that are kept. Above it the oldest ones that have ended are
        forgotten.""",
    )

    executions_memory_limit = Memory(
        32 << 20,
        min=1 << 16,
        config=True,
        help="""(bytes) Maximum memory of the executions of a kernel. Above it the oldest ones that have ended are forgotten, then
        text is left out in the middle of the others, then their oldest displays. In a container with less than 2 GiB of memory
        the default is the same share of that memory.""",
    )

    executions_server_memory_limit = Memory(
        256 << 20,
        min=1 << 16,
        config=True,
        help="""(bytes) Maximum memory of the executions of all kernels. If the kernels together could exceed it, each may use an
        equal share. In a container with less than 2 GiB of memory the default is an eighth of that memory.""",
    )

    executions_text_limit = Whole(
        4 << 20,
        min=1 << 10,
        config=True,
        help="""(bytes) Maximum text of one execution that is kept: its beginning and its end, one half each.""",
    )

    executions_max_age = Seconds(
        86400.0,
        config=True,
        help="(sec) Time for which an execution is kept after it has ended.",
    )

    widgets_kept = Whole(
        5000,
        min=0,
        config=True,
        help="""(widgets) Maximum number of a kernel's widgets whose state is kept, so that a page that is reloaded shows them
        while the kernel is busy. Layouts and styles count. Above it the oldest ones are not kept. 0: none are kept.""",
    )

    widgets_memory_limit = Memory(
        8 << 20,
        min=0,
        config=True,
        help="""(bytes) Maximum memory of the state of a kernel's widgets. It counts towards executions_memory_limit, and takes at
        most half of it. Above it the largest ones are not kept. In a container with less than 2 GiB of memory the default is the
        same share of that memory.""",
    )

    audit_executions = Bool(
        False,
        config=True,
        help="""Whether to record an event with the server's event logger for each execution: who ran it, when, on which kernel,
        how it ended, and the SHA-256 of its source (default: False). EventLogger.handlers says where events go. Takes effect
        when the server starts, and needs the extension.""",
    )

    audit_source = Bool(
        False,
        config=True,
        help="Whether the events of audit_executions also hold the source itself (default: False).",
    )

    kernel_heartbeat_period = Seconds(
        3.0,
        config=True,
        help="""(sec) Time between two heartbeats that a kernel is asked for, from its first client on. When three had no answer,
        the status page and the metrics call the kernel unresponsive. 0: ask for none.""",
    )

    max_message_size = Whole(
        128 << 20,
        min=1,
        config=True,
        help="(bytes) Maximum size of a message from a client. A larger one closes the WebSocket with code 1009.",
    )

    def configured_section(self, cfg: Config) -> Config:
        """The configuration that applies to this object, under the names of its class, base classes and parents."""
        section: Config = super()._find_my_config(cfg)
        return section

    def _find_my_config(self, cfg: Config) -> Config:
        """Overrides traitlets' method to remove wrong settings, with which no connection could be created."""
        return settings.valid(self, self.configured_section(cfg))

    @default("session")
    def _default_session(self) -> Session:
        session: Session = super()._default_session()
        session.none = bytes(memoryview(session.none))  # a copy: orjson's bytes object of two bytes takes up 4 KB
        return session

    websocket_handler = Instance(KernelWebsocketHandler)
    channels = Dict({})
    kernel_info_channel = Any(allow_none=True)
    session_key = Unicode("")

    _kernel_info_future = Instance(klass=Future)
    _close_future = Instance(klass=Future)

    @default("_kernel_info_future")
    def _default_kernel_info_future(self) -> "Future[AnyType]":
        """Completed by the first kernel_info reply, the timeout of ``prepare``, or ``disconnect``."""
        return Future()

    @default("_close_future")
    def _default_close_future(self) -> "Future[AnyType]":
        """Completed by ``disconnect``; ``close_all`` waits for it."""
        return Future()
