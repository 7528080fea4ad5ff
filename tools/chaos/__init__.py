"""Faults between a kernel and its client, on purpose: what was sent, what arrived, what came twice, what is missing.

What it does: puts a TCP proxy of its own between a raw client and a real Jupyter server, cuts, resets, stalls, slows and
silences connections, kills, stops and restarts kernels, fills the overflow's disk, and compares the numbered messages that
arrive with what a bare SUB socket with RCVHWM 0 receives from the same kernel. Stock and kernelws in one table.
What it must not do: decide anything by the clock. Figures are printed beside their targets; only messages can fail a run.
Strategy: `kernel` floods, `proxy` and `faults` hurt, `client` comes back with its session id, `tally` compares, `rows_*`
put situations together, `table` prints. A seed gives every random moment, so a run can be repeated.
Cost: about ten minutes for a full run on two cores, 90 seconds with --quick.
"""
