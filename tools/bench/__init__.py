"""Side-by-side benchmark of the stock connection class and kernelws, in real servers.

Adds to `jupyter kernelws bench` what only developers need: all rows with their targets, bursts from a real ipykernel, growth with
the number of kernels and clients, and the cost of metrics and the status page. Must not repeat what is in `kernelws.cli.bench`,
which starts the servers and measures. `plan` lists all groups.
Cost: about ten minutes for a full run, under a minute with --quick.
"""
