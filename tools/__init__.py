"""Programs for developers: `bench` measures, `chaos` injects faults.

Must not be in the wheel. Code that users' commands need too is in `kernelws.cli` and imported from there.
"""
