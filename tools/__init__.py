"""Programs of developers: `bench` measures, `chaos` hurts.

Must not be in the wheel, nor hold anything twice: what users' commands run on is in `kernelws.cli`, and is imported from there.
"""
