"""ipykernel on the benchmark's core, with its own high-water mark or with none.

What it does: runs the unchanged IPKernelApp; with BENCH_SNDHWM set, every socket of its context is
made with that SNDHWM. What it must not do: touch how ipykernel sends.
Strategy: a context's socket options are the defaults of the sockets it makes later.
Cost: none.
"""

from __future__ import annotations

import os
from typing import Any

import zmq
from ipykernel.kernelapp import IPKernelApp


class BenchKernelApp(IPKernelApp):
    """IPKernelApp that can be told the SNDHWM of IOPub."""

    def init_iopub(self, context: Any) -> None:
        """Set the default before the IOPub socket is made."""
        if "BENCH_SNDHWM" in os.environ:
            context.setsockopt(zmq.SNDHWM, int(os.environ["BENCH_SNDHWM"]))
        super().init_iopub(context)  # type: ignore[no-untyped-call]


if __name__ == "__main__":
    os.sched_setaffinity(0, {int(os.environ["BENCH_CORE"])})
    BenchKernelApp.launch_instance()
