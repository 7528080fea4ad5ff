"""What has happened, counted and logged. Imports nothing else of kernelws but the core."""
