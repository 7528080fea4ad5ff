"""``Limits``: an immutable copy of the settings that a session needs.

``traits.py`` defines their ranges, defaults and help. Must not know traitlets. Cost: one object a session, replaced when a
trait changes.
"""

from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True)
class Limits:
    """Fields have the names and units of the traits."""

    limit_rate: bool
    overload: str
    iopub_msg_rate_limit: float
    iopub_data_rate_limit: float
    rate_limit_window: float
    stream_merge_window: float
    stream_backlog_limit: int
    interrupt_backlog_limit: int
    drop_output_on_restart: bool
    session_memory_limit: int
    session_disk_limit: int
    outbox_memory_limit: int
    outbox_disk_limit: int
    write_high_water: int
    spool_dir: str
    ack_timeout: float
    restart_announce_delay: float
    resume_timeout: float
    max_detached_sessions: int

    @classmethod
    def of(cls, owner: object) -> "Limits":
        """Copies the attributes of ``owner``, an instance of the public class."""
        return cls(*(getattr(owner, name) for name in NAMES))

    @property
    def holds(self) -> bool:
        """Whether messages over the rate limits are queued."""
        return self.limit_rate and self.overload == "hold"

    @property
    def drops(self) -> bool:
        """Whether messages over the rate limits are dropped, as in jupyter_server."""
        return self.limit_rate and self.overload == "drop"

    @property
    def rates(self) -> tuple[float, float, float]:
        """Messages per second, bytes per second, and the window in seconds."""
        return self.iopub_msg_rate_limit, self.iopub_data_rate_limit, self.rate_limit_window


NAMES = tuple(field.name for field in fields(Limits))
