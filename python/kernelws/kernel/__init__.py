"""One kernel: its IOPub feed, its processes, its address. Knows sessions as listeners only."""
