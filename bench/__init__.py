"""Side-by-side benchmark of the stock connection class and kernelws, in real servers.

What it does: starts a real Jupyter server per class, pinned to one core, lets a synthetic kernel
send it signed messages, counts what arrives at raw WebSocket clients on the other core, and prints
one table with stock, kernelws, their ratio and the figure to reach.
What it must not do: assert an absolute time, or let its own parsing count as the server's work.
Strategy: `kernel` sends bytes that were signed beforehand, `client` counts frames without parsing
JSON, `groups` measures, `rows` says what each figure means, `table` prints.
Cost: about ten minutes for a full run, under a minute with --quick.
"""
