"""A kernel's last status, which a client that connects later is shown.

Must not decide who is shown it. Cost: one comparison a message, from the end of the batch to its last status.
"""

from jupyter_client.session import Session

from .. import _core
from ..messages import notices

STATUS_KEPT = 16 << 10
"""Maximum bytes of a stored status message. ipykernel's has a few hundred."""


def last_status(batch: _core.Batch, session: Session, before: list[bytes] | None) -> list[bytes] | None:
    """The frames of the last status in a batch, or ``before`` if it has none.

    None if the status is larger than ``STATUS_KEPT``, or has no parent: such a status (``starting``) is useless to a client that
    connects later.
    """
    for index in reversed(range(len(batch))):
        if batch.msg_type(index) == "status":
            frames = [bytes(frame) for frame in batch.frames(index)]
            small = sum(map(len, frames)) <= STATUS_KEPT
            asked = small and "msg_id" in notices.readable(session, batch.parts(index)[1])
            return frames if asked else None
    return before
