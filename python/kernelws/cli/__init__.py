"""`jupyter kernelws`: what a user asks of kernelws at a prompt.

`doctor` says which class this configuration's server uses and whether it works, `bench` measures stock against kernelws on
this machine. Must not be imported by the server: each command imports what it needs when it runs. Exit codes: 0 all is
well, 1 something failed, 2 the command line is wrong, 130 interrupted.
"""

from .main import main

__all__ = ["main"]
