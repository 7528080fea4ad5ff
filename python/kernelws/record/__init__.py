"""Counters and log lines. Must not import anything of kernelws but the core."""
