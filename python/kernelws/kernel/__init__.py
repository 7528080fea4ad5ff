"""One kernel: its IOPub feed, its processes and its address. Sees sessions only as listeners."""
