"""Side-by-side benchmark of the stock connection class and kernelws, in real servers.

What it does: what developers ask beyond `jupyter kernelws bench`: every row with the figure to reach, bursts from a real
ipykernel, and growth with kernels and clients. What it must not do: measure anything that `kernelws.cli.bench` measures: that
package, which users have too, starts the servers and holds all parts. Strategy: `plan` names all groups, `bursts` and
`growth` are the ones that only developers run.
Cost: about ten minutes for a full run, under a minute with --quick.
"""
