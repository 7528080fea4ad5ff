"""Fault injection: counts the messages that are lost, repeated or out of order when connections, kernels or disks fail.

Puts a TCP proxy between a client and a Jupyter server. Cuts, resets, stalls, slows and silences connections; kills, stops and
restarts kernels; fills the disk for overflow. Compares the numbered messages that the client receives with those that a bare
SUB socket with RCVHWM 0 receives from the same kernel. One table has jupyter_server's class and kernelws.
Times and sizes must not fail a run: they are printed beside their targets. Only wrong messages fail it.
`kernel` floods, `proxy` and `faults` inject faults, `client` reconnects with its session id, `tally` counts messages, `outcome`
compares, `rows_*` define the situations, `table` prints. All random moments come from a seed, so that a run can be repeated.
Cost: about ten minutes for a full run on two cores, 90 seconds with --quick.
"""
