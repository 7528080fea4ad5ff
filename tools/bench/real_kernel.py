"""Runs ipykernel on the kernels' core, optionally with another SNDHWM.

If BENCH_SNDHWM is set, all sockets of ipykernel's context are made with that SNDHWM: options of a context are defaults for its
later sockets. Must not change how ipykernel sends. Cost: none.
"""

from __future__ import annotations

import os
from typing import Any

import zmq
from ipykernel.kernelapp import IPKernelApp


class BenchKernelApp(IPKernelApp):
    """IPKernelApp with the SNDHWM of BENCH_SNDHWM."""

    def init_iopub(self, context: Any) -> None:
        """Sets the default before the IOPub socket is made."""
        if "BENCH_SNDHWM" in os.environ:
            context.setsockopt(zmq.SNDHWM, int(os.environ["BENCH_SNDHWM"]))
        super().init_iopub(context)  # type: ignore[no-untyped-call]


if __name__ == "__main__":
    os.sched_setaffinity(0, {int(os.environ["BENCH_CORE"])})
    BenchKernelApp.launch_instance()
