"""Side-by-side benchmark of the stock connection class and kernelws, in real servers.

What it does: starts a real Jupyter server per class, pinned to one core, lets a synthetic kernel send it signed messages, and
counts what arrives at raw WebSocket clients on the other core. `jupyter kernelws bench` is the part that users run; the
project's own `make bench` adds what only developers ask. What it must not do: assert an absolute time, or let its own
parsing count as the server's work. Linux only: the server's clocks are read from /proc and the scheduler.
Strategy: `kernel` sends bytes that were signed beforehand, `client` counts frames without parsing JSON, `groups` measures,
`rows` says what each figure means, `runner` goes through them, `table` and `plot` show them, `command` is what users
call. What doctor needs too, `child`, `client` and `frames`, is in `kernelws.cli`. Cost: nothing until it is run.
"""
