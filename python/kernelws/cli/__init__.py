"""The commands of `jupyter kernelws`.

`doctor` checks which class a server with this configuration uses and whether it works, `settings` lists all settings, `run`
runs code on a running server, `bench` compares jupyter_server's class with kernelws on this machine. The server must not
import this package. Exit codes: 0 success, 1 something failed, 2 the command line is wrong, 130 interrupted; `run` has more,
see its help.
"""

from .main import main

__all__ = ["main"]
