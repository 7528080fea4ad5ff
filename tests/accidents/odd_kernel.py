"""`python -m tests.accidents.odd_kernel -f FILE`: a kernel that never answers, or one that can be kept from starting.

The environment variable `ODD_KERNEL` chooses. `mute` runs and answers nothing. `fragile` is ipykernel, but exits at once if the
file `kernel-broken` is in its working directory. Must not change ipykernel. Cost: that of the process.
"""

from __future__ import annotations

import os
import runpy
import sys
import time
from pathlib import Path

MUTE = "mute"
"""Its process runs, and answers nothing."""
FRAGILE = "fragile"
"""It does not start while the file `BROKEN` is in its working directory."""
BROKEN = "kernel-broken"

if __name__ == "__main__":
    if os.environ["ODD_KERNEL"] == MUTE:
        time.sleep(1e6)
    if Path(BROKEN).exists():
        sys.exit(1)
    runpy.run_module("ipykernel_launcher", run_name="__main__")
