"""Side-by-side benchmark of the stock connection class and kernelws, in real servers.

Starts a Jupyter server for each class, pinned to one core. A synthetic kernel sends signed messages, and WebSocket clients on the
other core count them. `jupyter kernelws bench` is for users; `make bench` adds measurements for developers (tools/bench).
Must not assert an absolute time, or count its own parsing as the server's work. Runs on Linux only: CPU times come from /proc.
`kernel` sends messages that were signed beforehand, `groups` measures, `rows` names the figures, `runner` runs all groups,
`table` and `plot` show the results, and `command` is the user's command. `child`, `client` and `frames`, which doctor uses too,
are in `kernelws.cli`. Cost: nothing until it is run.
"""
